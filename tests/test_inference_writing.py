"""Items are written as they come, made here or in worker processes."""

from __future__ import annotations

from typing import Any

import pytest

from wsss_cli.core.crf import PRESETS
from wsss_cli.core.pamr import PamrParams
from wsss_cli.inference.writing import workers_for, write, write_made


class Noted:
    """A target that notes what it is given."""

    def __init__(self, todo: list[str]) -> None:
        self.todo, self.total = todo, len(todo) + 1
        self.items: dict[str, Any] = {}

    def __len__(self) -> int:
        return len(self.items) + 1

    def put(self, image_id: str, **item: Any) -> None:
        self.items[image_id] = item


def doubled(image_id: str, number: int) -> dict[str, int]:
    return {"number": 2 * number}


def test_items_are_put_with_their_fields() -> None:
    target = Noted(["a"])
    write(target, [("a", {"x": 1, "y": 2})], "name", quiet=True)
    assert target.items == {"a": {"x": 1, "y": 2}}


def test_progress_counts_what_was_there(capsys: pytest.CaptureFixture[str]) -> None:
    write(Noted(["a"]), [("a", {})], "name", quiet=True)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_make_no_difference(workers: int) -> None:
    target = Noted(["a", "b", "c"])
    jobs = [(image_id, number) for number, image_id in enumerate(target.todo)]
    write_made(target, doubled, jobs, workers, "name", quiet=True)
    assert target.items == {"a": {"number": 0}, "b": {"number": 2}, "c": {"number": 4}}


def test_only_a_crf_is_worth_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WSSS_CORES", "1")
    assert workers_for(None, None, 100) == 1
    assert workers_for(None, 3, 100) == 3
    assert workers_for(PRESETS["psa"], 3, 100) == 3
    assert workers_for(PRESETS["psa"], None, 100) == 1
    assert workers_for(PamrParams(), 3, 100) == 3
    assert workers_for(PamrParams(device="cuda"), 3, 100) == 0
    assert workers_for(PRESETS["psa"], 3, 2) == 2
