"""What VIA's files say of each image: texts, choices, free texts, and what cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wsss_cli.errors import WsssError
from wsss_cli.formats.via_entries import Entry, entries_of

FILE = Path("v.json")


def of_2(**parts: Any) -> Entry:
    (entry,) = entries_of(FILE, {"x": {"filename": "x.jpg", "regions": [], **parts}})
    return entry


def region(**values: Any) -> dict[str, Any]:
    return {"region_attributes": values}


def of_3(*metadata: dict[str, Any], files: int = 1) -> list[Entry]:
    """A project of version 3: attribute 1 is a text, 2 a choice of several, 3 a choice of one."""
    options = {"c": "cat", "d": " dog ", "e": ""}
    return entries_of(
        FILE,
        {
            "file": {str(n): {"fname": f"{n}.jpg", "type": 2} for n in range(files)},
            "view": {str(n): {"fid_list": [n]} for n in range(files)},
            "metadata": dict(enumerate(metadata)),
            "attribute": {
                "1": {"aname": "note", "type": 1},
                "2": {"aname": "several", "type": 2, "options": options},
                "3": {"aname": "one", "type": 3, "options": options},
            },
        },
    )


def test_regions_of_version_1_are_numbered_and_of_version_2_listed() -> None:
    regions = [region(kind=" cat "), region(kind={"dog": True, "cow": False}), region(kind=None)]
    expected = Entry("x.jpg", regions=[{"kind": ("cat",)}, {"kind": ("dog",)}, {"kind": ()}])
    assert of_2(regions=regions) == expected
    assert of_2(regions=dict(enumerate(regions))) == expected


def test_a_text_of_an_image_is_free_unless_declared_a_choice() -> None:
    own = {"caption": "a cat", "kind": "cat", "several": {"a": True, "b": True}}
    item = {"filename": "x.jpg", "regions": [], "file_attributes": own}
    attributes = {"file": {"caption": {"type": "text"}, "kind": {"type": "radio"}}}
    project = {"_via_img_metadata": {"x": item}, "_via_attributes": attributes}
    (entry,) = entries_of(FILE, project)
    assert entry.own == {"caption": ("a cat",), "kind": ("cat",), "several": ("a", "b")}
    assert entry.free == {"caption"}
    assert of_2(file_attributes=own).free == {"caption", "kind"}


@pytest.mark.parametrize(("value", "kind"), [(3, "int"), ({"a": "yes"}, "dict"), (["a"], "list")])
def test_values_that_are_no_names(value: Any, kind: str) -> None:
    entry = of_2(regions=[region(kind=value)])
    assert entry.problem == f"its 'kind' is of type {kind}, no name or choice"


def test_version_3_numbers_its_options() -> None:
    in_region = {"vid": "0", "xy": [2, 1, 1, 5, 5], "av": {"2": "c,d,e", "3": "d"}}
    of_image = {"vid": "0", "xy": [], "av": {"1": " words ", "3": "c"}}
    more = {"vid": "0", "xy": [], "av": {"3": "d"}}
    (entry,) = of_3(in_region, of_image, more)
    assert entry.regions == [{"several": ("cat", "dog", "e"), "one": ("dog",)}]
    assert entry.own == {"note": ("words",), "one": ("cat", "dog")}
    assert entry.free == {"note"}
    (entry,) = of_3({"vid": "0", "xy": [], "av": {"2": "z"}})
    assert entry.problem == "its 'several' has no option 'z'"
    (entry,) = of_3({"vid": "0", "xy": [], "av": {"2": 1}})
    assert entry.problem == "its 'several' is of type int, no text"


def test_of_several_images_each_has_its_own() -> None:
    first, second = of_3({"vid": "1", "xy": [], "av": {"3": "c"}}, files=2)
    assert (first.own, second.own) == ({}, {"one": ("cat",)})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "not a project or annotations of VIA"),
        ([], "not a project or annotations of VIA"),
        ({"x": {"filename": "x.jpg"}}, "not a project or annotations of VIA"),
        ({"_via_img_metadata": {"x": {"filename": "x"}}}, "lacks 'regions', so is not whole"),
        ({}, "names no image"),
        ({"_via_img_metadata": {}}, "names no image"),
    ],
)
def test_other_files_are_refused(content: Any, said: str) -> None:
    with pytest.raises(WsssError) as caught:
        entries_of(FILE, content)
    assert str(caught.value) == f"v.json: {said}"
