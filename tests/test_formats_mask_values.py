"""--mask-values and its files: forms, names, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsss_cli.core.mask_values import ValueTable
from wsss_cli.errors import UsageError, WsssError
from wsss_cli.formats.mask_values import (
    NamedValues,
    labelmap_beside,
    parse_values,
    read_values,
    voc_colours,
)  # fmt: skip

CVAT = "# label:color_rgb:parts:actions\nbird:9,200,9::\nbackground:0,0,0::\nred car:1,2,3::\n"


def parsed(*options: str) -> NamedValues:
    found = parse_values(options)
    assert found is not None
    return found


def written(folder: Path, text: str, name: str = "values.txt") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_nothing_said() -> None:
    assert parse_values(()) is None


def test_numbers_and_colours_by_name() -> None:
    found = parsed("255=cat", "0=background", "7=Ignore", "9=2")
    assert found.table(("cat", "dog")) == ValueTable({255: 1, 0: 0, 7: 255, 9: 2}, {}, closed=True)
    found = parsed("128,0,0=dog", "#00ff00=cat", "1, 2, 3=255")
    colours = {(128, 0, 0): 2, (0, 255, 0): 1, (1, 2, 3): 255, (0, 0, 0): 0}  # black unless named
    assert found.table(("cat", "dog")) == ValueTable({}, colours)
    assert parsed("0,0,0=cat").table(("cat",)).colours == {(0, 0, 0): 1}


def test_other_numbers_keep_their_meaning_unless_a_class_is_named() -> None:
    assert parsed("0=ignore").table(("cat",)) == ValueTable({0: 255})
    assert parsed("0=ignore", "1=cat").table(("cat",)).closed


def test_a_class_may_be_called_like_a_number_or_like_no_class() -> None:
    assert parsed("5=2").table(("2", "1")).numbers == {5: 1}
    assert parsed("5=void").table(("cat", "void")).numbers == {5: 2}


def test_which_names_settle_the_order_of_classes() -> None:
    assert parsed("1=cat", "2=dog", "0=background").classes == ("cat", "dog")
    assert parsed("1=cat", "2=dog").settles_order
    assert not parsed("1=cat", "2=2").settles_order
    assert not parsed("0=ignore").settles_order


@pytest.mark.parametrize(
    "options",
    [("x=cat",), ("1=",), ("=cat",), ("256,0,0=cat",), ("1,2=cat",), ("#12345=cat",),
     ("70000=cat",), ("1=cat", "values.txt"), ("-1=cat",), ("1=cat", "1=dog")],
)  # fmt: skip
def test_options_that_say_nothing_are_refused(options: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match=r"^--mask-values"):
        parse_values(options)


def test_names_that_are_no_class_are_refused() -> None:
    with pytest.raises(WsssError, match=r"^--mask-values: 'dgo' is no class$") as caught:
        parsed("1=cat", "2=dgo").table(("cat", "dog"))
    assert "the classes are cat, dog" in str(caught.value.hint)
    with pytest.raises(WsssError, match="'3' is no class"):
        parsed("1=3").table(("cat", "dog"))


@pytest.mark.parametrize(
    ("text", "numbers", "colours"),
    [
        ("1=cat\n2=dog\n", {1: "cat", 2: "dog"}, {}),
        ("Pixel Value, Class\n0, background\n1, red car\n", {0: "background", 1: "red car"}, {}),
        ("name,r,g,b\ncat,1,2,3\nbackground,0,0,0\n", {},
         {(1, 2, 3): "cat", (0, 0, 0): "background"}),
        ("0 0 0 background\n1 2 3 red car\n", {}, {(0, 0, 0): "background", (1, 2, 3): "red car"}),
        ("#010203=cat\n# a remark\n", {}, {(1, 2, 3): "cat", (0, 0, 0): "background"}),
    ],
)  # fmt: skip
def test_files_of_values(
    tmp_path: Path, text: str, numbers: dict[int, str], colours: dict[object, str]
) -> None:
    found = parsed(str(written(tmp_path, text)))
    assert (found.numbers, found.colours) == (numbers, colours)
    assert found.of_file


def test_the_lines_of_a_labelmap_number_greys(tmp_path: Path) -> None:
    found = read_values(written(tmp_path, CVAT))
    assert found.classes == ("bird", "red car")
    table = found.table(found.classes)
    assert table.numbers == {0: 1, 1: 0, 2: 2}
    assert table.colours == {(9, 200, 9): 1, (0, 0, 0): 0, (1, 2, 3): 2}


def test_a_labelmap_may_leave_colours_out(tmp_path: Path) -> None:
    found = read_values(written(tmp_path, "background:::\ncat:1,2,3::\nhuman::head,hand:\n"))
    assert found.numbers == {0: "background", 1: "cat", 2: "human"}
    assert found.colours == {(1, 2, 3): "cat", (0, 0, 0): "background"}
    for text in ("background:::\ncat:::\n", "cat\ndog\n", "1 cat\n"):  # nothing to go by
        written(tmp_path, text, "labelmap.txt")
        assert labelmap_beside(tmp_path) is None


def test_a_labelmap_beside_masks_names_colours_alone(tmp_path: Path) -> None:
    masks = tmp_path / "SegmentationClass"
    masks.mkdir()
    assert labelmap_beside(masks) is None
    above = written(tmp_path, CVAT, "labelmap.txt")
    found = labelmap_beside(masks)
    assert found is not None
    assert (found.source, found.numbers) == (str(above), {})
    assert found.classes == ("bird", "red car")
    written(masks, "cat:1,2,3::\n300=dog\n", "labelmap.txt")
    found = labelmap_beside(masks)
    assert found is not None
    assert found.numbers == {}
    written(
        masks, "_background_:0,0,0::\ncat:1,1,1::\n", "labelmap.txt"
    )  # its lines are the labels
    found = labelmap_beside(masks)
    assert found is not None
    assert found.table(("cat",)).numbers == {0: 0, 1: 1}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names no numbers or colours"),
        ("# only this\n", "names no numbers or colours"),
        ("cat\n", "line 'cat' names no number or colour"),
        ("cat:1,2,300::\n", "line 'cat:1,2,300::' names no number or colour"),
        ("cat:1,2,3::\ndog:1,2,3::\n", "1,2,3 is named twice"),
        ("1=cat\ndog:1,2,3::\nbird:4,5,6::\n", "1 is named twice"),
        ("1,cat\nname,r\n", "line 'name,r' names no number or colour"),
    ],
)
def test_files_that_say_something_else_are_refused(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(WsssError) as caught:
        read_values(path)
    assert str(caught.value) == f"{path}: {said}"
    with pytest.raises(WsssError, match="No such file"):
        read_values(tmp_path / "gone.txt")


def test_vocs_colours() -> None:
    assert parsed("voc") == voc_colours()
    table = voc_colours().table(("aeroplane", "bicycle"))
    assert table.colours == {
        (0, 0, 0): 0, (128, 0, 0): 1, (0, 128, 0): 2, (224, 224, 192): 255,
    }  # fmt: skip
    assert voc_colours().classes == ()
