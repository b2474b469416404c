"""What tiles are tagged with: what has a place in them, and what nothing is said of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from large_scenes import SIZE, TILES, TILING, collection, masks, packed, shapes, with_masks

from wsss_cli.artifacts import open_dataset
from wsss_cli.core.tiles import tile_id
from wsss_cli.errors import WsssError
from wsss_cli.formats.sample import Sample
from wsss_cli.formats.shapes import BOX, Drawing, point
from wsss_cli.formats.tile_tags import Unplaced, cut_sample

WINDOWS = TILING.windows(SIZE)
NAMES = [tile_id("sub/big", one) for one in WINDOWS]


def said(path: Path) -> dict[str, tuple[list[str], list[str]]]:
    """By tile, the tags and the classes that nothing is said of."""
    with open_dataset(path) as tiles:
        names = tiles.classes
        return {
            name: (
                [names[k] for k in tiles.tags(name)],
                [names[k] for k in tiles.not_said(name)],
            )
            for name in NAMES
        }


def test_with_a_mask_a_tile_shows_what_its_pixels_show_and_nothing_else(tmp_path: Path) -> None:
    found = said(packed(with_masks(collection()), tmp_path / "t.h5"))
    mask = masks()["sub/big"]
    for window, name in zip(WINDOWS, NAMES, strict=True):
        held = set(mask[window.slices].ravel().tolist())
        assert found[name] == (
            [tag for tag, label in (("cat", 2), ("dog", 3)) if label in held],
            [],
        )
    assert ([], []) in found.values()


def test_with_marks_alone_other_tags_are_not_said(tmp_path: Path) -> None:
    drawn = (point("cat", 3.5, 3.5), point("dog", 69.5, 44.5))
    found = said(packed(collection(drawn=drawn), tmp_path / "t.h5"))
    assert found[NAMES[0]] == (["cat"], ["dog"])
    assert found[NAMES[-1]] == (["dog"], ["cat"])
    assert set(map(str, list(found.values())[1:-1])) == {str(([], ["cat", "dog"]))}
    with open_dataset(tmp_path / "t.h5") as tiles:
        assert tiles.absent(NAMES[0]).tolist() == [0]  # bird: no tag of the image


def test_boxes_of_all_objects_say_what_is_not_there(tmp_path: Path) -> None:
    drawn = tuple(one for one in shapes() if one.kind == BOX)
    drawing = Drawing(drawn, true_boxes=True)
    found = said(packed(collection(drawn=drawn, drawing=drawing), tmp_path / "t.h5"))
    assert found[NAMES[0]] == (["cat"], [])
    assert found[NAMES[-1]] == ([], [])
    assert found[tile_id("sub/big", WINDOWS[5])] == (["dog"], [])


def test_what_is_absent_or_not_said_of_the_image_is_so_of_its_tiles() -> None:
    mask = np.zeros((9, 20), np.uint8)
    mask[:, :4] = 1
    tiles = replace(TILES)
    sample = Sample("a", b"", ("x",), absent=("y",))
    cut = cut_sample(sample, (9, 20), mask, None, ["x", "y", "z"], tiles)
    assert cut is not None
    assert [(one.tags, one.absent) for one in cut.parts] == [
        (("x",), ("y",)),
        ((), ("y", "x")),
    ]  # nothing is said of z
    assert cut_sample(sample, (9, 16), mask, None, ["x", "y", "z"], tiles) is None


def test_tags_without_a_place_are_refused_or_said_how(tmp_path: Path) -> None:
    found = collection()
    with pytest.raises(WsssError, match=r"1 images would be cut .* first sub/big \('cat'\)") as err:
        packed(found, tmp_path / "t.h5")
    assert "--tile-tags unsaid" in str(err.value.hint)
    assert not list(tmp_path.iterdir())
    every = said(packed(found, tmp_path / "i.h5", unplaced=Unplaced.inherit))
    assert set(map(str, every.values())) == {str((["cat", "dog"], []))}
    none = said(packed(found, tmp_path / "u.h5", unplaced=Unplaced.unsaid))
    assert set(map(str, none.values())) == {str(([], ["cat", "dog"]))}
    with open_dataset(tmp_path / "i.h5") as one:
        assert one.params["tile_tags"] == "inherit"


def test_tiles_of_which_nothing_is_said_are_not_called_background(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from wsss_cli.formats.packing import OnError, pack

    tiles = replace(TILES, unplaced=Unplaced.unsaid)
    found = replace(collection(), tiles=tiles)
    pack(found, "tests", tmp_path / "t.h5", False, OnError.stop, None, 1, False, False)
    assert "0 masks; 0 images without a tag, background only" in capsys.readouterr().err


def test_a_tag_that_has_a_place_is_not_inherited_elsewhere(tmp_path: Path) -> None:
    found = collection(drawn=(point("cat", 3.5, 3.5),), tags=("cat", "dog"))
    with pytest.raises(WsssError, match=r"\('dog'\)"):
        packed(found, tmp_path / "t.h5")
    every = said(packed(found, tmp_path / "t.h5", unplaced=Unplaced.inherit))
    assert every[NAMES[0]] == (["cat", "dog"], [])
    assert every[NAMES[1]] == (["dog"], ["cat"])


def test_an_image_that_is_called_like_a_tile_is_refused(tmp_path: Path) -> None:
    found = with_masks(collection())
    twin = replace(found.samples[0], id=NAMES[3])
    with pytest.raises(WsssError, match=r"an image is called 'sub/big@y00000x00033'"):
        packed(replace(found, samples=(*found.samples, twin)), tmp_path / "t.h5")
