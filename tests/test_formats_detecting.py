"""Which format a source is of: told by what it shows, or refused with the candidates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wsss_cli.errors import WsssError
from wsss_cli.formats.detecting import detected
from wsss_cli.formats.place import Place
from wsss_cli.formats.reading import Asked, Reader
from wsss_cli.formats.sample import Collection


def read(path: Path, asked: Asked, options: Any) -> Collection:
    raise AssertionError


def of(name: str, suffix: str, before: tuple[str, ...] = ()) -> Reader:
    def detect(place: Place) -> str | None:
        return f"a {suffix} file" if place.matching(f"*{suffix}") else None

    return Reader(name=name, read=read, option=False, detect=detect, before=before)


PLAIN, SPECIAL, OTHER = of("plain", ".json"), of("special", ".x.json", ("plain",)), of("o", ".xml")
DRAWN = Reader(name="drawn", read=read, source=int, drawn=True)
READERS = (PLAIN, SPECIAL, OTHER, DRAWN)


def test_the_only_one_is_taken_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "a.json").touch()
    assert detected(tmp_path, READERS) == (PLAIN, "a .json file")
    assert detected(tmp_path / "a.json", READERS) == (PLAIN, "a .json file")


def test_the_more_special_one_is_before_the_plain_one(tmp_path: Path) -> None:
    (tmp_path / "a.x.json").touch()
    assert detected(tmp_path, READERS)[0] is SPECIAL


def test_none_and_several_are_refused_with_the_names(tmp_path: Path) -> None:
    with pytest.raises(WsssError, match="of no format that is known") as none:
        detected(tmp_path, READERS)
    assert none.value.hint == "--format names it: plain, special, o"
    (tmp_path / "a.json").touch()
    (tmp_path / "a.xml").touch()
    with pytest.raises(WsssError, match=r"could be plain \(a .json file\) or o \(a .xml") as many:
        detected(tmp_path, READERS)
    assert many.value.hint == "--format plain or --format o says which"
