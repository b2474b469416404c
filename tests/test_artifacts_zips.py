"""Zips as folders: what is found in them, that it is what was put in, and what is refused."""

from __future__ import annotations

import io
import os
import stat
import threading
import zipfile
from pathlib import Path

import pytest
from zipped import Raw, zip_folder, zip_raw

from wsss_cli.artifacts import inputs, zips
from wsss_cli.artifacts.inputs import children, contents, is_dir, is_file, need_folder, top, walk
from wsss_cli.artifacts.ledger import Ledger
from wsss_cli.errors import UsageError, WsssError

FILES = {
    "images/a.png": bytes(range(256)) * 40,
    "images/sub/b.jpg": b"b",
    "images/empty.png": b"",
    "images/.hidden": b"h",
    "tags.csv": b"a,b\n",
    "ünï/日本.txt": b"name",
}


def everything(name: str) -> bool:
    return True


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "folder"
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


@pytest.fixture(params=[zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
def export(folder: Path, request: pytest.FixtureRequest) -> Path:
    return zip_folder(folder, folder.with_name("Export.ZIP"), method=request.param)


def test_a_zip_is_the_folder_that_was_zipped(folder: Path, export: Path) -> None:
    there = [path.relative_to(folder) for path in walk(folder, everything)]
    assert [path.relative_to(export) for path in walk(export, everything)] == there
    assert [path.as_posix() for path in there] == [
        "images/a.png", "images/empty.png", "images/sub/b.jpg", "tags.csv", "ünï/日本.txt",
    ]  # fmt: skip
    for name, content in FILES.items():
        assert contents(export / name) == content
        assert is_file(export / name)
        assert not is_dir(export / name)
    for below in (Path(), *(path.relative_to(folder) for path in folder.rglob("*"))):
        assert is_dir(export / below) == is_dir(folder / below), below
        named = [[p.name for p in children(root / below)] for root in (folder, export)]
        assert named[0] == named[1], below
    assert [p.name for p in children(export / "images", "*.png")] == ["a.png", "empty.png"]
    assert list(walk(export / "images/sub", everything)) == [export / "images/sub/b.jpg"]


def test_what_is_not_there_is_as_of_a_folder(export: Path) -> None:
    for name in ("none", "images/none.png", "images/a.png/x", "../folder/tags.csv", "images/.."):
        assert not is_file(export / name)
        assert not is_dir(export / name)
        assert children(export / name) == []
        with pytest.raises(FileNotFoundError):
            contents(export / name)
        with pytest.raises(OSError, match="directory"):
            list(walk(export / name, everything))
        with pytest.raises(WsssError, match="no such folder"):
            need_folder(export / name)
    with pytest.raises(IsADirectoryError):
        contents(export / "images")


def test_other_files_and_folders_are_what_they_were(folder: Path, export: Path) -> None:
    export.rename(folder / "export.dat")
    assert not is_dir(folder / "export.dat")
    assert not is_file(folder / "export.dat/tags.csv")
    (folder / "kept.zip").mkdir()
    (folder / "kept.zip" / "a").write_bytes(b"x")
    assert contents(folder / "kept.zip/a") == b"x"
    assert zips.find(folder / "kept.zip/none") is None
    assert not is_file(folder / "zero\0byte.zip/a")
    assert not is_dir(folder / "zero\0byte")


def test_a_link_to_a_zip_leads_in(export: Path, tmp_path: Path) -> None:
    (tmp_path / "link.zip").symlink_to(export)
    assert contents(tmp_path / "link.zip/tags.csv") == FILES["tags.csv"]


def test_a_zip_that_changes_is_listed_again(export: Path, folder: Path) -> None:
    assert not is_file(export / "new")
    (folder / "new").write_bytes(b"n")
    zip_folder(folder, export)
    assert contents(export / "new") == b"n"


def test_backslashes_dots_and_other_encodings(tmp_path: Path) -> None:
    file = zip_raw(
        tmp_path / "a.zip",
        Raw("images\\sub\\a.png", b"1"),
        Raw("./images//b.png", b"2"),
        Raw("empty\\", b"", mode=stat.S_IFDIR),
        Raw("Gr\u00fc\u00dfe.txt".encode("cp437"), b"3", flags=0),
    )
    assert {p.relative_to(file).as_posix() for p in walk(file, everything)} == {
        "images/sub/a.png", "images/b.png", "Gr\u00fc\u00dfe.txt",
    }  # fmt: skip
    assert contents(file / "images/sub/a.png") == b"1"
    assert contents(file / "images/b.png") == b"2"
    assert is_dir(file / "empty")


def test_a_zip_within_a_zip_is_not_followed(export: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.write(export, "in/inner.zip")
    outer = tmp_path / "outer.zip"
    assert list(walk(outer, everything)) == [outer / "in/inner.zip"]
    assert contents(outer / "in/inner.zip") == export.read_bytes()
    assert not is_dir(outer / "in/inner.zip")
    assert not is_file(outer / "in/inner.zip/tags.csv")
    for name in ("in/inner.zip", "in/inner.zip/images"):
        with pytest.raises(WsssError, match="is a zip within a zip") as refused:
            need_folder(outer / name)
        assert refused.value.hint == f"unpack {outer}"
    with pytest.raises(OSError, match="lies in a zip within a zip"):
        contents(outer / "in/inner.zip/tags.csv")
    # as of folders: those on the way are not entered
    assert list(walk(tmp_path, lambda name: name == "tags.csv")) == [tmp_path / "folder/tags.csv"]


LINK, PIPE = stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o644
REFUSED: dict[str, tuple[list[Raw], str]] = {
    "above": ([Raw("a"), Raw("x/../../b")], "'x/../../b' leads out of it"),
    "above, in Windows' way": ([Raw("x\\..\\b")], r"'x\\\\..\\\\b' leads out of it"),
    "absolute": ([Raw("/etc/passwd")], "'/etc/passwd' leads out of it"),
    "a share": ([Raw("\\\\host\\x")], "leads out of it"),
    "a drive": ([Raw("C:\\x")], "leads out of it"),
    "a link": ([Raw("a", b"/etc/passwd", mode=LINK)], "'a' is a link"),
    "a pipe": ([Raw("a", mode=PIPE)], "'a' is a device or a pipe"),
    "encrypted": ([Raw("a"), Raw("b", flags=0x801)], "'b' is encrypted"),
    "compressed otherwise": ([Raw("a", method=9)], r"is not read \(number 9\)"),
    "twice": ([Raw("a", b"1"), Raw("a", b"2")], "holds 'a' twice"),
    "twice, spelled otherwise": ([Raw("x/a", b"1"), Raw("x\\a", b"2")], "holds 'x/a' twice"),
    "a file and a folder": ([Raw("a"), Raw("a/b")], "holds 'a' twice, as a file and as a folder"),
    "no name": ([Raw("./.")], "'./.' has no name"),
    "a zero byte": ([Raw("a.png\0.exe")], "has a zero byte in its name"),
    "deep": ([Raw("a/" * 101 + "b")], "lies more than 100 folders deep"),
    "two sizes": ([Raw("a", method=0, size=2)], "'a' is not compressed, and has two sizes"),
    "more than 4 GiB": ([Raw("a", size=(4 << 30) + 1)], "'a' has 4294967297 bytes"),
    "a bomb": ([Raw("a"), Raw("b", size=2 << 30)], "'b' unfolds from 5 bytes to 2147483648"),
    "a bomb in parts": ([Raw(f"{n}", size=1 << 28) for n in range(5)], "unfolds from 25 bytes"),
    "overlapping": ([Raw("a"), Raw("b", offset=0)], "'b' overlaps the member 'a'"),
    "partly overlapping": ([Raw("a", packed=9), Raw("b")], "'b' overlaps the member 'a'"),
    "beyond the end": ([Raw("a", packed=1 << 20, size=1 << 20)], "ends behind the file's end"),
    "no UTF-8": ([Raw(b"\xff\xfe")], "is a broken zip file"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_zip_that_is_refused(tmp_path: Path, case: str) -> None:
    members, said = REFUSED[case]
    file = zip_raw(tmp_path / "a.zip", *members)
    for way in (is_dir, is_file, need_folder, contents, lambda path: list(walk(path, everything))):
        path = file / "a" if way in (is_file, contents) else file
        with pytest.raises(WsssError, match=said) as refused:
            way(path)
        assert str(refused.value).startswith(f"{file}: ")
        assert "\n" not in str(refused.value)
        assert refused.value.hint
    assert os.listdir(tmp_path) == ["a.zip"]


def test_what_is_large_or_folded_but_no_bomb(tmp_path: Path) -> None:
    folded = [Raw(f"{n}", bytes(1 << 20)) for n in range(3)]  # a thousand times, 3 MiB in all
    assert contents(zip_raw(tmp_path / "a.zip", *folded) / "1") == bytes(1 << 20)
    packed = (1 << 30) // 200 + 1  # of a GiB and a byte, 199.99 times
    file = zip_raw(tmp_path / "b.zip", Raw("a", bytes(packed), method=0))
    stored = file.read_bytes()
    zip_raw(file, Raw("a", b"", method=8, size=(1 << 30) + 1, packed=packed))
    file.write_bytes(_padded(file.read_bytes(), len(stored)))
    assert is_file(file / "a")


def _padded(raw: bytes, size: int) -> bytes:
    """A zip with room between its members and their list."""
    place = raw.index(b"PK\1\2")
    room = bytes(size)
    end = raw[place:-6] + (place + len(room)).to_bytes(4, "little") + raw[-2:]
    return raw[:place] + room + end


DAMAGED: dict[str, tuple[Raw, str]] = {
    "another checksum": (Raw("a", checksum=1), "its checksum is another"),
    "another, stored": (Raw("a", method=0, checksum=1), "its checksum is another"),
    "more than declared": (Raw("a", bytes(5000), size=10), "more than the 10 bytes"),
    "less than declared": (Raw("a", bytes(10), size=11), "ends before the 11 bytes"),
    "cut short": (Raw("a", bytes(range(99)), packed=40), "ends before the 99 bytes"),
    "another name": (Raw("a", own_name=b"b"), "its own header has another name"),
    "elsewhere": (Raw("a", offset=30 + 1 + 300 + 1), "it is not where the list says"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_member(tmp_path: Path, case: str) -> None:
    member, said = DAMAGED[case]
    whole = Raw("z", bytes(300), method=0)
    file = zip_raw(tmp_path / "a.zip", whole, member)
    with pytest.raises(OSError, match=said) as refused:
        contents(file / "a")
    assert str(refused.value.strerror).startswith("is damaged in a.zip: ")
    assert refused.value.filename == f"{file}/a"
    assert contents(file / "z") == bytes(300)


def test_bytes_that_do_not_unfold(tmp_path: Path) -> None:
    file = zip_raw(tmp_path / "a.zip", Raw("a", bytes(range(99))))
    raw = bytearray(file.read_bytes())
    raw[31] = 0xFF  # the head of the first block
    file.write_bytes(raw)
    with pytest.raises(OSError, match=r"is damaged in a.zip: it does not unfold"):
        contents(file / "a")


def test_no_more_is_unfolded_than_declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A member of 64 MiB that declares 10 bytes never stands in memory."""
    file = zip_raw(tmp_path / "a.zip", Raw("a", bytes(1 << 26), size=10))
    unfolded = []

    class Watched:
        def __init__(self, *args: int) -> None:
            self._inflater = real(*args)

        def decompress(self, content: bytes, length: int) -> bytes:
            unfolded.append(self._inflater.decompress(content, length))
            return unfolded[-1]

    real = zips.zlib.decompressobj
    monkeypatch.setattr(zips.zlib, "decompressobj", Watched)
    with pytest.raises(OSError, match="more than the 10 bytes"):
        contents(file / "a")
    assert [len(one) for one in unfolded] == [11]


@pytest.mark.parametrize("kept", [0, 10, 200, -1, -30])
def test_a_zip_cut_short_and_what_is_none(export: Path, kept: int) -> None:
    export.write_bytes(export.read_bytes()[:kept])
    with pytest.raises(WsssError, match="is no zip file, or its end is missing") as refused:
        is_dir(export)
    assert "download" in str(refused.value.hint)


def test_an_empty_zip_is_an_empty_folder(tmp_path: Path) -> None:
    assert list(walk(zip_raw(tmp_path / "a.zip"), everything)) == []
    assert is_dir(tmp_path / "a.zip")


def test_threads_and_forks_read_at_once(tmp_path: Path) -> None:
    names = {f"{n}.bin": bytes([n]) * 50_000 for n in range(40)}
    file = zip_raw(tmp_path / "a.zip", *(Raw(name, data) for name, data in names.items()))

    def wrong() -> list[str]:
        return [
            name for name, data in names.items() for _ in range(3) if contents(file / name) != data
        ]

    assert is_dir(file)
    found: list[list[str]] = []
    threads = [threading.Thread(target=lambda: found.append(wrong())) for _ in range(4)]
    for thread in threads:
        thread.start()
    child = os.fork()
    if child == 0:
        os._exit(1 if wrong() else 0)
    for thread in threads:
        thread.join()
    assert os.waitpid(child, 0)[1] == 0
    assert found == [[]] * 4


@pytest.mark.parametrize("zipped", [False, True])
def test_the_folder_that_stands_for_another(tmp_path: Path, zipped: bool) -> None:
    root = tmp_path / "root"
    for name in ("one/two/a.txt", "one/two/b.txt", "__MACOSX/one/._a.txt", ".DS_Store"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    for name in ("Thumbs.db", "one/desktop.ini"):
        (root / name).write_bytes(b"x")
    if zipped:
        root = zip_folder(root, tmp_path / "root.zip")
    assert top(root) == root / "one/two"
    assert top(root, holding=("two", "x")) == root / "one"
    assert top(root / "none") == root / "none"


def test_a_folder_of_one_file_or_zip_or_a_circle_stands_for_itself(tmp_path: Path) -> None:
    for name in ("file", "zip", "circle"):
        (tmp_path / name).mkdir()
    (tmp_path / "file/a").write_bytes(b"x")
    zip_raw(tmp_path / "zip/a.zip", Raw("x/a"))
    (tmp_path / "circle/again").symlink_to(tmp_path / "circle")
    assert top(tmp_path / "file") == tmp_path / "file"
    assert top(tmp_path / "zip") == tmp_path / "zip"
    assert top(tmp_path / "circle") == tmp_path / "circle/again"


def test_who_reads_a_member_reads_the_zip(export: Path) -> None:
    for first in ("output", "input"):
        book = Ledger()
        steps = [lambda b=book: b.promise(export), lambda b=book: b.read(export / "tags.csv")]
        ordered = steps if first == "output" else steps[::-1]
        ordered[0]()
        with pytest.raises(UsageError, match=r"Export.ZIP: is an input \(.*Export.ZIP/tags.csv\)"):
            ordered[1]()


def test_no_output_is_in_a_zip(export: Path) -> None:
    for promise in (Ledger().promise, Ledger().promise_folder):
        with pytest.raises(UsageError, match="would be in a zip file"):
            promise(export / "images/out.h5")


def test_the_file_system_is_asked_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there is found without a look for zips."""
    (folder / "x.zip").mkdir()
    (folder / "x.zip/a").write_bytes(b"x")

    def looked(path: str) -> None:
        raise AssertionError(path)

    monkeypatch.setattr(inputs.zips, "find", looked)
    assert contents(folder / "x.zip/a") == b"x"
    assert is_file(folder / "x.zip/a")
    assert is_dir(folder / "x.zip")
    assert [p.name for p in children(folder / "x.zip")] == ["a"]
    assert list(walk(folder / "x.zip", everything)) == [folder / "x.zip/a"]


def test_what_others_write_is_read(tmp_path: Path) -> None:
    """With sizes behind the data, as streams write, and with a text in front of the zip."""

    class Stream(io.RawIOBase):
        def __init__(self) -> None:
            self.written = b""

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # type: ignore[override]
            self.written += bytes(data)
            return len(data)

    stream = Stream()
    with zipfile.ZipFile(stream, "w", 8) as archive:  # type: ignore[arg-type]
        archive.writestr("a/b.txt", b"streamed" * 9)
        archive.comment = b"a comment"
    for front in (b"", b"#!/bin/sh\n"):
        (tmp_path / "a.zip").write_bytes(front + stream.written)
        assert contents(tmp_path / "a.zip/a/b.txt") == b"streamed" * 9
