"""A data set of tiles seen as whole images: what a pack without tiles holds."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from large_scenes import CLASSES, SIZE, collection, packed, shapes, with_masks
from made import write_labels

from wsss_cli.artifacts import Artifact, DatasetReader, open_artifact, open_dataset
from wsss_cli.artifacts.wholes import WholeReader, wholes_of
from wsss_cli.core.images import decode_image, decode_mask
from wsss_cli.errors import WsssError
from wsss_cli.formats.sample import Collection
from wsss_cli.formats.shapes import BOX, Drawing, Outlines

Pair = tuple[DatasetReader, WholeReader]


def pair(found: Collection, folder: Path) -> Pair:
    """The collection packed without tiles; and cut, and seen whole."""
    whole, cut = packed(found, folder / "w.h5", None), packed(found, folder / "t.h5")
    return open_dataset(whole), WholeReader(open_dataset(cut))


def test_images_masks_tags_and_splits_are_those_of_an_uncut_pack(tmp_path: Path) -> None:
    one, view = pair(with_masks(collection(drawn=shapes())), tmp_path)
    with one, view:
        assert view.ids == one.ids == ["small", "sub/big"]
        assert (len(view), view.view, "sub/big" in view, "big" in view) == (2, "whole", True, False)
        assert view.sizes().tolist() == one.sizes().tolist()
        assert view.splits == one.splits
        for split in (None, "train", "val"):
            assert view.split(split) == one.split(split)
        for image_id in one.ids:
            assert view.size(image_id) == one.size(image_id)
            assert (view.image(image_id) == one.image(image_id)).all()
            assert (decode_image(view.encoded_image(image_id)) == one.image(image_id)).all()
            assert view.has_mask(image_id)
            assert (view.mask(image_id) == one.mask(image_id)).all()
            assert view.tags(image_id).tolist() == one.tags(image_id).tolist()
            assert view.absent(image_id) is None
            assert view.not_said(image_id).tolist() == []
        assert view.field("sub/big", "size").tolist() == list(SIZE)
        assert view.field("sub/big", "path") is None
        mask = view.field("sub/big", "mask")
        assert (decode_mask(mask.tobytes()) == one.mask("sub/big")).all()
        with pytest.raises(WsssError, match=r"has no image 'sub/big@y00000x00000', whole"):
            view.image("sub/big@y00000x00000")


def test_true_objects_and_painted_masks_come_back(tmp_path: Path) -> None:
    one, view = pair(collection(drawn=shapes()), tmp_path)
    with one, view:
        mine, theirs = view.true_objects("sub/big"), one.true_objects("sub/big")
        assert mine is not None
        assert theirs is not None
        for a, b in zip(mine, theirs, strict=True):
            assert (a.class_index, a.crowd, a.region.corners) == (
                (b.class_index, b.crowd, b.region.corners)
            )
            assert (a.region.mask == b.region.mask).all()
        assert (view.mask("sub/big") == one.mask("sub/big")).all()
        assert view.true_boxes("sub/big") is None


def test_true_boxes_come_back(tmp_path: Path) -> None:
    drawn = tuple(one for one in shapes() if one.kind == BOX)
    drawing = Drawing(drawn, true_boxes=True)
    one, view = pair(collection(drawn=drawn, drawing=drawing), tmp_path)
    with one, view:
        for mine, theirs in zip(
            view.true_boxes("sub/big") or (), one.true_boxes("sub/big") or (), strict=True
        ):
            assert mine.tolist() == theirs.tolist()
        assert view.mask("sub/big") is None
        assert not view.has_mask("sub/big")


def test_points_boxes_and_regions_come_back(tmp_path: Path) -> None:
    one, view = pair(collection(drawn=shapes(), outlines=Outlines.both), tmp_path)
    with one, view:
        mine, theirs = view.marks("sub/big"), one.marks("sub/big")
        assert mine is not None
        assert theirs is not None
        mine.check(len(CLASSES))
        for kind in range(5):
            a = [mark for mark in mine if mark.kind == kind]
            b = [mark for mark in theirs if mark.kind == kind]
            pixels = [np.logical_or.reduce([m.pixels(SIZE) for m in marks]) for marks in (a, b)]
            assert (pixels[0] == pixels[1]).mean() > (1 if kind != 1 else 0.995) - 1e-9
            if kind not in (1, 3):
                assert [m.xy.tolist() for m in a] == [m.xy.tolist() for m in b]
        assert view.marks("small") is None


def test_it_travels_to_another_process(tmp_path: Path) -> None:
    _, view = pair(with_masks(collection()), tmp_path)
    image = view.image("sub/big")
    copy = pickle.loads(pickle.dumps(view))
    assert (copy.image("sub/big") == image).all()
    assert copy.ids == view.ids
    view.keep_pixels(["sub/big"], 1 << 20)
    assert (view.image("sub/big") == image).all()
    assert (view.image("sub/big") == image).all()


def test_it_is_seen_whole_where_an_artifact_of_wholes_asks(tmp_path: Path) -> None:
    cut = packed(with_masks(collection()), tmp_path / "t.h5")
    with open_dataset(cut) as tiles, WholeReader(tiles) as view:
        labels = {name: np.zeros(tiles.size(name), np.uint8) for name in tiles.ids}
        of_tiles = write_labels(tmp_path / "l.h5", cut, labels)
        of_wholes = whole_labels(tmp_path / "m.h5", view)
    with open_artifact(of_tiles) as one, open_artifact(of_wholes) as other:
        assert open_dataset(None, one).view == ""
        assert open_dataset(cut, one).view == ""
        assert open_dataset(None, other).view == "whole"
        assert open_dataset(cut, other).view == "whole"
        assert open_dataset(cut).view == ""
    plain = packed(with_masks(collection()), tmp_path / "w.h5", None)
    with open_artifact(of_wholes) as other, open_dataset(plain, other) as data:
        assert data.view == ""


def whole_labels(path: Path, view: WholeReader) -> Path:
    from wsss_cli.artifacts import LABEL, create

    with create(path, LABEL, classes=view.classes, params={}, inputs=[view], ids=view.ids) as out:
        for name in out.todo:
            label = np.zeros(view.size(name), np.uint8)
            out.put(name, label=label, present=np.zeros(0, np.uint16))
    return path


def test_only_what_is_of_tiles_has_wholes(tmp_path: Path) -> None:
    plain = packed(with_masks(collection()), tmp_path / "w.h5", None)
    with open_dataset(plain) as data:
        labels = {name: np.zeros(data.size(name), np.uint8) for name in data.ids}
        made = write_labels(tmp_path / "l.h5", plain, labels)
        with (
            open_artifact(made) as source,
            pytest.raises(WsssError, match=r"l.h5: is of whole images"),
            wholes_of(data, source),
        ):
            pass


def lie(change: Callable[[h5py.File], None], path: Path) -> Artifact:
    with h5py.File(path, "r+") as file:
        change(file)
    return open_dataset(path)


def _tile(column: int, value: int) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        values = file["tile/values"][:]
        values[column] = value
        del file["tile/values"]
        file["tile/values"] = values

    return change


def _tiling(text: str) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        file.attrs["params"] = text

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_tile(0, 1), "not those of an image"),
        (_tile(0, -(2**31)), "not those of an image"),
        (_tile(2, 46), "several sizes"),
        (_tiling('{"tile": 15, "overlap": 5}'), "not those of an image"),
        (_tiling('{"tile": "x", "overlap": 5}'), "need whole numbers"),
        (_tiling('{"tile": 4, "overlap": 5}'), "cannot overlap"),
    ],
)
def test_a_damaged_grid_is_one_line(
    tmp_path: Path, change: Callable[[h5py.File], None], reason: str
) -> None:
    data = lie(change, packed(with_masks(collection()), tmp_path / "t.h5"))
    with pytest.raises(WsssError, match=reason):
        WholeReader(data)  # type: ignore[arg-type]


def test_a_whole_that_claims_to_be_huge_is_refused_at_once(tmp_path: Path) -> None:
    def change(file: h5py.File) -> None:
        values = file["tile/values"][:].reshape(-1, 4)
        values[:, 2:] = 2**31 - 1
        file["tile/values"][:] = values.ravel()

    data = lie(change, packed(with_masks(collection()), tmp_path / "t.h5"))
    with pytest.raises(WsssError, match="not those of an image"):
        WholeReader(data)  # type: ignore[arg-type]
