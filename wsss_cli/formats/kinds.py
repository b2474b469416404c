"""What a file is that was taken for an image or for text: told by its name or its first bytes."""

from __future__ import annotations

import os

_PNG = "convert it to JPEG or PNG"
_NAMED: tuple[tuple[tuple[str, ...], str, str], ...] = (
    ((".heic", ".heif", ".hif"), "a HEIF photograph", _PNG),
    (
        (".cr2", ".cr3", ".nef", ".nrw", ".arw", ".dng", ".orf", ".rw2", ".raf", ".pef", ".srw"),
        "a camera's raw file",
        "develop it to JPEG or PNG",
    ),
    ((".jxl", ".psd", ".xcf", ".exr", ".hdr", ".dds", ".tga", ".svs", ".ndpi"), "an image of a "
     "format that is not read", _PNG),
    ((".pdf",), "a PDF", "write its pages as PNG"),
    ((".svg", ".eps", ".ai"), "a drawing of lines", "write it as PNG"),
    ((".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv"), "a video",
     "write its frames as JPEG or PNG"),
    ((".dcm", ".dicom", ".ima"), "a DICOM file", "write its pixels as PNG"),
    ((".nii", ".nii.gz", ".nrrd", ".mha", ".mhd"), "a volume", "write its slices as PNG"),
    ((".npy", ".npz", ".mat", ".h5", ".hdf5"), "an array", "write it as PNG"),
    ((".zip", ".tar", ".gz", ".tgz", ".rar", ".7z"), "an archive", "unpack it"),
)  # fmt: skip
_OF_NAME = {extension: (what, way) for names, what, way in _NAMED for extension in names}
_HEADS = (
    (b"\xff\xfe\x00\x00", "UTF-32 text", "save it as CSV UTF-8"),
    (b"\xff\xfe", "UTF-16 text, which Excel calls Unicode text", "save it as CSV UTF-8"),
    (b"\xfe\xff", "UTF-16 text, which Excel calls Unicode text", "save it as CSV UTF-8"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls)", "save it as CSV UTF-8"),
    (b"PAR1", "a Parquet table", "write it as CSV"),
    (b"ARROW1", "an Arrow table", "write it as CSV"),
    (b"FEA1", "a Feather table", "write it as CSV"),
    (b"SQLite format 3", "an SQLite database", "write its table as CSV"),
    (b"\x1f\x8b", "compressed by gzip", "unpack it"),
    (b"BZh", "compressed by bzip2", "unpack it"),
    (b"\xfd7zXZ", "compressed by xz", "unpack it"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", "unpack it"),
    (b"\x89HDF", "an HDF5 file", ""),
    (b"\x93NUMPY", "a NumPy array", "--npy reads a dict of labels"),
    (b"%PDF", "a PDF", ""),
    (b"\xff\xd8\xff", "a JPEG image", ""),
    (b"\x89PNG", "a PNG image", ""),
)
_WORKBOOKS = ((b"xl/", "an Excel workbook (.xlsx)"), (b"opendocument.spreadsheet", "an ODS table"))


def kind_of_name(name: str) -> tuple[str, str] | None:
    """What a file name's extension says it is, and what to do; None of what may be an image.

    >>> kind_of_name("IMG_1.HEIC")
    ('a HEIF photograph', 'convert it to JPEG or PNG')
    """
    lower = name.lower()
    if lower.endswith(".nii.gz"):
        return _OF_NAME[".nii.gz"]
    return _OF_NAME.get(os.path.splitext(lower)[1])


def kind_of_bytes(content: bytes) -> tuple[str, str] | None:
    """What a file is that is no plain text, and what to do ("" where nothing is of use); or None.

    >>> kind_of_bytes(b"PAR1")
    ('a Parquet table', 'write it as CSV')
    """
    if content.startswith(b"PK\x03\x04"):
        for sign, what in _WORKBOOKS:
            if sign in content:
                return what, "save the sheet as CSV UTF-8"
        return "a zip archive", "name the file in it, such as export.zip/tags.csv"
    for head, what, way in _HEADS:
        if content.startswith(head):
            return what, way
    start = content[:1000].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html", b"<?xml", b"<table", b"<head", b"<body")):
        return "a web page or XML", "download the table itself"
    if start.startswith(b"version https://git-lfs"):
        return "a pointer to a file that git LFS keeps elsewhere", "`git lfs pull` fetches it"
    if b"\0" in content:
        return "a file with NUL bytes (binary, or UTF-16)", "save it as UTF-8"
    return None
