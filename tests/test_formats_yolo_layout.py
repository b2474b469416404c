"""What YOLO's data sets say of their classes and images."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsss_cli.errors import WsssError
from wsss_cli.formats.place import Place
from wsss_cli.formats.yolo_layout import find_layout, read_layout, read_yaml


def yaml_of(folder: Path, text: str) -> Path:
    path = folder / "data.yaml"
    path.write_bytes(text.encode())
    return path


def test_names_as_list_or_numbers(tmp_path: Path) -> None:
    file = yaml_of(tmp_path, "\ufeffnc: 2\r\nnames: [no, 'red car']\r\ntrain: ../train/images\r\n")
    layout = read_layout(Place(tmp_path), file)
    assert (layout.names, layout.splits) == (
        {0: "no", 1: "red car"},
        {"train": ("../train/images",)},
    )
    file = yaml_of(tmp_path, "path: .\nval: [a, b.txt]\ntest:\nnames:\n  7: dog\n  3: cat\n")
    layout = read_layout(Place(tmp_path), file)
    assert list(layout.names.items()) == [(3, "cat"), (7, "dog")]
    assert layout.splits == {"val": ("a", "b.txt")}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no keys"),
        ("- a\n", "holds no keys"),
        ("names: [a\n", "not YAML"),
        ("names: &a [x]\nmore: [*a, *a]\n", "aliases"),
        ("names: [a]\nnames: [b]\n", "stands twice"),
        ("a: " + "[" * 5000, "not YAML"),
        ("train: x\n", "names no classes"),
        ("names: 3\n", "names no classes"),
        ("names: []\n", "names no classes"),
        ("names: [a, a]\n", "listed twice"),
        ("names: [[a]]\n", "has no name"),
        ("names: {x: a}\n", "no number of a class"),
        ("names: [a]\nnc: 2\n", "nc is 2"),
        ("names: [a]\ntrain: {a: b}\n", "train is no path"),
        ("names: [a]\nkpt_shape: [x]\n", "kpt_shape"),
        ("? [a, b]\n: c\n", "data.yaml"),
    ],
)
def test_files_that_cannot_be(text: str, said: str, tmp_path: Path) -> None:
    file = yaml_of(tmp_path, text)
    with pytest.raises(WsssError, match=said) as caught:
        read_layout(Place(tmp_path), file)
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)


def test_no_text_of_yaml_makes_an_object(tmp_path: Path) -> None:
    found = read_yaml(yaml_of(tmp_path, "names: !!python/object/apply:os.getcwd []\nnc: 1\n"))
    assert found == {"names": [], "nc": "1"}


def test_darknet(tmp_path: Path) -> None:
    (tmp_path / "obj.data").write_text("train = data/train.txt\nnames = data/o.names\n")
    (tmp_path / "o.names").write_text("cat\ndog\n\n")
    place = Place(tmp_path)
    file = find_layout(place)
    assert file is not None
    layout = read_layout(place, file)
    assert layout.names == {0: "cat", 1: "dog"}
    assert layout.splits == {"train": ("data/train.txt",)}
    (tmp_path / "o.names").write_text("cat\n\ndog\n")
    with pytest.raises(WsssError, match="class 1 has no name"):
        read_layout(place, file)


def test_what_is_not_of_yolo(tmp_path: Path) -> None:
    (tmp_path / "docker.yaml").write_text("services: x\n")
    (tmp_path / "classes.txt").write_text("cat\n")
    assert find_layout(Place(tmp_path)) is None
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("names: [a]\nnc: 1\n")
    with pytest.raises(WsssError, match=r"a.yaml and b.yaml"):
        find_layout(Place(tmp_path))
