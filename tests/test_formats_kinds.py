"""What a file is that was taken for an image or for a table."""

from __future__ import annotations

import io
import zipfile

import pytest

from wsss_cli.formats.kinds import kind_of_bytes, kind_of_name


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("IMG_1.HEIC", "a HEIF photograph"),
        ("a.heif", "a HEIF photograph"),
        ("a.CR2", "a camera's raw file"),
        ("x/y.dng", "a camera's raw file"),
        ("a.pdf", "a PDF"),
        ("a.svg", "a drawing of lines"),
        ("a.mp4", "a video"),
        ("a.dcm", "a DICOM file"),
        ("a.nii.gz", "a volume"),
        ("a.tar.gz", "an archive"),
        ("a.npy", "an array"),
        ("a.psd", "an image of a format that is not read"),
    ],
)
def test_extensions_of_what_is_not_read(name: str, what: str) -> None:
    kind = kind_of_name(name)
    assert kind is not None
    assert kind[0] == what
    assert kind[1]


@pytest.mark.parametrize("name", ["a.jpg", "a.PNG", "a", "a.b", "heic", "notes.txt"])
def test_what_may_be_an_image_has_no_kind(name: str) -> None:
    assert kind_of_name(name) is None


def workbook(*parts: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for part in parts:
            archive.writestr(
                part, "application/vnd.oasis.opendocument.spreadsheet" * (part[0] == "m")
            )
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("a,b\n".encode("utf-16"), "UTF-16 text, which Excel calls Unicode text"),
        ("a,b\n".encode("utf-16-le"), "a file with NUL bytes (binary, or UTF-16)"),
        (workbook("[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook (.xlsx)"),
        (workbook("mimetype", "content.xml"), "an ODS table"),
        (workbook("tags.csv"), "a zip archive"),
        (b"\xd0\xcf\x11\xe0\xa1", "an old Excel workbook (.xls)"),
        (b"PAR1\x15", "a Parquet table"),
        (b"\x1f\x8b\x08", "compressed by gzip"),
        (b"\x89HDF\r\n", "an HDF5 file"),
        (b"\n <!DOCTYPE html><html>", "a web page or XML"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>", "a web page or XML"),
        (b"version https://git-lfs.github.com/v1\n", "a pointer to a file that git LFS keeps "
         "elsewhere"),
    ],
)  # fmt: skip
def test_what_is_no_plain_text(content: bytes, what: str) -> None:
    kind = kind_of_bytes(content)
    assert kind is not None
    assert kind[0] == what


@pytest.mark.parametrize("text", ["", "filename,labels\na.jpg,cat\n", "\ufeffa", "Käfer"])
def test_plain_text_has_no_kind(text: str) -> None:
    assert kind_of_bytes(text.encode()) is None
    assert kind_of_bytes(text.encode("latin-1", "ignore")) is None  # an encoding is no kind
