"""The ledger: no file is both input and output of a command, whichever is known first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wsss_cli.artifacts import ledger
from wsss_cli.artifacts.holding import open_private
from wsss_cli.artifacts.ledger import Ledger
from wsss_cli.artifacts.placing import write_whole
from wsss_cli.artifacts.writer import check_target
from wsss_cli.errors import UsageError

WAYS: dict[str, Callable[[Path, Path], None]] = {
    "symbolic": lambda file, name: name.symlink_to(file.name),
    "hard": lambda file, name: name.hardlink_to(file),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("dear")
    return path


@pytest.mark.parametrize("first", ["output", "input"])
@pytest.mark.parametrize("way", ["itself", *WAYS])
def test_one_file_is_not_both(file: Path, first: str, way: str) -> None:
    name = file if way == "itself" else file.with_name("other")
    if way in WAYS:
        WAYS[way](file, name)
    book = Ledger()
    steps = [lambda: book.promise(name), lambda: book.read(file)]
    for step in steps if first == "output" else steps[::-1]:
        if step is steps[first == "output"]:
            with pytest.raises(UsageError, match="is an input") as refused:
                step()
            assert str(refused.value) == f"{name}: is an input ({file})"
            assert refused.value.hint == "give another name with --out"
        else:
            step()


@pytest.mark.parametrize("suffix", [".partial", ".partial.lock"])
@pytest.mark.parametrize("way", WAYS)
def test_nor_is_what_stands_beside_an_unfinished_output(file: Path, suffix: str, way: str) -> None:
    out = file.with_name("out")
    WAYS[way](file, file.with_name(f"out{suffix}"))
    book = Ledger()
    book.promise(out)
    with pytest.raises(UsageError, match=f"out{suffix}: is an input"):
        book.read(file)
    other = Ledger()
    other.read(file)
    with pytest.raises(UsageError, match=f"out{suffix}: is an input"):
        other.promise(out)


def test_other_files_and_files_that_are_not_there_pass(file: Path) -> None:
    book = Ledger()
    book.promise(file)
    book.read(file.with_name("absent"))
    book.promise(file.with_name("absent"))
    book.read(file.parent)
    book.promise(file.with_name("zero\0byte"))


def test_many_inputs_are_looked_at_where_an_output_exists(file: Path) -> None:
    asked = []

    def many() -> list[Path]:
        asked.append(True)
        return [file]

    book = Ledger()
    book.promise(file.with_name("new"))
    book.read_many(many)
    assert not asked
    with pytest.raises(UsageError, match="file: is an input"):
        book.promise(file)
    assert asked
    other = Ledger()
    other.promise(file)
    with pytest.raises(UsageError, match="file: is an input"):
        other.read_many(many)


def test_a_folder_takes_files_but_none_that_is_an_input(file: Path) -> None:
    book = Ledger()
    book.read(file)
    with pytest.raises(UsageError, match=r"file: is a file, --png names a folder"):
        book.promise_folder(file, "--png")
    book.promise_folder(file.parent)
    book.check_written(file.with_name("new"))
    with pytest.raises(UsageError, match=r"file: is an input") as refused:
        book.check_written(file)
    assert refused.value.hint == "name another folder"


def test_what_was_not_promised_is_not_written(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new = file.with_name("new")
    with ledger.opened() as book:
        for write in (lambda: write_whole(new, b""), lambda: open_private(new)):
            with pytest.raises(AssertionError, match="was not promised"):
                write()
        assert not new.exists()
        book.promise(new)
        write_whole(new, b"1")
        monkeypatch.chdir(file.parent)
        write_whole(Path("new"), b"2")
    assert new.read_bytes() == b"2"
    write_whole(file.with_name("outside a command"), b"")


def test_a_ledger_is_open_while_its_command_runs(file: Path) -> None:
    ledger.read(file)
    check_target(file, force=True)
    with ledger.opened() as outer:
        ledger.read(file)
        with ledger.opened() as inner:
            assert ledger.current() is inner
            check_target(file, force=True)
        assert ledger.current() is outer
        with pytest.raises(UsageError, match="is an input"):
            check_target(file, force=True)
    check_target(file, force=True)


def test_looking_back_is_no_reading(file: Path) -> None:
    with ledger.opened() as book:
        book.promise(file)
        with ledger.looking_back():
            ledger.read(file)
            ledger.read_many(lambda: [file])
        with pytest.raises(UsageError, match="is an input"):
            ledger.read(file)


def test_private_files_follow_no_link(file: Path) -> None:
    link = file.with_name("link")
    link.symlink_to(file.name)
    with pytest.raises(OSError, match="is a link, which is not followed"):
        open_private(link)
    with open_private(file) as stream:
        stream.write(b"er")
        stream.seek(0)
        assert stream.read() == b"dearer"
