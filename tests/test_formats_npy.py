"""cls_labels.npy: what becomes of its vectors, names and masks."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wsss_cli.errors import WsssError
from wsss_cli.formats.npy import read_npy
from wsss_cli.formats.sample import VOC_CLASSES, Problem


def npy(path: Path, content: bytes) -> Path:
    """A file with a npy header for one object, and these bytes as its pickle."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": "|O", "fortran_order": False, "shape": ()}
    )
    path.write_bytes(stream.getvalue() + content)
    return path


def wrapped(value: Any, protocol: int) -> bytes:
    """As numpy.save pickles it, with a protocol of choice."""
    return pickle.dumps(np.array(value, dtype=object), protocol=protocol)


def vector(*on: int, count: int = 20, dtype: str = "f4") -> np.ndarray:
    result = np.zeros(count, dtype)
    result[list(on)] = 1
    return result


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    (folder / "sub").mkdir(parents=True)
    for name in ("2007_000032", "b.c", "sub/ü"):
        Image.new("RGB", (2, 2)).save(folder / f"{name}.jpg")
    return folder


def test_labels(tmp_path: Path, images: Path) -> None:
    table = {2007000032: vector(0, 14), "b.c": vector(), "sub/ü": vector(19), "gone": vector(1)}
    np.save(tmp_path / "x.npy", table)
    found = read_npy(tmp_path / "x.npy", images)
    assert found.classes == VOC_CLASSES
    assert [(sample.id, sample.tags) for sample in found.samples] == [
        ("2007_000032", ("aeroplane", "person")),
        ("b.c", ()),
        ("sub/ü", ("tvmonitor",)),
    ]
    assert found.problems == (Problem("gone", "no such image"),)
    assert found.splits == ()


def test_lists_choose_and_unlabelled_images_are_problems(tmp_path: Path, images: Path) -> None:
    np.save(tmp_path / "x.npy", {"b.c": vector(1), "elsewhere": vector(2)})
    (tmp_path / "own.txt").write_text("b.c\nsub/ü\n", encoding="utf-8")
    found = read_npy(tmp_path / "x.npy", images, {"own": tmp_path / "own.txt"})
    assert [(sample.id, sample.splits) for sample in found.samples] == [("b.c", ("own",))]
    assert found.problems == (Problem("sub/ü", "no labels in x.npy"),)
    with pytest.raises(WsssError, match="no split 'train'"):
        read_npy(tmp_path / "x.npy", images, {"train": None})


def test_class_names(tmp_path: Path, images: Path) -> None:
    np.save(tmp_path / "x.npy", {"b.c": vector(1, count=3)})
    with pytest.raises(WsssError, match="3 classes without naming them"):
        read_npy(tmp_path / "x.npy", images)
    with pytest.raises(WsssError, match="3 classes, 2 are named"):
        read_npy(tmp_path / "x.npy", images, classes=("x", "y"))
    found = read_npy(tmp_path / "x.npy", images, classes=("x", "y", "z"))
    assert found.samples[0].tags == ("y",)


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ({}, "labels no image"),
        ({"a": vector(1), "b": vector(1, count=3)}, "entries"),
        ({"a": np.zeros(0)}, "entries"),
        ({"a": vector(1) * 0.5}, "labels of a are not a vector of 0 and 1"),
        ({"a": -vector(1)}, "not a vector"),
        ({"a": np.full(20, np.nan)}, "not a vector"),
        ({"a": np.zeros((2, 20))}, "not a vector"),
        ({"a": "text"}, "not a vector"),
        ({"a": 1.0}, "not a vector"),
        ({2007000032: vector(1), "2007_000032": vector(2)}, "listed twice"),
    ],
)
def test_label_vectors_that_are_refused(
    tmp_path: Path, images: Path, table: dict, reason: str
) -> None:
    np.save(tmp_path / "x.npy", table)
    with pytest.raises(WsssError, match=reason):
        read_npy(tmp_path / "x.npy", images)


def test_keys_never_lead_out_of_the_folder(tmp_path: Path, images: Path) -> None:
    Image.new("RGB", (1, 1)).save(tmp_path / "out.jpg")
    np.save(tmp_path / "x.npy", {"../out": vector(1), str(tmp_path / "out.jpg"): vector(1)})
    found = read_npy(tmp_path / "x.npy", images)
    assert found.samples == ()
    assert len(found.problems) == 2


def test_masks(tmp_path: Path, images: Path) -> None:
    (tmp_path / "masks" / "sub").mkdir(parents=True)
    (tmp_path / "masks" / "sub" / "ü.png").touch()
    np.save(tmp_path / "x.npy", {"b.c": vector(1), "sub/ü": vector(2)})
    found = read_npy(tmp_path / "x.npy", images, masks=tmp_path / "masks")
    assert [sample.mask for sample in found.samples] == [None, tmp_path / "masks" / "sub" / "ü.png"]


def test_lists_that_unfold_without_end_are_refused_at_once(tmp_path: Path, images: Path) -> None:
    bomb: list[object] = [1, 0]
    for _ in range(40):  # 2^40 numbers, in a file of a few hundred bytes
        bomb = [bomb, bomb]
    path = npy(tmp_path / "x.npy", wrapped({"b.c": bomb}, 4))
    with pytest.raises(WsssError, match=r"labels of b\.c are not a vector of 0 and 1"):
        read_npy(path, images)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"b.c": [10**400] * 20}, "not a vector of 0 and 1"),
        ({("b.c",): vector()}, "its keys are no image ids, first a tuple"),
        ({None: vector()}, "its keys are no image ids, first a NoneType"),
    ],
)
def test_odd_numbers_and_keys(tmp_path: Path, images: Path, table: Any, said: str) -> None:
    with pytest.raises(WsssError, match=said):
        read_npy(npy(tmp_path / "x.npy", wrapped(table, 4)), images)


def test_a_number_too_long_to_print_is_no_image(tmp_path: Path, images: Path) -> None:
    found = read_npy(npy(tmp_path / "x.npy", wrapped({10**5000: vector()}, 4)), images)
    assert [problem.reason for problem in found.problems] == ["no such image"]


def test_names_of_images_in_other_spellings(tmp_path: Path, images: Path) -> None:
    table = {r"C:\voc\images\sub\ü.jpg": vector(1), "b.c.PNG": vector(2), 2007000032: vector(3)}
    np.save(tmp_path / "x.npy", table)
    found = read_npy(tmp_path / "x.npy", images)
    assert [(sample.id, sample.tags) for sample in found.samples] == [
        ("2007_000032", (VOC_CLASSES[3],)),
        ("b.c", (VOC_CLASSES[2],)),
        ("sub/ü", (VOC_CLASSES[1],)),
    ]
    assert found.problems == ()
    assert found.remarks[0].startswith("2 names are not those of files: ")
    (tmp_path / "list").write_text("b.c\nsub/ü\n")
    found = read_npy(tmp_path / "x.npy", images, {"s": tmp_path / "list"})
    assert [sample.id for sample in found.samples] == ["b.c", "sub/ü"]
    np.save(tmp_path / "x.npy", {"b.c": vector(1), "b.c.jpg": vector(2)})
    with pytest.raises(WsssError, match=r"'b\.c' and 'b\.c\.jpg' are both image 'b\.c'"):
        read_npy(tmp_path / "x.npy", images)


def test_one_of_the_classes_may_be_negative(tmp_path: Path, images: Path) -> None:
    table = {"b.c": vector(2, count=3), 2007000032: vector(0, count=3)}
    np.save(tmp_path / "x.npy", table)
    found = read_npy(tmp_path / "x.npy", images, classes=("cat", "dog", "none"), negative=("none",))
    assert found.classes == ("cat", "dog")
    assert [sample.tags for sample in found.samples] == [("cat",), ()]
