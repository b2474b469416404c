"""Tiles as items: the pixels, masks, objects, boxes and marks of the whole at their place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from large_scenes import CLASSES, SIZE, TILES, TILING, collection, packed, shapes, with_masks
from made import contents

from wsss_cli.artifacts import open_dataset
from wsss_cli.core.images import decode_image
from wsss_cli.core.tiles import Tiling, tile_id
from wsss_cli.formats.fitting import fit
from wsss_cli.formats.shapes import Drawing, Outlines, Use
from wsss_cli.formats.tile_items import cut_fitted
from wsss_cli.formats.tile_tags import Tiles

WINDOWS = TILING.windows(SIZE)
NAMES = [tile_id("sub/big", one) for one in WINDOWS]


def test_tiles_show_what_the_whole_shows_there(tmp_path: Path) -> None:
    found = with_masks(collection(drawn=shapes()))
    whole, cut = packed(found, tmp_path / "w.h5", None), packed(found, tmp_path / "t.h5")
    with open_dataset(whole) as one, open_dataset(cut) as tiles:
        assert sorted(tiles.ids) == sorted([*NAMES, "small"])
        image, mask = one.image("sub/big"), one.mask("sub/big")
        assert mask is not None
        for window, name in zip(WINDOWS, NAMES, strict=True):
            assert tiles.size(name) == (window.height, window.width) == (16, 16)
            assert (tiles.image(name) == image[window.slices]).all()
            assert (tiles.mask(name) == mask[window.slices]).all()
            assert tiles.field(name, "tile").tolist() == [window.y, window.x, *SIZE]
            assert tiles.field(name, "whole").tobytes().decode() == "sub/big"
        assert tiles["small"].keys() == one["small"].keys()
        for field, value in one["small"].items():
            assert (tiles["small"][field] == value).all()
        assert tiles.split("train") == sorted([*NAMES, "small"])
        assert tiles.split("val") == ["small"]
        assert (tiles.params["tile"], tiles.params["overlap"]) == (16, 5)


def test_grey_pixels_take_one_band(tmp_path: Path) -> None:
    found = collection()
    big = replace(found.samples[1], tags=(), image=found.samples[0].image)
    cut = packed(replace(found, samples=(big,)), tmp_path / "t.h5", Tiles(Tiling(8, 2)))
    with open_dataset(cut) as tiles:
        first = tiles.encoded_image(tiles.ids[0])
        assert first[25] == 0  # IHDR: greys
        assert (tiles.image(tiles.ids[0]) == decode_image(big.image)[:8, :8]).all()  # type: ignore[arg-type]


def test_a_tile_as_large_as_the_images_changes_no_field(tmp_path: Path) -> None:
    found = with_masks(collection(drawn=shapes()))
    one = packed(found, tmp_path / "w.h5", None)
    other = packed(found, tmp_path / "t.h5", Tiles(Tiling(70, 8)))
    mine, theirs = contents(one), contents(other)
    assert mine.keys() == theirs.keys()
    for name in mine:
        assert mine[name].keys() == theirs[name].keys()
        assert all((value == theirs[name][key]).all() for key, value in mine[name].items())
    with h5py.File(other) as file:
        assert not {"tile", "whole", "mark_number"} & set(file)


def test_a_drawing_is_cut_and_numbered() -> None:
    numbers = {name: number for number, name in enumerate(CLASSES)}
    fitted = fit(Drawing(shapes()), SIZE, numbers, Use(Outlines.both))
    assert fitted.label is not None
    for window in WINDOWS:
        cut = cut_fitted(fitted, window, SIZE)
        assert (cut.fitted.label == fitted.label[window.slices]).all()
        for one, number in zip(cut.fitted.objects, cut.objects, strict=True):
            whole = fitted.objects[number]
            assert (one.class_index, one.crowd) == (whole.class_index, whole.crowd)
        for one, number in zip(cut.fitted.marks, cut.marks, strict=True):
            whole = fitted.marks[number]
            assert (one.kind, one.label, one.object, one.rank, one.source) == (
                (whole.kind, whole.label, whole.object, whole.rank, whole.source)
            )
        held = cut.numbers(outlined=True)
        assert held["true_object_number"].tolist() == cut.objects
        assert held.get("mark_number", np.zeros(0)).tolist() == cut.marks
        assert "true_object_number" not in cut.numbers(outlined=False)


def test_painted_masks_and_objects_of_tiles_are_the_wholes(tmp_path: Path) -> None:
    found = collection(drawn=shapes())
    whole, cut = packed(found, tmp_path / "w.h5", None), packed(found, tmp_path / "t.h5")
    with open_dataset(whole) as one, open_dataset(cut) as tiles:
        objects, mask = one.true_objects("sub/big"), one.mask("sub/big")
        assert objects is not None
        assert mask is not None
        full = [np.zeros(SIZE, bool) for _ in objects]
        for pixels, thing in zip(full, objects, strict=True):
            x0, y0, x1, y1 = thing.region.corners
            pixels[y0:y1, x0:x1] = thing.region.mask
        for window, name in zip(WINDOWS, NAMES, strict=True):
            assert (tiles.mask(name) == mask[window.slices]).all()
            seen = np.zeros((len(objects), 16, 16), bool)
            own = tiles.true_objects(name)
            numbers = tiles.field(name, "true_object_number")
            assert own is not None
            assert numbers is not None
            for thing, number in zip(own, numbers.tolist(), strict=True):
                x0, y0, x1, y1 = thing.region.corners
                seen[number, y0:y1, x0:x1] = thing.region.mask
            assert (seen == np.array([pixels[window.slices] for pixels in full])).all()


def test_pixels_of_16_bits_and_chosen_bands_are_read_once(tmp_path: Path) -> None:
    from wsss_cli.core.reading import Reading
    from wsss_cli.formats.packing import OnError, pack

    found = collection()
    big = replace(found.samples[1], tags=())
    found = replace(found, samples=(big,), tiles=TILES)
    for name, tiles in (("w.h5", None), ("t.h5", TILES)):
        pack(
            replace(found, tiles=tiles), "tests", tmp_path / name, False, OnError.stop, None, 1,
            True, True, Reading(bands=(3, 1, 1)),
        )  # fmt: skip
    with open_dataset(tmp_path / "w.h5") as one, open_dataset(tmp_path / "t.h5") as cut:
        image = one.image("sub/big")
        assert (image[..., 1] == image[..., 2]).all()
        assert cut.params["bands"] == [3, 1, 1]
        for window, name in zip(WINDOWS, NAMES, strict=True):
            assert (cut.image(name) == image[window.slices]).all()


@pytest.mark.parametrize("truth", ["mask", "drawn"])
def test_an_interrupted_pack_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, truth: str
) -> None:
    from wsss_cli.artifacts import Writer

    found = with_masks(collection()) if truth == "mask" else collection(drawn=shapes())
    real, count = Writer.put, [0]

    def put(self: Writer, image_id: str, **arrays: np.ndarray | None) -> None:
        count[0] += 1
        if count[0] == 7:
            raise KeyboardInterrupt
        real(self, image_id, **arrays)

    monkeypatch.setattr(Writer, "put", put)
    with pytest.raises(KeyboardInterrupt):
        packed_slowly(found, tmp_path / "t.h5")
    packed_slowly(found, tmp_path / "t.h5")
    assert count[0] == 7 + len(NAMES) + 1 - 6
    packed_slowly(found, tmp_path / "u.h5")
    with open_dataset(tmp_path / "t.h5") as one, open_dataset(tmp_path / "u.h5") as other:
        assert one.run == other.run


def packed_slowly(found: object, out: Path) -> None:
    """Without --force, which would begin anew."""
    from wsss_cli.formats.packing import OnError, pack

    pack(replace(found, tiles=TILES), "tests", out, False, OnError.stop, None, 1, False, True)  # type: ignore[type-var]
