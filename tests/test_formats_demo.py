"""pack --demo: how many scenes, and of which seed."""

from __future__ import annotations

import pytest

from wsss_cli.formats import demo_scenes as scenes
from wsss_cli.formats.demo import READER, read
from wsss_cli.formats.reading import Asked, NoOptions


@pytest.mark.parametrize(("count", "val"), [(1, 1), (3, 1), (4, 2), (6, 2), (7, 3)])
def test_a_third_as_many_to_validate_on_rounded_up(
    monkeypatch: pytest.MonkeyPatch, count: int, val: int
) -> None:
    monkeypatch.setattr(scenes, "demo_scenes", lambda *numbers: numbers)
    assert read(count, Asked(seed=5), NoOptions()) == (count, val, 5)


def test_the_scenes_are_those_of_the_seed() -> None:
    assert READER.drawn
    found = READER.read(1, Asked(seed=7), NoOptions())
    assert found == scenes.demo_scenes(1, 1, 7)
    assert found != scenes.demo_scenes(1, 1, 0)
