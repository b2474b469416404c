"""Ids, and image files by the names that lists use."""

from __future__ import annotations

from pathlib import Path

import pytest
from zipped import zip_folder

from wsss_cli.errors import WsssError
from wsss_cli.formats.files import ImageFolder, bad_id


@pytest.mark.parametrize("image_id", ["a", "a.b", "a b", "x/y.z/w", "日本/ü", "..a", "-", "a..b"])
def test_ids(image_id: str) -> None:
    assert bad_id(image_id) is None


@pytest.mark.parametrize(
    "image_id",
    [
        "",
        ".",
        "..",
        "a/../b",
        "../a",
        "/a",
        "a/",
        "a//b",
        "a\nb",
        "a\0",
        "\x7f",
        "a\u2028",
        "\udc80",
    ],
)
def test_bad_ids(image_id: str) -> None:
    assert "cannot be an id" in str(bad_id(image_id))


@pytest.fixture
def folder(tmp_path: Path) -> ImageFolder:
    root = tmp_path / "photos"
    (root / "sub").mkdir(parents=True)
    (root / ".hidden").mkdir()
    for name in ("a.jpg", "b.c.png", "sub/a.jpg", "sub/d e.webp", "two.jpg", "two.png"):
        (root / name).touch()
    for name in ("notes.txt", ".hidden/x.jpg", ".y.jpg"):
        (root / name).touch()
    return ImageFolder(root)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("a.jpg", "a.jpg"),
        ("a", "a.jpg"),
        ("b.c", "b.c.png"),
        ("./sub//a", "sub/a.jpg"),
        ("sub\\d e.webp", "sub/d e.webp"),
        ("two.png", "two.png"),
    ],
)
def test_images_are_found_with_or_without_extension(
    folder: ImageFolder, name: str, file: str
) -> None:
    assert folder.root / file == folder.find(name)
    assert folder.find(str(folder.root / name.replace("\\", "/"))) == folder.root / file


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gone", "no such image"),
        ("notes.txt", "no such image"),
        ("x", "no such image"),  # hidden
        ("two", "two.jpg and two.png differ only in extension"),
        ("sub/../a.jpg", "leads out of the image folder"),
        ("/etc/passwd", "is not in the image folder"),
    ],
)
def test_names_of_no_image(folder: ImageFolder, name: str, reason: str) -> None:
    with pytest.raises(LookupError, match=reason):
        folder.find(name)


def test_a_web_address_is_found_by_its_last_part(folder: ImageFolder) -> None:
    address = "https://example.org/data/d%20e.webp"
    assert folder.search(address) == folder.root / "sub/d e.webp"
    assert folder.search("C:\\photos\\b.c.png") == folder.root / "b.c.png"
    assert folder.search("sub/a.jpg") == folder.root / "sub/a.jpg"
    with pytest.raises(LookupError, match=r"2 images are called a\.jpg"):
        folder.search("elsewhere/a.jpg")
    with pytest.raises(LookupError, match="no such image"):
        folder.search("elsewhere/gone.jpg")


def test_every_image_by_its_id(folder: ImageFolder) -> None:
    paths, problems = folder.all_by_id()
    assert list(paths) == ["a", "b.c", "sub/a", "sub/d e", "two"]
    assert [problem.id for problem in problems] == ["two.png"]
    assert "only in extension" in problems[0].reason
    assert folder.stem(folder.root / "sub/d e.webp") == "sub/d e"


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(WsssError, match="gone: no such folder") as caught:
        ImageFolder(tmp_path / "gone", "look elsewhere")
    assert caught.value.hint == "look elsewhere"


@pytest.fixture
def sites(tmp_path: Path) -> ImageFolder:
    """photos/ with two sites, which have an image of one name and one each of their own."""
    for name in ("site1/p0.jpg", "site1/p1.jpg", "site2/p0.jpg", "site2/q.PNG", "top.jpg"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).touch()
    return ImageFolder(tmp_path / "photos")


@pytest.mark.parametrize(
    ("name", "file"),
    [
        (r"C:\data\photos\site1\p0.jpg", "site1/p0.jpg"),
        (r"\\server\share\photos\site2\p0.jpg", "site2/p0.jpg"),
        ("file:///D:/x/site2/p0.jpg", "site2/p0.jpg"),
        ("file:///home/me/photos/top.jpg", "top.jpg"),
        ("/home/me/photos/site1/p0.jpg", "site1/p0.jpg"),
        ("https://example.org/site1/p0.jpg?size=2", "site1/p0.jpg"),
        ("photos/site1/p0.jpg", "site1/p0.jpg"),
        (r"photos\site1\p0.JPG", "site1/p0.jpg"),
        ("site1/p0.JPG", "site1/p0.jpg"),
        ("Site1/P0.png", "site1/p0.jpg"),
        ("site1/p0.heic", "site1/p0.jpg"),  # converted, as it seems
        ("p1.jpg", "site1/p1.jpg"),
        ("p1", "site1/p1.jpg"),
        ("q.jpg", "site2/q.PNG"),
        ("TOP", "top.jpg"),
        ("elsewhere/top.jpg", "top.jpg"),
    ],
)
def test_an_image_is_found_by_the_end_of_its_name(sites: ImageFolder, name: str, file: str) -> None:
    assert sites.search(name) == sites.root / file
    assert sites.remarks() == [f"1 name is not that of a file: '{name}' is taken for {file}"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("p0.jpg", "2 images are called p0.jpg, among them site1/p0.jpg and site2/p0.jpg"),
        (r"C:\elsewhere\p0.jpg", "2 images are called p0.jpg"),
        # The folder that the name has is there, and the image is not in it.
        (r"C:\data\photos\site2\p1.jpg", "a Windows path, and no image under"),
        ("site2/p1.jpg", "no such image"),
        ("site1/top.jpg", "no such image"),
        # Neither the beginning of the name nor its end fits.
        ("elsewhere/p1.jpg", "no such image"),
        ("https://example.org/gone.jpg", "a web address, and no image under"),
        ("file:///gone.jpg", "a file: address, and no image under"),
        ("/home/me/gone.jpg", "is not in the image folder"),
        (r"C:\..\site1\p1.jpg", "leads out of the image folder"),
        ("IMG_1.HEIC", "its name is that of a HEIF photograph: convert it to JPEG or PNG"),
        ("", "no such image"),
    ],
)
def test_what_could_be_another_image_is_not_taken(sites: ImageFolder, name: str, said: str) -> None:
    with pytest.raises(LookupError) as caught:
        sites.search(name)
    assert said in caught.value.args[0]
    assert sites.remarks() == []


def test_names_that_differ_in_front_are_not_one_image(sites: ImageFolder) -> None:
    assert sites.search("cats/top.jpg") == sites.search("cats/top.jpg") == sites.root / "top.jpg"
    with pytest.raises(LookupError, match=r"would be top\.jpg, as 'cats/top\.jpg' is"):
        sites.search("dogs/top.jpg")
    assert sites.find("top.jpg") == sites.root / "top.jpg"


def test_a_file_outside_is_not_exchanged_for_one_inside(sites: ImageFolder) -> None:
    (sites.root.parent / "p1.jpg").touch()
    with pytest.raises(LookupError, match="is not in the image folder"):
        sites.search(str(sites.root.parent / "p1.jpg"))


def test_files_that_are_not_read_are_named_for_what_they_are(sites: ImageFolder) -> None:
    for name in ("site1/i.HEIC", "site1/.j.heic", "scan.dcm"):
        (sites.root / name).touch()
    for name in ("i.HEIC", "i", "i.jpg", r"C:\x\site1\i.heic"):
        with pytest.raises(LookupError, match=r"site1/i\.HEIC is a HEIF photograph: convert it to"):
            sites.search(name)
    with pytest.raises(LookupError, match=r"scan\.dcm is a DICOM file: write its pixels as PNG"):
        sites.search("scan.dcm")
    assert sites.remarks() == []  # they are problems already
    sites.all_by_id()
    (remark,) = sites.remarks()
    assert remark.startswith("2 files are no images that are read, first scan.dcm, a DICOM file")


def test_images_in_a_zip_are_found_as_in_a_folder(folder: ImageFolder, tmp_path: Path) -> None:
    file = zip_folder(folder.root, tmp_path / "photos.zip")
    zipped = ImageFolder(file)
    for name in ("a.jpg", "b.c", "photos/sub/a.jpg", "sub\\D E.webp", "D:\\x\\photos\\b.c.png"):
        there = folder.search(name).relative_to(folder.root)
        assert zipped.search(name) == file / there
        assert zipped.id_of(file / there) == folder.id_of(folder.root / there)
    assert zipped.search(str(file / "sub/a.jpg")) == file / "sub/a.jpg"
    for name in ("none", "sub/../a.jpg", "two", str(folder.root / "a.jpg")):
        with pytest.raises(LookupError):
            zipped.find(name)
    paths, problems = zipped.all_by_id()
    assert (list(paths), problems) == (list(folder.all_by_id()[0]), folder.all_by_id()[1])


def test_a_number_that_lost_its_zeros_is_found(tmp_path: Path) -> None:
    for name in ("000139.jpg", "007.png", "07.png"):
        (tmp_path / name).touch()
    folder = ImageFolder(tmp_path)
    assert folder.search("139").name == folder.search("139.jpg").name == "000139.jpg"
    assert folder.search("007").name == "007.png"
    with pytest.raises(LookupError, match=r"2 images are called 7, among them 007\.png and 07"):
        folder.search("7")
