"""Files as annotation tools write them, with the truth beside, where they are at hand."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from made import wsss
from PIL import Image
from scipy import ndimage

from wsss_cli.artifacts import DatasetReader, open_dataset
from wsss_cli.core.marks import BOX, LINE, POINT

FORMATS = Path(__file__).resolve().parents[2] / "shared" / "formats"
NEAR = 0.01  # pixels that a coordinate may differ by
EDGE = 0.51  # the same of boxes in formats of whole pixels


def truth_of(name: str) -> dict[str, Any]:
    """What is known of a sample; skips the test where there are no samples."""
    folder = FORMATS / name
    if not folder.is_dir():
        pytest.skip("the samples of annotation formats are not at hand")
    found: dict[str, Any] = json.loads((folder / "truth.json").read_text())
    return found


def packed(name: str, out: Path, *options: Any, source: str = ".") -> DatasetReader:
    """A sample packed by one command: SOURCE below its folder, and options."""
    truth_of(name)
    result = wsss("pack", FORMATS / name / source, "-o", out, *options)
    assert result.exit_code == 0, result.output
    return open_dataset(out)


def image_id(name: str) -> str:
    """The id of an image of a truth."""
    return unicodedata.normalize("NFC", name.rpartition(".")[0])


def compare(
    name: str,
    data: DatasetReader,
    *,
    near: float = NEAR,
    edge: float = EDGE,
    skip: tuple[str, ...] = (),
    ids: dict[str, str] | None = None,
    unsaid: Mapping[str, np.ndarray] = MappingProxyType({}),
) -> None:
    """Hold a packed sample against its truth: classes, splits, tags, points, lines, boxes, masks.

    Args:
        name: of the sample.
        data: as it was packed.
        near: pixels that points and lines may differ by.
        edge: pixels that sides of boxes may differ by.
        skip: of "splits", "tags", "points", "scribbles", "boxes", "mask" those that the format, or
            the file in hand, does not hold.
        ids: id of each image of the truth, where it is not its name.
        unsaid: pixels, by id, of which the true mask says something else on purpose.
    """
    truth = truth_of(name)
    expected = {ids[key] if ids else image_id(key): one for key, one in truth["images"].items()}
    assert data.ids == sorted(expected, key=str.encode)
    if "splits" not in skip:
        for split in {one["split"] for one in expected.values()}:
            inside = [key for key, one in expected.items() if one["split"] == split]
            assert data.split(split) == sorted(inside, key=str.encode), split
    for key, one in expected.items():
        assert data.size(key) == (one["size"][1], one["size"][0]), key
        if "tags" not in skip:
            assert [data.classes[tag] for tag in data.tags(key)] == sorted(
                one["tags"], key=data.classes.index
            ), key
        if "points" not in skip:
            _same_points(data, key, one.get("points", []), near)
        if "scribbles" not in skip:
            _same_lines(data, key, one.get("scribbles", []), near)
        if "boxes" not in skip:
            _same_boxes(data, key, one.get("boxes", []), edge)
        if "mask" not in skip and "mask" in one:
            path = FORMATS / name / one["mask"]
            wanted, free = np.array(Image.open(path)), unsaid.get(key)
            _same_mask(data, key, wanted, truth["mask_exact"], free)


def _marks(data: DatasetReader, key: str, kind: int) -> list[tuple[str, np.ndarray]]:
    names = ["background", *data.classes]
    return [(names[one.label], one.xy) for one in data.marks(key) or () if one.kind == kind]


def _same_points(data: DatasetReader, key: str, points: list[dict[str, Any]], near: float) -> None:
    found = sorted((name, *xy[0].tolist()) for name, xy in _marks(data, key, POINT))
    wanted = sorted((one["class"], float(one["x"]), float(one["y"])) for one in points)
    assert [one[0] for one in found] == [one[0] for one in wanted], key
    for one, other in zip(found, wanted, strict=True):
        assert np.allclose(one[1:], other[1:], atol=near), (key, one, other)


def _same_lines(data: DatasetReader, key: str, lines: list[dict[str, Any]], near: float) -> None:
    found = _marks(data, key, LINE)
    assert len(found) == len(lines), key
    for one in lines:
        wanted = np.array(one["xy"], float)
        alike = [
            xy
            for name, xy in found
            if name == one["class"]
            and xy.shape == wanted.shape
            and np.allclose(xy, wanted, atol=near)
        ]
        assert alike, (key, one)


def _same_boxes(data: DatasetReader, key: str, boxes: list[dict[str, Any]], edge: float) -> None:
    """Every true box is a mark, or goes around a true object."""
    found = [(name, xy.ravel()) for name, xy in _marks(data, key, BOX)]
    for thing in data.true_objects(key) or ():
        found.append((data.classes[thing.class_index], np.array(thing.region.corners, float)))
    for one in boxes:
        near = [
            b
            for name, b in found
            if name == one["class"] and np.allclose(b, one["xyxy"], atol=edge)
        ]
        assert near, (key, one, found)


def _same_mask(
    data: DatasetReader, key: str, wanted: np.ndarray, exact: bool, free: np.ndarray | None
) -> None:
    """Equal; where outlines were painted, but for pixels beside an edge."""
    found = data.mask(key)
    assert found is not None, key
    different = found != wanted
    if free is not None:
        different &= ~free
    if not exact:
        least, most = (
            of(wanted, size=(3, 3)) for of in (ndimage.grey_erosion, ndimage.grey_dilation)
        )
        different &= least == most
    assert not different.any(), (key, np.argwhere(different)[:5], found[different][:5])
