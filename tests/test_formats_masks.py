"""Masks of images: which file, what of its numbers, and what is said where there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsss_cli.core.mask_values import PLAIN, NoLabel, ValueTable
from wsss_cli.errors import UsageError, WsssError
from wsss_cli.formats.files import ImageFolder
from wsss_cli.formats.masks import USUAL, MaskOptions, Masks, way_out
from wsss_cli.formats.sample import Collection, Problem, Sample

LABELS = np.array([[0, 1], [2, 255]], np.uint8)
LABELMAP = "bird:9,200,9::\nbackground:0,0,0::\ncat:1,2,3::\n"


def save(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(LABELS).save(folder / name)
    return folder


def samples(images: ImageFolder) -> list[Sample]:
    return [Sample(image_id, path, ()) for image_id, path in images.all_by_id()[0].items()]


@pytest.fixture
def images(tmp_path: Path) -> ImageFolder:
    return ImageFolder(save(tmp_path / "img", "f1.jpg", "f10.jpg", "sub/ü.jpg"))


def found(images: ImageFolder, masks: Path, suffix: str | None = None) -> dict[str, str | None]:
    """The name of the mask of each image."""
    kept, problems = Masks(masks, MaskOptions(suffix=suffix)).attach(samples(images), images)
    assert problems == []
    return {
        one.id: one.mask.relative_to(masks).as_posix() if isinstance(one.mask, Path) else None
        for one in kept
    }


@pytest.mark.parametrize("extension", ["png", "PNG", "tif", "TIFF", "gif", "bmp"])
def test_masks_are_called_like_images(images: ImageFolder, tmp_path: Path, extension: str) -> None:
    masks = save(tmp_path / "m", f"f1.{extension}", f"sub/ü.{extension}")
    expected = {"f1": f"f1.{extension}", "f10": None, "sub/ü": f"sub/ü.{extension}"}
    assert found(images, masks) == expected


@pytest.mark.parametrize("suffix", ["_mask", ".jpg", "_L"])
def test_the_only_suffix_that_fits_all_is_found(
    images: ImageFolder, tmp_path: Path, suffix: str
) -> None:
    masks = save(tmp_path / "m", *(f"{stem}{suffix}.png" for stem in ("f1", "f10", "sub/ü")))
    expected = {stem: f"{stem}{suffix}.png" for stem in ("f1", "f10", "sub/ü")}
    assert found(images, masks) == expected
    assert found(images, masks, suffix) == expected


def test_a_suffix_that_fits_all_masks_is_found(images: ImageFolder, tmp_path: Path) -> None:
    masks = save(tmp_path / "m", "f1_mask.png", "f10_mask.png")
    assert found(images, masks) == {"f1": "f1_mask.png", "f10": "f10_mask.png", "sub/ü": None}


def test_a_beginning_that_fits_all_masks_is_found(images: ImageFolder, tmp_path: Path) -> None:
    masks = save(tmp_path / "m", "mask_f1.png", "mask_f10.png", "sub/mask_ü.png")
    expected = {"f1": "mask_f1.png", "f10": "mask_f10.png", "sub/ü": "sub/mask_ü.png"}
    assert found(images, masks) == found(images, masks, "mask_*") == expected


def test_two_suffixes_are_not_chosen_from(images: ImageFolder, tmp_path: Path) -> None:
    names = [f"{stem}{end}.png" for stem in ("f1", "f10", "sub/ü") for end in ("_a", "_b")]
    masks = save(tmp_path / "m", *names)
    with pytest.raises(WsssError, match=r"looked for .*m/f1\.png, there is f10?_a\.png$") as caught:
        found(images, masks)
    assert "--mask-suffix" in str(caught.value.hint)
    assert found(images, masks, "_b")["f1"] == "f1_b.png"


def test_a_suffix_in_the_place_of_another(tmp_path: Path) -> None:
    images = ImageFolder(save(tmp_path / "img", "1_sat.jpg", "2_sat.jpg", "3.jpg"))
    masks = save(tmp_path / "m", "1_mask.png", "2_mask.png", "3_mask.png")
    expected = {"1_sat": "1_mask.png", "2_sat": "2_mask.png", "3": None}
    assert found(images, masks, "_sat=_mask") == expected


def test_masks_among_the_images(tmp_path: Path) -> None:
    folder = save(tmp_path / "img", "a.png", "b.png", "a_mask.png", "b_mask.png")
    images = ImageFolder(folder)
    listed = [Sample(stem, folder / f"{stem}.png", ()) for stem in "ab"]
    kept, _ = Masks(folder, USUAL).attach(listed, images)
    assert [one.mask for one in kept] == [folder / "a_mask.png", folder / "b_mask.png"]


def test_an_image_is_not_named_as_a_mask_that_is_there(tmp_path: Path) -> None:
    folder = save(tmp_path / "img", "a.png", "b.png", "a_1.png", "a_2.png", "b_1.png", "b_2.png")
    images = ImageFolder(folder)
    listed = [Sample(stem, folder / f"{stem}.png", ()) for stem in "ab"]
    with pytest.raises(WsssError, match=r"there is a_1\.png$") as caught:
        Masks(folder, USUAL).attach(listed, images)
    assert caught.value.hint == "--mask-suffix _1 or _2 finds what is called so"
    for end in ("_1", "_2"):
        for stem in "ab":
            (folder / f"{stem}{end}.png").unlink()
    with pytest.raises(WsssError, match="it holds the images and no others"):
        Masks(folder, USUAL).attach(listed, images)


def test_a_png_comes_before_others_and_two_others_are_a_problem(
    images: ImageFolder, tmp_path: Path
) -> None:
    masks = save(tmp_path / "m", "f1.png", "f1.tif", "f10.tif", "f10.gif")
    kept, problems = Masks(masks, USUAL).attach(samples(images), images)
    assert kept[0].mask == masks / "f1.png"
    assert problems == [Problem("f10", "f10.gif and f10.tif could both be its mask")]


@pytest.mark.parametrize(
    ("there", "said", "hint"),
    [
        ("other.png", "there is other.png", "--mask-suffix _mask finds NAME_mask.png"),
        ("x_f1_y.png", "there is x_f1_y.png", "--mask-suffix"),
        ("f1.jpg", "there is f1.jpg", "saving as JPEG or WebP changes the labels"),
        ("f1.npy", "there is f1.npy", "that is an array: write it as PNG"),
        (".hidden", "it holds no images", None),
    ],
)
def test_a_folder_without_a_mask_is_refused(
    images: ImageFolder, tmp_path: Path, there: str, said: str, hint: str | None
) -> None:
    masks = tmp_path / "m"
    masks.mkdir()
    (masks / there).write_bytes(b"")
    with pytest.raises(WsssError) as caught:
        found(images, masks)
    assert said in str(caught.value)
    assert str(masks) in str(caught.value)
    if hint is None:
        assert caught.value.hint is None
    else:
        assert f"looked for {masks}/f1.png" in str(caught.value)
        assert hint in str(caught.value.hint)


def test_folders_that_are_not_there(images: ImageFolder, tmp_path: Path) -> None:
    with pytest.raises(WsssError, match="no such folder"):
        Masks(tmp_path / "gone", USUAL)
    masks = Masks(None, USUAL, tmp_path / "gone")
    assert masks.folder is None
    assert masks.attach(samples(images), images) == (samples(images), [])
    usual = save(tmp_path / "usual", "other.png")  # nobody asked for it: no error
    assert [one.mask for one in Masks(None, USUAL, usual).attach(samples(images), images)[0]] == [
        None, None, None,
    ]  # fmt: skip


def settled(images: ImageFolder, masks: Masks, classes: tuple[str, ...]) -> Collection:
    kept, _ = masks.attach(samples(images), images)
    return masks.settle(Collection(classes, tuple(kept), notes={"source": "t"}))


def test_what_a_collection_knows_of_its_masks(images: ImageFolder, tmp_path: Path) -> None:
    folder = save(tmp_path / "m", "f1.png", "f10.png", "f99.png")
    plain = settled(images, Masks(folder, USUAL), ("cat", "dog"))
    assert plain.masks.table == PLAIN
    assert (plain.masks.given, plain.masks.settled) == (True, False)
    assert plain.masks.unused == (folder / "f99.png",)
    assert plain.notes == {"source": "t"}
    named = settled(images, Masks(folder, MaskOptions(("7=dog",))), ("cat", "dog"))
    assert named.masks.table == ValueTable({7: 2}, {}, closed=True)
    assert named.masks.settled
    assert named.notes == {"source": "t", "mask_values": "7=dog"}
    assert not named.masks.as_they_are
    shifted = settled(images, Masks(folder, MaskOptions(first=0)), ("cat", "dog"))
    assert shifted.masks.table == ValueTable(first=0)
    assert (shifted.masks.settled, shifted.masks.as_they_are) == (True, False)
    assert settled(images, Masks(folder, MaskOptions(first=1)), ("a", "b")).masks.as_they_are
    assert shifted.notes == {"source": "t", "first_label": 0}


def test_a_labelmap_beside_the_masks_is_read(images: ImageFolder, tmp_path: Path) -> None:
    folder = save(tmp_path / "v" / "SegmentationClass", "f1.png")
    (tmp_path / "v" / "labelmap.txt").write_text(LABELMAP)
    masks = Masks(None, USUAL, folder)
    assert masks.classes(()) == ("bird", "cat")
    assert masks.classes(("dog",)) == ("dog", "bird", "cat")
    found = settled(images, masks, ("cat", "bird"))
    assert found.masks.table.colours == {(9, 200, 9): 2, (0, 0, 0): 0, (1, 2, 3): 1}
    assert found.notes["mask_values"] == str(tmp_path / "v" / "labelmap.txt")
    for options in (MaskOptions(("1=cat",)), MaskOptions(first=1)):  # who says more is heard
        assert not Masks(None, options, folder).table(("cat", "bird")).colours


def test_options_without_masks_are_refused(images: ImageFolder) -> None:
    for options in (MaskOptions(("1=cat",)), MaskOptions(suffix="_x"), MaskOptions(first=0)):
        with pytest.raises(WsssError, match="no image has a mask"):
            settled(images, Masks(None, options), ("cat",))
    with pytest.raises(UsageError, match="--first-label does not go with --mask-values"):
        MaskOptions(("1=cat",), first=0)


def test_names_settle_the_order_of_classes(tmp_path: Path) -> None:
    masked = [Sample("a", tmp_path / "a.png", ("cat",), tmp_path / "a.png")]
    Masks(tmp_path, MaskOptions(("1=cat", "2=dog"))).order("t", masked)
    for options in (USUAL, MaskOptions(("1=cat", "2=2"))):
        with pytest.raises(WsssError, match="in which order they number the classes"):
            Masks(tmp_path, options).order("t", masked)


def test_tags_of_a_mask(images: ImageFolder, tmp_path: Path) -> None:
    folder = save(tmp_path / "m", "f1.png")
    masks = Masks(folder, USUAL)
    kept = {one.id: one for one in masks.attach(samples(images), images)[0]}
    assert masks.names(kept["f1"], ("cat", "dog", "cow")) == ("cat", "dog")
    with pytest.raises(ValueError, match="its mask holds label 2, there are 1 classes"):
        masks.names(kept["f1"], ("cat",))
    with pytest.raises(ValueError, match=r"^no mask m/f10\.png$"):
        masks.names(kept["f10"], ("cat", "dog"))


def test_an_image_that_cvat_wrote_no_mask_of_has_no_objects(
    images: ImageFolder, tmp_path: Path
) -> None:
    folder = tmp_path / "v"
    folder.mkdir()
    Image.fromarray(np.array([[[1, 2, 3], [0, 0, 0]]], np.uint8)).save(folder / "f1.png")
    (folder / "labelmap.txt").write_text(LABELMAP)
    masks = Masks(None, USUAL, folder)
    unmasked = samples(images)
    with pytest.raises(ValueError, match="no mask"):  # nothing is found at all: no export of CVAT
        masks.names(unmasked[1], ("bird", "cat"))
    kept = {one.id: one for one in masks.attach(unmasked, images)[0]}
    assert masks.names(kept["f1"], ("bird", "cat")) == ("cat",)
    assert masks.names(kept["f10"], ("bird", "cat")) == ()


@pytest.mark.parametrize(
    ("error", "said"),
    [(NoLabel("holds the number 7"), True), (ValueError("its mask is 5x4"), False)],
    ids=["no label", "another size"],
)
def test_hints_for_masks_that_are_not_understood(error: ValueError, said: bool) -> None:
    hint = way_out(error)
    assert (hint is not None and hint.startswith("--mask-values says")) is said
