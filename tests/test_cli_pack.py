"""`wsss pack` from the command line: what it writes, says and refuses."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image
from rasters import tiff

from wsss_cli.artifacts import open_artifact, open_dataset
from wsss_cli.cli import app
from wsss_cli.core.images import encode_mask
from wsss_cli.formats.demo_scenes import CLASSES


class Result(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def pack(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Run:
    """Run `wsss pack ...` in the test's folder."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> Result:
        capsys.readouterr()
        with pytest.raises(SystemExit) as done:
            app(["pack", *map(str, words)], prog_name="wsss")
        said = capsys.readouterr()
        return Result(int(done.value.code or 0), said.out, said.err)

    return run


def photo(height: int = 4, width: int = 6, seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3))
    return Image.fromarray(pixels.astype(np.uint8))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """photos/ of four images, their masks, and tags.csv."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for seed, name in enumerate(["a.jpg", "b c.png", "sub/ü.v2.jpg", "d.png"]):
        photo(seed=seed).save(folder / name)
    (tmp_path / "masks").mkdir()
    label = np.zeros((4, 6), np.uint8)
    label[1:3, 1:4], label[0] = 2, 255
    (tmp_path / "masks" / "a.png").write_bytes(encode_mask(label))
    file = tmp_path / "tags.csv"
    file.write_text(
        "filename,cat,dog,split\na.jpg,0,1,train\nb c.png,1,0,train\nsub/ü.v2.jpg,1,1,val\n"
        "d.png,0,0,train\n",
        encoding="utf-8",
    )
    return file


def nothing_written(folder: Path) -> bool:
    return not [file for file in os.listdir(folder) if "data.h5" in file]


def test_a_table_is_packed_as_it_is(pack: Run, table: Path, tmp_path: Path) -> None:
    result = pack("--csv", table, "--images", "photos", "--masks", "masks")
    assert (result.code, result.out) == (0, "")
    assert "pack: source csv, layout onehot; 2 classes; splits train 3, val 1" in result.err
    assert "1 masks; 1 images without a tag" in result.err
    assert "pack: 4 images -> data.h5" in result.err
    assert nothing_written(tmp_path / "photos")
    assert sorted(os.listdir(tmp_path)) == ["data.h5", "masks", "photos", "tags.csv"]
    with open_dataset("data.h5") as data:
        assert data.ids == ["a", "b c", "d", "sub/ü.v2"]
        assert data.classes == ["cat", "dog"]
        assert data.split("train") == ["a", "b c", "d"]
        assert data.split("val") == ["sub/ü.v2"]
        assert [data.tags(i).tolist() for i in data.ids] == [[1], [0], [], [0, 1]]
        assert data.size("a") == (4, 6)
        assert data.encoded_image("a") == (tmp_path / "photos" / "a.jpg").read_bytes()
        assert data.image("d").shape == (4, 6, 3)
        mask = data.mask("a")
        assert mask is not None
        assert np.unique(mask).tolist() == [0, 2, 255]
        assert data.mask("d") is None
        assert data.params["source"] == "csv"
        assert data.params["link"] is False
        assert data.seed is None


def test_quiet_says_nothing(pack: Run, table: Path) -> None:
    assert pack("--csv", table, "--images", "photos", "-q") == (0, "", "")


def test_link_stores_paths_that_hold_from_elsewhere(
    pack: Run, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "short").symlink_to(tmp_path / "deep" / "er")
    assert pack("--csv", table, "--images", "photos", "--link", "-o", "short/data.h5").code == 0
    monkeypatch.chdir("/")
    with open_dataset(tmp_path / "deep" / "er" / "data.h5") as data:
        stored = data.field("sub/ü.v2", "path")
        assert stored is not None
        assert stored.tobytes().decode() == "../../photos/sub/ü.v2.jpg"
        assert data.field("a", "image") is None
        assert data.image("b c").tolist() == np.asarray(photo(seed=1)).tolist()
        assert data.params["link"] is True


def test_ids_choose(pack: Run, table: Path, tmp_path: Path) -> None:
    (tmp_path / "ids").write_text("d\nsub/ü.v2\n", encoding="utf-8")
    (tmp_path / "photos" / "a.jpg").write_bytes(b"")  # not asked for, so not looked at
    assert pack("--csv", table, "--images", "photos", "--ids", "ids").code == 0
    with open_dataset("data.h5") as data:
        assert data.ids == ["d", "sub/ü.v2"]
        assert data.split("train") == ["d"]
    (tmp_path / "ids").write_text("nowhere\n")
    result = pack("--csv", table, "--images", "photos", "--ids", "ids", "--force")
    assert result.code == 3
    assert "1 of 1 ids are not in" in result.err


def test_without_splits_all_is_train(pack: Run, table: Path) -> None:
    table.write_text("filename,label\na.jpg,x\nd.png,\n")
    result = pack("--csv", table, "--images", "photos")
    assert "no splits given: all images are in 'train'" in result.err
    with open_dataset("data.h5") as data:
        assert data.split("train") == ["a", "d"]


def test_split_lists(pack: Run, table: Path, tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("d\n")
    assert pack(
        "--csv", table, "--images", "photos", "--split", "own=own.txt", "--split", "val"
    ).code == 0  # fmt: skip
    with open_dataset("data.h5") as data:
        assert data.ids == ["d", "sub/ü.v2"]
        assert data.splits == ["own", "val"]


def test_names_that_cannot_be_splits(pack: Run, table: Path) -> None:
    table.write_text("filename,label,split\na.jpg,x,a/b\n")
    result = pack("--csv", table, "--images", "photos")
    assert result.code == 3
    assert "'a/b' cannot name a split" in result.err


def damage(folder: Path) -> None:
    """Three images that cannot be used, one mask that does not fit."""
    (folder / "photos" / "a.jpg").write_bytes(b"")
    whole = (folder / "photos" / "sub" / "ü.v2.jpg").read_bytes()
    (folder / "photos" / "sub" / "ü.v2.jpg").write_bytes(whole[:-30])
    (folder / "masks" / "d.png").write_bytes(encode_mask(np.zeros((6, 4), np.uint8)))


def test_unreadable_images_are_all_named_and_nothing_is_written(
    pack: Run, table: Path, tmp_path: Path
) -> None:
    damage(tmp_path)
    result = pack("--csv", table, "--images", "photos", "--masks", "masks")
    assert (result.code, result.out) == (3, "")
    error, hint = result.err.strip().splitlines()
    assert error.startswith(
        f"wsss: error: {table}: 3 of 4 images cannot be packed: a: an empty file; "
        "d: its mask is 4x6, the image 6x4 as displayed (turned by EXIF?); "
        "sub/ü.v2: cannot decode: image file is truncated"
    )
    assert hint.startswith("wsss: hint: nothing is written; --on-error skip")
    assert nothing_written(tmp_path)


def test_skip_lists_what_it_leaves_out(pack: Run, table: Path, tmp_path: Path) -> None:
    damage(tmp_path)
    with table.open("a", encoding="utf-8") as stream:
        stream.write("gone.jpg,1,0,val\n")
    result = pack(
        "--csv", table, "--images", "photos", "--masks", "masks", "--on-error", "skip", "-q"
    )
    assert result.code == 0
    lines = result.err.splitlines()
    assert [line.split("skipped ")[1].split(":")[0] for line in lines if "skipped" in line] == [
        "gone.jpg",
        "a",
        "d",
        "sub/ü.v2",
    ]
    with open_dataset("data.h5") as data:
        assert data.ids == ["b c"]
        assert data.split("train") == ["b c"]
        assert data.split("val") == []


def test_nothing_left_is_an_error(pack: Run, table: Path, tmp_path: Path) -> None:
    table.write_text("filename,label\ngone.jpg,x\n")
    result = pack("--csv", table, "--images", "photos", "--on-error", "skip")
    assert result.code == 3
    assert "no image to pack" in result.err
    assert nothing_written(tmp_path)


def test_only_three_problems_are_named(pack: Run, table: Path) -> None:
    table.write_text("filename,label\n" + "".join(f"{n}.jpg,x\n" for n in range(7)))
    result = pack("--csv", table, "--images", "photos")
    assert "7 of 7 images cannot be packed: 0.jpg: no such image (line 2); 1.jpg" in result.err
    assert "; and 4 more" in result.err


def test_masks_must_be_labels_of_the_classes(pack: Run, table: Path, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    (masks / "a.png").write_bytes(encode_mask(np.full((4, 6), 3, np.uint8)))
    Image.new("I;16", (6, 4), 700).save(masks / "b c.png")
    photo().save(masks / "d.png")
    result = pack("--csv", table, "--images", "photos", "--masks", "masks")
    assert result.code == 3
    assert "a: its mask holds label 3, there are 2 classes" in result.err
    assert "b c: its mask b c.png holds the number 700 in 24 pixels" in result.err
    assert "d: its mask d.png is in colours, such as " in result.err


def test_masks_that_hold_more_than_the_tags_are_a_warning(
    pack: Run, table: Path, tmp_path: Path
) -> None:
    (tmp_path / "masks" / "a.png").write_bytes(encode_mask(np.full((4, 6), 1, np.uint8)))
    result = pack("--csv", table, "--images", "photos", "--masks", "masks", "-q")
    assert result.code == 0
    assert "1 masks hold classes that their image's tags lack, first a" in result.err


@pytest.fixture
def cats(tmp_path: Path) -> Path:
    """Four images, the last one without the cat, and their masks of 0 and 255."""
    for folder in ("photos", "masks"):
        (tmp_path / folder).mkdir()
    rows = ["filename,labels"]
    for seed, name in enumerate("wxyz"):
        photo(seed=seed).save(tmp_path / "photos" / f"{name}.jpg")
        mask = np.zeros((4, 6), np.uint8)
        mask[1:3, seed] = 0 if name == "z" else 255
        Image.fromarray(mask).save(tmp_path / "masks" / f"{name}.png")
        rows.append(f"{name}.jpg,{'' if name == 'z' else 'cat'}")
    (tmp_path / "t.csv").write_text("\n".join(rows))
    return tmp_path / "t.csv"


def test_masks_of_0_and_255_are_read_as_what_is_said(pack: Run, cats: Path, tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("cat\n")
    words = ("--csv", cats, "--images", "photos", "--masks", "masks")
    refused = pack(*words, "--classes", "c.txt")
    assert refused.code == 3
    assert "3 of 3 masks of tagged images hold no class, only 255, which means no" in refused.err
    assert "hint: --mask-values 255=cat" in refused.err
    assert nothing_written(tmp_path)
    assert pack(*words, "--mask-values", "255=cat").code == 0
    with open_dataset("data.h5") as data:
        assert data.mask("x")[:, 1].tolist() == [0, 1, 1, 0]
        assert [np.unique(data.mask(name)).tolist() for name in "wxy"] == [[0, 1]] * 3
        assert not data.mask("z").any()
        assert data.params["mask_values"] == "255=cat"
    kept = pack(*words, "--classes", "c.txt", "--mask-values", "255=ignore", "-o", "void.h5")
    assert kept.code == 0
    assert "warning: t.csv: 3 of 3 masks of tagged images hold no class" in kept.err.replace(
        str(cats), "t.csv"
    )


def test_masks_of_another_name_and_kind(pack: Run, cats: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    for name in "wxyz":
        with Image.open(tmp_path / "masks" / f"{name}.png") as mask:
            mask.save(tmp_path / "other" / f"{name}_mask.GIF")
    words = ("--csv", cats, "--images", "photos", "--mask-values", "255=cat", "--masks")
    result = pack(*words, "other")
    assert result.code == 0, result.err
    assert "mask_suffix _mask" in result.err
    assert "4 masks;" in result.err
    assert "masks: label 0 is background (in 4 of 4), 255 is no label (in 0)" in result.err
    (tmp_path / "other" / "x_mask.GIF").unlink()
    part = pack(*words, "other", "--mask-suffix", "_mask", "-o", "part.h5")
    assert part.code == 0
    assert "1 of 4 images have no mask, first x" in part.err
    none = pack(*words, "other", "--mask-suffix", "_label", "-o", "none.h5")
    assert none.code == 3
    assert "looked for other/w_label.png, there is w_mask.GIF" in none.err


def test_masks_that_begin_at_0(pack: Run, tmp_path: Path) -> None:
    rows = ["filename,labels"]
    for seed, name in enumerate("wxyz"):
        for folder in ("photos", "masks"):
            (tmp_path / folder).mkdir(exist_ok=True)
        photo(seed=seed).save(tmp_path / "photos" / f"{name}.jpg")
        mask = np.zeros((4, 6), np.uint8)
        mask[2:] = 1 + seed % 2
        Image.fromarray(mask).save(tmp_path / "masks" / f"{name}.png")
        rows.append(f"{name}.jpg,forest;{['water', 'bare'][seed % 2]}")
    (tmp_path / "t.csv").write_text("\n".join(rows))
    (tmp_path / "c.txt").write_text("forest\nwater\nbare\n")
    words = ("--csv", "t.csv", "--images", "photos", "--masks", "masks", "--classes", "c.txt")
    refused = pack(*words)
    assert refused.code == 3
    assert "label 0 is background, and classes begin at 1" in refused.err
    assert "do the masks begin at 0? Then 4 do" in refused.err
    shifted = pack(*words, "--first-label", "0")
    assert shifted.code == 0, shifted.err
    with open_dataset("data.h5") as data:
        assert data.mask("x")[:, 0].tolist() == [1, 1, 3, 3]
        assert data.mask("w")[:, 0].tolist() == [1, 1, 2, 2]
    assert pack(*words, "--first-label", "1", "-o", "kept.h5").code == 0
    wrong = pack(*words, "--first-label", "0", "--mask-values", "0=forest", "-o", "x.h5")
    assert (wrong.code, "does not go with --mask-values" in wrong.err) == (2, True)


def test_masks_as_cvat_exports_them(pack: Run, tmp_path: Path) -> None:
    kit, colours = tmp_path / "kit", {"bird": (9, 200, 9), "cat": (48, 112, 32)}
    for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (kit / folder).mkdir(parents=True)
    for seed, name in enumerate(["cat", "bird", "none"]):
        photo(seed=seed).save(kit / "JPEGImages" / f"{name}.jpg")
        mask = np.zeros((4, 6, 3), np.uint8)
        mask[1:3, 1:4] = colours.get(name, 0)
        if name != "none":  # CVAT writes no mask of an image without objects
            Image.fromarray(mask).save(kit / "SegmentationClass" / f"{name}.png")
    (kit / "ImageSets" / "Segmentation" / "default.txt").write_text("cat\nbird\nnone\n")
    (kit / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nbird:9,200,9::\nbackground:0,0,0::\ncat:48,112,32::\n"
    )
    result = pack("--voc", "kit", "--labels-from", "mask")
    assert result.code == 0, result.err
    with open_dataset("data.h5") as data:
        assert data.classes == ["bird", "cat"]
        assert [data.tags(name).tolist() for name in data.ids] == [[0], [1], []]
        assert data.mask("cat")[1].tolist() == [0, 2, 2, 2, 0, 0]
        assert not data.mask("none").any()
    (tmp_path / "c.txt").write_text("cat\nbird\n")
    words = ("--voc", "kit", "--labels-from", "mask", "--classes", "c.txt", "-o", "c.h5")
    assert pack(*words).code == 0
    with open_dataset("c.h5") as data:
        assert data.mask("cat")[1].tolist() == [0, 1, 1, 1, 0, 0]
    (kit / "labelmap.txt").write_text("background:0,0,0::\ncat:48,112,32::\n")
    strange = pack("--voc", "kit", "--labels-from", "mask", "-o", "s.h5")
    assert strange.code == 3
    assert "bird: its mask bird.png holds the colour 9,200,9 in 6 pixels" in strange.err
    (kit / "labelmap.txt").unlink()
    without = pack("--voc", "kit", "--labels-from", "mask", "-o", "s.h5")
    assert without.code == 3
    assert "cat: its mask cat.png is in colours, such as 48,112,32" in without.err
    assert "hint: --mask-values says what numbers and colours of masks stand for" in without.err
    assert "3 of 3 images cannot be packed" in without.err
    assert "--on-error skip" not in without.err


def test_a_class_on_every_image_is_a_warning(pack: Run, table: Path) -> None:
    table.write_text("filename,label\na.jpg,crack\nb c.png,crack\n")
    result = pack("--csv", table, "--images", "photos")
    assert result.code == 0
    assert "on all 2 images: crack; nothing tells a classifier where to look" in result.err


def test_a_class_without_images_is_a_warning(pack: Run, table: Path, tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("cat\nyak\ndog\n")
    result = pack("--csv", table, "--images", "photos", "--classes", "classes.txt")
    assert "1 classes are on no image, first yak" in result.err
    with open_dataset("data.h5") as data:
        assert data.tags("a").tolist() == [2]


def test_images_of_all_kinds(pack: Run, tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    photo(5, 9).save(tmp_path / "turned.jpg", exif=turned)
    Image.new("CMYK", (9, 5), (0, 255, 255, 0)).save(tmp_path / "cmyk.jpg")
    Image.fromarray(np.full((5, 9), [65535] * 8 + [0], np.uint16)).save(tmp_path / "deep.png")
    Image.new("L", (9, 5), 7).save(tmp_path / "grey.png")
    Image.new("RGBA", (9, 5)).save(tmp_path / "clear.png")
    Image.new("1", (1, 1)).save(tmp_path / "dot.png")
    names = ["clear.png", "cmyk.jpg", "deep.png", "dot.png", "grey.png", "turned.jpg"]
    (tmp_path / "tags.csv").write_text("".join(f"{name},x\n" for name in names))
    assert pack("--csv", "tags.csv", "--alpha", "white").code == 0
    with open_dataset("data.h5") as data:
        assert data.size("turned") == (9, 5)
        assert data.image("turned").shape == (9, 5, 3)
        assert data.size("dot") == (1, 1)
        colours = {image_id: data.image(image_id)[0, 0].tolist() for image_id in data.ids}
    assert colours["clear"] == colours["deep"] == [255, 255, 255]
    assert colours["grey"] == [7, 7, 7]
    assert colours["cmyk"][0] > 240
    assert max(colours["cmyk"][1:]) < 20


def twelve_bits(folder: Path) -> np.ndarray:
    """Two images that use 412..3406 of 16 bits, one of 8 bits, and their table."""
    values = np.linspace(412, 3406, 45).round().astype(np.uint16).reshape(5, 9)
    Image.fromarray(values).save(folder / "a.png")
    Image.fromarray(values[::-1] // 2 + 206).save(folder / "b.tif")
    Image.new("L", (9, 5), 7).save(folder / "c.png")
    (folder / "tags.csv").write_text("a.png,x\nb.tif,x\nc.png,x\n")
    return values


def test_twelve_bits_in_sixteen_are_not_made_black(pack: Run, tmp_path: Path) -> None:
    twelve_bits(tmp_path)
    result = pack("--csv", "tags.csv")
    assert result.code == 3
    assert "2 images of more than 8 bits hold 412..3406 of 0..65535: 12 of 256" in result.err
    assert "--range 412,3406" in result.err
    assert not (tmp_path / "data.h5").exists()
    assert pack("--csv", "tags.csv", "--range", "9").code == 2


@pytest.mark.parametrize("link", [(), ("--link",)])
@pytest.mark.parametrize("span", ["auto", "412,3406"])
def test_a_range_is_recorded_and_applied(pack: Run, tmp_path: Path, link: tuple, span: str) -> None:
    values = twelve_bits(tmp_path)
    assert pack("--csv", "tags.csv", "--range", span, *link).code == 0
    with open_dataset("data.h5") as data:
        assert data.params["range"] == [412, 3406]
        found = data.image("a")[..., 0]
        np.testing.assert_array_equal(found, np.rint((values - 412.0) * (255 / 2994)))
        assert data.image("b").max() in (127, 128)  # of the same range as the others
        assert (data.image("c") == 7).all()
        assert data.encoded_image("a") == (tmp_path / "a.png").read_bytes()


def test_the_full_range_leaves_dark_images_dark(pack: Run, tmp_path: Path) -> None:
    twelve_bits(tmp_path)
    result = pack("--csv", "tags.csv", "--range", "0,65535")
    assert result.code == 0
    assert "2 images of more than 8 bits hold 412..3406 of 0..65535" in result.err
    with open_dataset("data.h5") as data:
        assert data.image("a").max() == 13


def test_bands_and_transparency_wait_for_a_word(pack: Run, tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 255, (5, 9, 4)).astype(np.uint8)
    (tmp_path / "a.tif").write_bytes(tiff(values, 2))
    (tmp_path / "tags.csv").write_text("a.tif,x\n")
    result = pack("--csv", "tags.csv")
    assert result.code == 3
    assert "a: 4 bands of 8 bits: choose with pack's --bands" in result.err
    assert pack("--csv", "tags.csv", "--bands", "4,1,2").code == 0
    with open_dataset("data.h5") as data:
        assert data.params["bands"] == [4, 1, 2]
        np.testing.assert_array_equal(data.image("a"), values[..., [3, 0, 1]])
    Image.fromarray(values).save(tmp_path / "b.png")
    (tmp_path / "tags.csv").write_text("b.png,x\n")
    assert "b: has transparent pixels: pack's --alpha" in pack("--csv", "tags.csv", "--force").err
    assert pack("--csv", "tags.csv", "--alpha", "drop", "--force").code == 0
    with open_dataset("data.h5") as data:
        np.testing.assert_array_equal(data.image("b"), values[..., :3])


def four_bands(folder: Path) -> list[np.ndarray]:
    """Two images of four 16-bit bands, one of them with nodata, and their table."""
    rng = np.random.default_rng(0)
    images = [rng.integers(1, 4000, (5, 9, 4)).astype(np.uint16) for _ in range(2)]
    images[1][0] = 0
    (folder / "a.tif").write_bytes(tiff(images[0], 2))
    (folder / "b.tif").write_bytes(tiff(images[1], nodata="0"))  # greys, by its tags
    (folder / "tags.csv").write_text("a.tif,x\nb.tif,x\n")
    return images


def test_a_stretch_is_that_of_each_band_over_all_images(pack: Run, tmp_path: Path) -> None:
    images = four_bands(tmp_path)
    result = pack("--csv", "tags.csv", "--bands", "4,3,2", "--stretch", "2,98")
    assert result.code == 0
    pooled = np.concatenate([images[0].reshape(-1, 4), images[1][1:].reshape(-1, 4)])
    pairs = [np.percentile(pooled[:, band], (2, 98)).tolist() for band in (3, 2, 1)]
    said = "2 images of more than 8 bits hold 11..3988 of 0..65535; --stretch 2,98: band 4 from"
    assert said in result.err
    assert "; 10 % nodata, read as 0\n" in result.err
    with open_dataset("data.h5") as data:
        assert np.asarray(data.params["range"]) == pytest.approx(np.asarray(pairs), abs=1e-9)
        assert (data.params["bands"], data.params["stretch"]) == ([4, 3, 2], [2, 98])
        for place, (low, high) in enumerate(data.params["range"]):
            plain = (images[0][..., 3 - place] - low) * (255 / (high - low))
            expected = np.rint(plain.clip(0, 255))
            np.testing.assert_array_equal(data.image("a")[..., place], expected)
        assert not data.image("b")[0].any()
        assert data.image("b")[1:].any()


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        ("--bands 9,1,2 --stretch 2,98", 3, "4 bands of 16 bits, 4 of which can be read"),
        ("--bands 0 --stretch 2,98", 2, "--bands"),
        ("--bands 1 --stretch 98,2", 2, "--stretch [98, 2]: need two percentiles"),
        ("--bands 1 --stretch nan,9", 2, "--stretch"),
        ("--bands 1 --stretch 2,98 --range auto", 2, "--range and --stretch"),
        ("--stretch 2,98", 3, "4 bands of 16 bits: choose with pack's --bands"),
    ],
)
def test_bands_and_percentiles_that_are_not_there(
    pack: Run, tmp_path: Path, words: str, code: int, reason: str
) -> None:
    four_bands(tmp_path)
    result = pack("--csv", "tags.csv", *words.split())
    assert result.code == code
    assert reason in result.err
    assert nothing_written(tmp_path)


def test_one_stretch_is_not_for_8_and_16_bits(pack: Run, tmp_path: Path) -> None:
    four_bands(tmp_path)
    photo().save(tmp_path / "c.png")
    (tmp_path / "tags.csv").write_text("a.tif,x\nc.png,x\n")
    result = pack("--csv", "tags.csv", "--bands", "1,2,3", "--stretch", "2,98")
    assert result.code == 3
    assert "1 images have 8 bits and 1 more, and one stretch is for all" in result.err
    assert nothing_written(tmp_path)


def test_tifffile_is_named_where_it_is_not_installed(
    pack: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    four_bands(tmp_path)
    monkeypatch.setitem(sys.modules, "tifffile", None)
    result = pack("--csv", "tags.csv", "--bands", "4,3,2", "--stretch", "2,98")
    assert result.code == 3
    assert "needs tifffile, which is not installed: pip install 'wsss-cli[tiff]'" in result.err
    assert nothing_written(tmp_path)


def test_drawn_images_have_no_range(pack: Run) -> None:
    result = pack("--demo", "3", "--range", "0,9")
    assert result.code == 2
    assert "--range does not go with --demo" in result.err


def test_a_mask_follows_the_image_as_displayed(pack: Run, tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    photo(5, 9).save(tmp_path / "a.jpg", exif=turned)
    (tmp_path / "masks").mkdir()
    (tmp_path / "tags.csv").write_text("filename,x\na.jpg,1\n")
    mask = tmp_path / "masks" / "a.png"
    mask.write_bytes(encode_mask(np.ones((5, 9), np.uint8)))
    result = pack("--csv", "tags.csv", "--masks", "masks")
    assert "a: its mask is 9x5, the image 5x9 as displayed (turned by EXIF?)" in result.err
    mask.write_bytes(encode_mask(np.ones((9, 5), np.uint8)))
    assert pack("--csv", "tags.csv", "--masks", "masks").code == 0


def test_many_classes(pack: Run, table: Path, tmp_path: Path) -> None:
    names = [f"class {number}" for number in range(300)]
    (tmp_path / "classes.txt").write_text("\n".join(names))
    table.write_text("filename,label\na.jpg,class 299\n")
    arguments = ("--csv", table, "--images", "photos", "--classes", "classes.txt")
    result = pack(*arguments, "--masks", "masks")
    assert result.code == 3
    assert "300 classes, and masks can number 254" in result.err
    assert pack(*arguments).code == 0
    with open_dataset("data.h5") as data:
        assert data.tags("a").tolist() == [299]


def test_voc_and_npy(pack: Run, tmp_path: Path) -> None:
    for folder in ("JPEGImages", "Annotations", "ImageSets/Segmentation", "SegmentationClass"):
        (tmp_path / "kit" / folder).mkdir(parents=True)
    photo().save(tmp_path / "kit" / "JPEGImages" / "2007_000032.jpg")
    (tmp_path / "kit" / "Annotations" / "2007_000032.xml").write_text(
        "<annotation><object><name>cat</name></object></annotation>"
    )
    (tmp_path / "kit" / "ImageSets" / "Segmentation" / "train.txt").write_text("2007_000032\n")
    mask = tmp_path / "kit" / "SegmentationClass" / "2007_000032.png"
    mask.write_bytes(encode_mask(np.full((4, 6), 12, np.uint8)))
    assert pack("--voc", "kit", "-o", "xml.h5").code == 0
    assert pack("--voc", "kit", "--labels-from", "mask", "-o", "mask.h5").code == 0
    np.save(tmp_path / "cls_labels.npy", {"2007_000032": np.eye(20, dtype="f4")[19]})
    images = tmp_path / "kit" / "JPEGImages"
    assert pack("--npy", "cls_labels.npy", "--images", images, "-o", "npy.h5").code == 0
    facts = {}
    for name in ("xml", "mask", "npy"):
        with open_dataset(f"{name}.h5") as data:
            tags = [data.classes[index] for index in data.tags("2007_000032")]
            facts[name] = (data.params.get("labels_from"), tags)
    assert facts == {
        "xml": ("xml", ["cat"]),
        "mask": ("mask", ["dog"]),
        "npy": (None, ["tvmonitor"]),
    }


def test_via(pack: Run, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for seed, name in enumerate(["a.jpg", "b.png"]):
        photo(seed=seed).save(tmp_path / "photos" / name)
    entries = {
        f"{name}9": {
            "filename": name,
            "size": 9,
            "regions": [{"shape_attributes": {}, "region_attributes": {"kind": k, "note": "x"}}],
            "file_attributes": {},
        }
        for name, k in {"a.jpg": "cat", "b.png": "dog"}.items()
    }
    (tmp_path / "via.json").write_text(json.dumps(entries))
    arguments = ("--via", "via.json", "--images", "photos")
    result = pack(*arguments)
    assert (result.code, result.out) == (3, "")
    assert result.err.splitlines() == [
        "wsss: error: via.json: several attributes may hold the classes",
        "wsss: hint: name them with --attribute; it has: 'kind', 'note' of regions",
    ]
    result = pack(*arguments, "--attribute", "kind")
    assert result.code == 0
    assert "pack: source via, attributes ['kind']; 2 classes; splits train 2" in result.err
    with open_dataset("data.h5") as data:
        assert (data.ids, data.classes) == (["a", "b"], ["cat", "dog"])
        assert [data.tags(image_id).tolist() for image_id in data.ids] == [[0], [1]]
        assert data.params["source"] == "via"
    result = pack("--csv", "via.json", "--attribute", "kind")
    assert (result.code, result.out) == (2, "")
    assert "--attribute does not go with --csv" in result.err


def test_demo(pack: Run) -> None:
    assert pack("--demo", 4).code == 0
    with open_dataset("data.h5") as data:
        assert data.classes == list(CLASSES)
        assert (len(data.split("train")), len(data.split("val"))) == (4, 2)
        assert all(data.has_mask(image_id) for image_id in data.ids)
        assert data.seed == 0
        first = data.image("train-00000")
    assert pack("--demo", 4, "--seed", 1, "--force").code == 0
    with open_dataset("data.h5") as data:
        assert data.image("train-00000").tobytes() != first.tobytes()


def test_the_same_command_gives_the_same_run(pack: Run, table: Path, tmp_path: Path) -> None:
    arguments = ("--csv", table, "--images", "photos")
    for number, workers in enumerate((0, 1, 3)):
        assert pack(*arguments, "-o", f"{number}.h5", "--workers", workers).code == 0
    photo(seed=99).save(tmp_path / "photos" / "a.jpg")
    assert pack(*arguments, "-o", "3.h5").code == 0
    runs = []
    for number in range(4):
        with open_artifact(f"{number}.h5") as artifact:
            runs.append(artifact.run)
    assert runs[0] == runs[1] == runs[2] != runs[3]


def test_an_interrupted_pack_goes_on_and_only_with_the_same_images(
    pack: Run, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wsss_cli.artifacts.writer import Writer

    put, count = Writer.put, [0]

    def stop_at_the_third(self: Writer, image_id: str, **arrays: np.ndarray) -> None:
        count[0] += 1
        if count[0] == 3:
            raise KeyboardInterrupt
        put(self, image_id, **arrays)

    arguments = ("--csv", table, "--images", "photos")
    monkeypatch.setattr(Writer, "put", stop_at_the_third)
    assert pack(*arguments).code == 130
    assert (tmp_path / "data.h5.partial").exists()
    assert not (tmp_path / "data.h5").exists()
    photo(seed=50).save(tmp_path / "photos" / "a.jpg")
    result = pack(*arguments)
    assert result.code == 3
    assert "unfinished work of another run" in result.err
    photo(seed=0).save(tmp_path / "photos" / "a.jpg")
    count[0] = 10
    assert pack(*arguments).code == 0
    assert count[0] == 12  # two of four were done
    assert pack(*arguments, "-o", "whole.h5").code == 0
    with open_dataset("data.h5") as data, open_dataset("whole.h5") as whole:
        assert data.run == whole.run
        assert [data.encoded_image(i) for i in data.ids] == [
            whole.encoded_image(i) for i in whole.ids
        ]


def test_a_file_that_changes_meanwhile_is_noticed(
    pack: Run, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wsss_cli.formats import check, storing

    seen: list[Path] = []
    real = check.read

    def read(source: Path | bytes) -> bytes:
        assert isinstance(source, Path)
        seen.append(source)
        return real(source) + (b"more" if seen.count(source) > 1 else b"")

    monkeypatch.setattr(check, "read", read)
    monkeypatch.setattr(storing, "read", read)
    result = pack("--csv", table, "--images", "photos")
    assert result.code == 3
    assert "a: changed while it was packed" in result.err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "give one of SOURCE, --voc, --csv, --npy, --demo"),
        (["--demo", "2", "--csv", "tags.csv"], "--csv and --demo given: give one of"),
        (["--demo", "2", "--link"], "--link does not go with --demo"),
        (["--demo", "2", "--split", "x"], "--split does not go with --demo"),
        (["--csv", "tags.csv", "--labels-from", "mask"], "--labels-from does not go with --csv"),
        (["--voc", ".", "--attribute", "x"], "--attribute does not go with --voc"),
        (["--voc", ".", "--separator", ";"], "--separator does not go with --voc"),
        (["--npy", "x.npy"], "--npy needs --images"),
        (["--csv", "tags.csv", "--separator", ""], "--separator is empty"),
        (["--csv", "tags.csv", "--layout", "onehot", "--label-column", "x"], "does not go with"),
        (["--csv", "tags.csv", "--split", "=x"], "give NAME or NAME=FILE"),
        (["--csv", "tags.csv", "--split", "x="], "give NAME or NAME=FILE"),
        (["--csv", "tags.csv", "--split", "x", "--split", "x=y"], "each name once"),
        (["--demo", "0"], "--demo"),
        (["--csv", "tags.csv", "--layout", "odd"], "odd"),
    ],
)
def test_wrong_commands(pack: Run, table: Path, words: list[str], reason: str) -> None:
    result = pack(*words)
    assert (result.code, result.out) == (2, "")
    assert reason in result.err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--voc", "gone"], "gone: no such file or folder"),
        (["--csv", "gone.csv"], "gone.csv: No such file"),
        (["--npy", "gone.npy", "--images", "photos"], "gone.npy: No such file"),
        (["--csv", "tags.csv", "--images", "gone"], "gone: no such folder"),
        (["--csv", "tags.csv", "--classes", "gone.txt"], "gone.txt: No such file"),
        (["--csv", "tags.csv", "--ids", "gone.txt", "--images", "photos"], "gone.txt: cannot be"),
        (["--demo", "1", "-o", "gone/data.h5"], "gone: no such folder"),
    ],
)
def test_missing_inputs(pack: Run, table: Path, words: list[str], reason: str) -> None:
    result = pack(*words)
    assert (result.code, result.out) == (3, "")
    assert reason in result.err
    assert "Traceback" not in result.err


def test_an_existing_output_is_refused_early(pack: Run, tmp_path: Path) -> None:
    (tmp_path / "data.h5").write_bytes(b"mine")
    result = pack("--demo", 10_000_000)  # would draw for days
    assert result.code == 2
    assert "exists already" in result.err
    assert (tmp_path / "data.h5").read_bytes() == b"mine"
    assert pack("--demo", 1, "--force").code == 0


def test_hostile_npy(pack: Run, tmp_path: Path) -> None:
    class Touch:
        def __reduce__(self) -> tuple:
            return os.mkdir, (str(tmp_path / "ran"),)

    stream = io.BytesIO()
    np.save(stream, np.array({"a": Touch()}, dtype=object), allow_pickle=True)
    (tmp_path / "x.npy").write_bytes(stream.getvalue())
    result = pack("--npy", "x.npy", "--images", ".")
    assert result.code == 3
    assert "refused" in result.err
    assert not (tmp_path / "ran").exists()


# What tables say in other ways, and what was not meant as it was read


def csv_of(table: Path, text: str) -> Path:
    table.write_text(text, encoding="utf-8")
    return table


def classes_of(path: str = "data.h5") -> dict[str, list[str]]:
    with open_dataset(path) as data:
        return {i: [data.classes[tag] for tag in data.tags(i).tolist()] for i in data.ids}


def test_classes_are_listed_with_their_images(pack: Run, table: Path) -> None:
    result = pack("--csv", table, "--images", "photos")
    assert "pack: images of each class: 'cat' 2, 'dog' 2\n" in result.err


def test_tags_with_spaces_need_a_word(pack: Run, table: Path) -> None:
    csv_of(table, "image_name,tags\na,cat dog\nb c,cat\nd,dog\n")
    result = pack("--csv", table, "--images", "photos")
    assert result.code == 3
    assert result.err.splitlines() == [
        f"wsss: error: {table}: 1 tag seems to be several, such as 'cat dog' (1 image), which ' ' "
        "would part",
        "wsss: hint: --separator ' ' splits tags there, and another, such as --separator ';', "
        "keeps them",
    ]
    assert nothing_written(table.parent)
    assert pack("--csv", table, "--images", "photos", "--separator", " ").code == 0
    assert classes_of() == {"a": ["cat", "dog"], "b c": ["cat"], "d": ["dog"]}
    assert pack("--csv", table, "--images", "photos", "--separator", ";", "--force").code == 0
    assert classes_of()["a"] == ["cat dog"]


def test_a_negative_is_background_only(pack: Run, table: Path, tmp_path: Path) -> None:
    csv_of(table, "Photo,Finding Labels,n\na,cat|dog,1\nb c,No Finding,2\nd,,3\n")
    arguments = ["--csv", table, "--images", "photos", "--label-column", "Finding Labels"]
    result = pack(*arguments)
    assert result.code == 0
    assert "wsss: warning" in result.err
    assert "--negative 'No Finding' keeps it as background only" in result.err
    result = pack(*arguments, "--negative", "No Finding", "--force")
    assert result.code == 0
    assert "warning" not in result.err
    assert "2 images without a tag, background only" in result.err
    assert classes_of() == {"a": ["cat", "dog"], "b c": [], "d": []}
    (tmp_path / "c.txt").write_text("cat\ndog\n")
    result = pack(*arguments, "--classes", "c.txt", "--force")
    assert result.code == 3
    assert "wsss: hint: --negative 'No Finding' if it says that there is none" in result.err
    assert pack(*arguments, "--classes", "c.txt", "--negative", "No Finding", "--force").code == 0
    assert classes_of()["b c"] == []
    assert pack("--demo", 1, "--negative", "x", "-o", "e.h5").code == 2


def test_onehot_tables_with_other_columns(pack: Run, table: Path, tmp_path: Path) -> None:
    csv_of(table, ",id,filename,age,cat,dog\n0,90,a,20,1,-1\n1,91,b c,21,0,1\n")
    arguments = ["--csv", table, "--images", "photos"]
    result = pack(*arguments)
    assert result.code == 3
    assert "'id' holds more than 0 and 1 ('90' in line 2)" in result.err
    (tmp_path / "c.txt").write_text("cat\ndog\n")
    arguments += ["--classes", "c.txt"]
    result = pack(*arguments)
    assert result.code == 3
    assert "'dog' holds -1 (line 2)" in result.err
    assert "--minus-one absent, present, unsaid or skip" in result.err
    assert pack(*arguments, "--minus-one", "absent").code == 0
    assert classes_of() == {"a": ["cat"], "b c": ["dog"]}
    result = pack(*arguments, "--minus-one", "skip", "--force")
    assert "minus_one skip, left_out 1; 2 classes" in result.err
    assert list(classes_of()) == ["b c"]
    assert pack(*arguments, "--minus-one", "maybe").code == 2
    assert pack(*arguments, "--layout", "onehot", "--label-column", "age").code == 2


def test_paths_of_another_machine_are_found_and_said(pack: Run, table: Path) -> None:
    csv_of(table, "filepath,labels\nC:\\data\\photos\\a.JPG,cat\n\\\\nas\\x\\b c.png,dog\n")
    result = pack("--csv", table, "--images", "photos")
    assert result.code == 0
    assert (
        "2 names are not those of files: 'C:\\data\\photos\\a.JPG' is taken for a.jpg" in result.err
    )
    assert classes_of() == {"a": ["cat"], "b c": ["dog"]}
