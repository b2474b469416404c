"""Image files by id: which there are, what they are known by, what is refused before any work."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rasters import tiff

from wsss_cli.artifacts import DatasetReader, open_dataset
from wsss_cli.errors import WsssError
from wsss_cli.inference.images import ImageFiles, opened, wanted_ids


def paint(path: Path, level: int = 9, size: tuple[int, int] = (2, 3)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3), level, np.uint8)).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Holds b.png and sub/a.png."""
    paint(tmp_path / "in" / "b.png", 7)
    paint(tmp_path / "in" / "sub" / "a.png", 8, (4, 5))
    return tmp_path / "in"


def test_ids_are_paths_below_the_folder_without_extension(folder: Path) -> None:
    found = ImageFiles([folder])
    assert found.ids == ["b", "sub/a"]
    assert (found.kind, found.data, found.path) == ("images", None, folder)
    assert (found.size("b"), found.size("sub/a")) == ((2, 3), (4, 5))
    assert (found.image("sub/a") == 8).all()
    assert sorted(found.paths) == [folder / "b.png", folder / "sub" / "a.png"]


def test_a_file_that_is_named_goes_by_its_name_alone(folder: Path) -> None:
    found = ImageFiles([folder / "sub" / "a.png", folder / "b.png", folder / "b.png"])
    assert found.ids == ["a", "b"]
    assert found.path == folder / "sub" / "a.png"


def test_other_contents_or_other_ids_are_another_run(folder: Path, tmp_path: Path) -> None:
    run = ImageFiles([folder]).run
    assert ImageFiles([folder]).run == run
    assert ImageFiles([folder / "b.png"]).run != run
    (folder / "b.png").rename(folder / "c.png")
    renamed = ImageFiles([folder]).run
    assert renamed != run
    (folder / "c.png").rename(folder / "b.png")
    assert ImageFiles([folder]).run == run
    paint(folder / "b.png", 6)
    assert ImageFiles([folder]).run not in (run, renamed)


def test_an_image_is_shown_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    Image.fromarray(np.zeros((2, 5, 3), np.uint8)).save(tmp_path / "a.jpg", exif=exif)
    found = ImageFiles([tmp_path / "a.jpg"])
    assert found.size("a") == found.image("a").shape[:2] == (5, 2)


def test_what_is_no_image(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(WsssError, match="none: no such file"):
        ImageFiles([folder / "none"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(WsssError, match="empty: holds no images"):
        ImageFiles([tmp_path / "empty"])
    (folder / "c.png").write_bytes(b"nothing")
    with pytest.raises(WsssError, match=r"^\S*c\.png: "):
        ImageFiles([folder])
    (folder / "d.png").write_bytes((folder / "b.png").read_bytes()[:20])
    with pytest.raises(WsssError, match=r"^2 of 4 images cannot be read, first \S*c\.png: "):
        ImageFiles([folder])


def test_two_files_of_one_id(folder: Path, tmp_path: Path) -> None:
    paint(tmp_path / "b.png")
    with pytest.raises(WsssError, match="both would be image 'b'") as caught:
        ImageFiles([folder, tmp_path / "b.png"])
    assert str(caught.value.hint).startswith("name the folder above them")


def test_a_file_that_goes_while_work_is_done(folder: Path) -> None:
    found = ImageFiles([folder])
    (folder / "b.png").write_bytes(b"cut")
    with pytest.raises(WsssError, match=r"b\.png: "):
        found.image("b")
    (folder / "b.png").unlink()
    with pytest.raises(WsssError, match=r"b\.png: No such file"):
        found.image("b")


def test_files_that_are_named_come_before_the_data_set(folder: Path, tiny_data: Path) -> None:
    trained: Any = SimpleNamespace(data=None, path=Path("w.pt"), classes=["red", "green", "blue"])
    with opened([folder], tiny_data, trained) as source:
        assert isinstance(source, ImageFiles)
        assert wanted_ids(source, None, None) == ["b", "sub/a"]
    for none in (None, []):
        with opened(none, tiny_data, trained) as source:
            assert isinstance(source, DatasetReader)
    with pytest.raises(WsssError, match="no data set given"), opened(None, None, trained):
        pass


def test_deep_images_are_read_as_the_data_set_was(tmp_path: Path) -> None:
    values = np.array([[412, 1909, 3406]], np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    with pytest.raises(WsssError, match=r"1 images of more than 8 bits hold 412\.\.3406") as caught:
        ImageFiles([tmp_path / "a.png"])
    assert "pack with --range 412,3406" in str(caught.value.hint)
    record = {"path": "", "relative": "", "run": "", "reading": '{"range": [412, 3406]}'}
    trained: Any = SimpleNamespace(data=record, path=Path("w.pt"), classes=["x"])
    with opened([tmp_path / "a.png"], None, trained) as source:
        assert source.image("a")[0, :, 0].tolist() == [0, 128, 255]


def test_new_images_are_stretched_as_the_data_set_was(tmp_path: Path) -> None:
    values = np.arange(4 * 5 * 4, dtype=np.uint16).reshape(4, 5, 4) * 100
    (tmp_path / "a.tif").write_bytes(tiff(values, nodata="300"))
    said = (
        '{"range": [[0, 5000], [1000, 6000], [100, 200]], "bands": [4, 3, 2], "stretch": [2, 98]}'
    )
    record = {"path": "", "relative": "", "run": "", "reading": said}
    trained: Any = SimpleNamespace(data=record, path=Path("w.pt"), classes=["x"])
    with opened([tmp_path / "a.tif"], None, trained) as source:
        assert source.size("a") == (4, 5)
        found = source.image("a")
    for place, (band, low, high) in enumerate([(3, 0, 5000), (2, 1000, 6000), (1, 100, 200)]):
        plain = (values[..., band] - float(low)) * (255 / (high - low))
        expected = np.where(values[..., band] == 300, 0, np.rint(plain.clip(0, 255)))
        np.testing.assert_array_equal(found[..., place], expected)


def test_ids_are_all_or_a_splits_or_a_lists(tiny_data: Path, tmp_path: Path) -> None:
    listed = tmp_path / "ids.txt"
    listed.write_text("a/5\na/2\n")
    with open_dataset(tiny_data) as reader:
        assert wanted_ids(reader, None, None) == [f"a/{index}" for index in range(6)]
        assert wanted_ids(reader, "val", None) == ["a/2", "a/5"]
        assert sorted(wanted_ids(reader, None, str(listed))) == ["a/2", "a/5"]
        with pytest.raises(WsssError, match="has no split 'test'"):
            wanted_ids(reader, "test", None)
