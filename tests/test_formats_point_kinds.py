"""Which files of points a source holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsss_cli.errors import WsssError
from wsss_cli.formats.place import Place
from wsss_cli.formats.point_kinds import detect, files_of

TABLE, NAPARI = "image,x,y,label\n", "index,axis-0,axis-1\n"


def write(folder: Path, **files: str) -> Place:
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".csv")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return Place(folder)


def test_what_lies_at_the_top_is_meant(tmp_path: Path) -> None:
    kind, files, said = files_of(write(tmp_path, table=TABLE, in__a=NAPARI, in__b=TABLE))
    assert (kind, files) == ("table", [tmp_path / "table.csv"])
    assert said == ["napari points below it are not read"]
    assert detect(Place(tmp_path)) == "table.csv: table"


def test_several_kinds_side_by_side(tmp_path: Path) -> None:
    place = write(tmp_path, one__a=TABLE, two__b=NAPARI)
    with pytest.raises(WsssError, match="of several kinds: napari points"):
        files_of(place)


def test_files_of_one_kind_in_folders(tmp_path: Path) -> None:
    place = write(tmp_path, one__a=NAPARI, two__b=NAPARI, three__c="x,y\n")
    assert len(files_of(place)[1]) == 2


def test_none(tmp_path: Path) -> None:
    place = write(tmp_path, a="filename,labels\n")
    assert detect(place) is None
    with pytest.raises(WsssError, match="holds no points"):
        files_of(place)
