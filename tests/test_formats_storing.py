"""What of a collection stands in the data set, field by field."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import encode_png

from wsss_cli.artifacts import DatasetReader, open_artifact, open_dataset
from wsss_cli.core.labels import IGNORE
from wsss_cli.errors import WsssError
from wsss_cli.formats.packing import OnError, pack
from wsss_cli.formats.sample import Collection, Sample
from wsss_cli.formats.shapes import Drawing, Shape, box, line, point, polygon

SIZE = (8, 12)
SQUARE = [[2, 2], [6, 2], [6, 6], [2, 6]]
IMAGE = encode_png(np.zeros((*SIZE, 3), np.uint8)).tobytes()


def sample(image_id: str, *shapes: Shape, absent: tuple[str, ...] | None = None) -> Sample:
    drawing = Drawing(shapes, image_id)
    return Sample(image_id, IMAGE, drawing.names, absent=absent, drawing=drawing)


@pytest.fixture
def packed(tmp_path: Path) -> Callable[..., DatasetReader]:
    def run(*samples: Sample) -> DatasetReader:
        found = Collection(("cat", "dog", "owl"), samples, notes={"source": "x"})
        out = tmp_path / "data.h5"
        pack(found, "x", out, False, OnError.stop, None, 0, True, True)
        return open_dataset(out)

    return run


def test_who_made_a_mark_is_numbered_over_the_whole_set(
    packed: Callable[..., DatasetReader],
) -> None:
    data = packed(
        sample("a", point("cat", 1, 1, source="zoe"), point("dog", 2, 2)),
        sample("b", point("dog", 3, 3, source="ann"), line("cat", SQUARE, source="zoe")),
        sample("c"),
    )
    assert data.params["mark_sources"] == ["ann", "zoe"]
    assert [one.source for one in data.marks("a") or ()] == [1, -1]
    assert [one.source for one in data.marks("b") or ()] == [0, 1]
    assert data.marks("c") is None
    assert data.mask("a") is None
    assert data.true_objects("a") is None


def test_where_some_have_outlines_the_others_are_background(
    packed: Callable[..., DatasetReader],
) -> None:
    data = packed(
        sample("a", polygon("dog", SQUARE)), sample("b"), sample("c", box("cat", 1, 1, 5, 5))
    )
    a, b, c = (data.mask(name) for name in "abc")
    assert a is not None
    assert (a == 2).sum() == 16
    assert b is not None
    assert not b.any()
    assert c is not None
    assert (c == IGNORE).sum() == 16  # nothing is known within the box
    assert [len(data.true_objects(name) or ()) for name in "abc"] == [1, 0, 0]


def test_three_values_of_tags(packed: Callable[..., DatasetReader]) -> None:
    data = packed(
        sample("a", point("cat", 1, 1), absent=("owl",)),
        sample("b", point("cat", 1, 1)),
        sample("c", absent=()),
    )
    assert data.absent("a") is not None
    assert [data.not_said(name).tolist() for name in "abc"] == [[1], [], [0, 1, 2]]
    assert data.absent("b") is None


def test_fields_of_nothing_are_not_in_the_file(packed: Callable[..., DatasetReader]) -> None:
    with open_artifact(packed(sample("a")).path) as found:
        shown = {name: found.column(name).holds_values for name in ("mark", "true_object")}
    assert shown == {"mark": False, "true_object": False}


def test_more_than_half_outside_is_another_frame(packed: Callable[..., DatasetReader]) -> None:
    far = [point("cat", 900, 900) for _ in range(3)]
    with pytest.raises(WsssError, match="3 of 5 shapes lie outside their images, first in a"):
        packed(sample("a", point("cat", 1, 1), point("cat", 2, 1), *far))
    assert len(packed(sample("a", *[point("cat", 1, 1)] * 3, *far)).marks("a") or ()) == 3
