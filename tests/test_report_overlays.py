"""What artifacts hold, painted over their images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import encode_png
from made import pack_like, write_cam, write_labels

from wsss_cli.artifacts import DATASET, create, open_artifact, open_dataset
from wsss_cli.core.mark_kinds import BOX, IGNORED, LINE, POINT
from wsss_cli.core.marks import Mark, Marks
from wsss_cli.core.render import class_colours, paint_label, resize_image
from wsss_cli.core.render_marks import paint_marks
from wsss_cli.errors import WsssError
from wsss_cli.report.overlays import _tagged, draw, short_names
from wsss_cli.report.sheet import FAINT, GAP, MARGIN

ROOM = (32, 48)  # that of the tiny images
LEFT, TOP = MARGIN, MARGIN + 20


def cell(sheet: np.ndarray, column: int, row: int = 0) -> np.ndarray:
    top, left = TOP + row * (32 + 28), LEFT + column * (48 + GAP)
    return sheet[top : top + 32, left : left + 48]


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["a.h5", "b.h5"], ["a.h5", "b.h5"]),
        (["x/a.h5", "y/a.h5"], ["x/a.h5", "y/a.h5"]),
        (["1/x/a.h5", "2/x/a.h5", "2/y/a.h5"], ["1/x/a.h5", "2/x/a.h5", "y/a.h5"]),
        (["x/a.h5", "x/a.h5"], ["a.h5", "a.h5"]),
        (["a.h5", "x/a.h5"], ["a.h5", "x/a.h5"]),
    ],
)
def test_names_are_as_long_as_tells_them_apart(paths: list[str], names: list[str]) -> None:
    assert short_names([Path(path) for path in paths]) == names


def test_labels_are_painted_beside_image_and_truth(tiny_data: Path, tmp_path: Path) -> None:
    label = np.zeros((32, 48), np.uint8)
    label[8:20, 10:30] = 2
    path = write_labels(tmp_path / "p.h5", tiny_data, {"a/0": label})
    with open_dataset(tiny_data) as data, open_artifact(path) as source:
        sheet = draw(data, [source], ["a/0", "a/1"], ROOM)
        assert sheet.shape[1] == 2 * MARGIN + 3 * 48 + 2 * GAP
        image = resize_image(data.image("a/0"), ROOM)
        assert (cell(sheet, 0) == image).all()
        assert (cell(sheet, 1) == paint_label(image, label, class_colours(3))).all()
        truth = paint_label(image, data.mask("a/0"), class_colours(3))
        assert (cell(sheet, 2) == truth).all()
    assert (cell(sheet, 1, 1)[-10:] == FAINT).all()  # a/1 is not in the file


def swatches(sheet: np.ndarray, rows: int) -> list[bool]:
    """Which of three classes have their colour in the legend."""
    legend = sheet[TOP + rows * (32 + 28) - 8 + MARGIN :]
    return [bool((legend == colour).all(axis=2).sum() == 144) for colour in class_colours(3)]


def test_the_legend_holds_what_is_shown(tiny_data: Path, tmp_path: Path) -> None:
    label = np.full((32, 48), 3, np.uint8)
    path = write_labels(tmp_path / "p.h5", tiny_data, {"a/0": label})
    with open_dataset(tiny_data) as data, open_artifact(path) as source:
        assert swatches(draw(data, [], ["a/0"], ROOM), 1) == [True, False, False]
        assert swatches(draw(data, [source], ["a/0"], ROOM), 1) == [True, False, True]
        assert swatches(draw(data, [source], ["a/5"], ROOM), 1) == [False, False, False]


def test_maps_glow_in_the_colours_of_their_classes(tiny_data: Path, tmp_path: Path) -> None:
    maps = np.zeros((1, 8, 12), np.float16)
    maps[0, :, :6] = 1
    item = {"cam": maps, "classes": np.array([1], np.uint16)}
    path = write_cam(tmp_path / "c.h5", tiny_data, {"a/0": item})
    with open_dataset(tiny_data) as data, open_artifact(path) as source:
        sheet = draw(data, [source], ["a/0"], ROOM)
    painted = cell(sheet, 1).astype(float)
    colour = class_colours(3)[1]
    near = np.abs(painted - colour).mean(axis=(0, 2))  # of each column of pixels
    assert near[:20].max() < near[30:].min() / 2
    assert swatches(sheet, 1)[1]


def test_there_is_no_column_of_truth_where_there_is_none(tmp_path: Path) -> None:
    image = np.full((32, 48, 3), 9, np.uint8)
    data = pack_like(tmp_path / "d.h5", {"x": image}, {}, {}, ["a"])
    with open_dataset(data) as truth:
        sheet = draw(truth, [], ["x"], ROOM)
    assert sheet.shape[1] == 2 * MARGIN + 48
    assert (cell(sheet, 0) == 9).all()


def test_what_does_not_fit_is_named(tiny_data: Path, tmp_path: Path) -> None:
    small = write_labels(tmp_path / "p.h5", tiny_data, {"a/0": np.zeros((31, 48), np.uint8)})
    with (
        open_dataset(tiny_data) as data,
        open_artifact(small) as source,
        pytest.raises(WsssError) as caught,
    ):
        draw(data, [source], ["a/0"], ROOM)
    said = "labels of (31, 48) for an image of (32, 48)"
    assert str(caught.value) == f"{small}: image 'a/0': {said}"


def marked(folder: Path, absent: list[int] | None = None) -> Path:
    """Two images, the first with a point of class 1, a background line and an unsure box."""
    path = folder / "m.h5"
    found = Marks.of(
        [
            Mark(POINT, 2, (np.array([(20, 8)], np.float32),)),
            Mark(LINE, 0, (np.array([(4, 28), (40, 28)], np.float32),)),
            Mark(BOX, IGNORED, (np.array([(30, 4), (44, 20)], np.float32),)),
        ]
    )
    fields = {"mark": found.table, "mark_ring": found.ring, "mark_xy": found.xy}
    with create(path, DATASET, classes=["a", "b", "c"], params={}, ids=["x", "y"]) as out:
        for name, own in (("x", {**fields, "mark_run": found.run}), ("y", {})):
            out.put(
                name,
                image=encode_png(np.full((32, 48, 3), 120, np.uint8)),
                tags=np.array([1], np.uint16),
                absent=None if absent is None else np.array(absent, np.uint16),
                size=np.array((32, 48), np.int32),
                **own,
            )
    return path


def test_marks_have_a_column_and_their_labels_a_line_in_the_legend(tmp_path: Path) -> None:
    with open_dataset(marked(tmp_path)) as data:
        sheet = draw(data, [], ["x", "y"], ROOM)
        without = draw(data, [], ["x", "y"], ROOM, marks=False)
        marks = data.marks("x")
        assert marks is not None
        image = data.image("x")
        expected = paint_marks(image, marks, (32, 48), class_colours(3))
        alone = draw(data, [], ["y"], ROOM)
    assert sheet.shape[1] == 2 * MARGIN + 2 * 48 + GAP
    assert (cell(sheet, 0) == image).all()
    assert (cell(sheet, 1) == expected).all()
    assert (cell(sheet, 1, 1)[-10:] == FAINT).all()  # y has none
    assert swatches(sheet, 2) == [False, True, False]
    legend = sheet[TOP + 2 * (32 + 28) - 8 + MARGIN :]
    assert (legend == 0).all(axis=2).sum() == 144  # background; ink is not so dark
    for bare, rows in ((without, 2), (alone, 1)):
        assert bare.shape[1] == 2 * MARGIN + 48
        assert swatches(bare, rows) == [False] * 3


def test_what_tags_do_not_say_is_in_the_caption(tmp_path: Path) -> None:
    said, open_ = (tmp_path / name for name in ("said", "open"))
    said.mkdir()
    open_.mkdir()
    with open_dataset(marked(said, [0, 2])) as data:
        one = draw(data, [], ["y"], ROOM)
        assert _tagged(data, "y") == "b"
    with open_dataset(marked(open_, [0])) as data:
        other = draw(data, [], ["y"], ROOM)
        assert _tagged(data, "y") == "b (1 class not said)"
    assert not np.array_equal(one, other)
