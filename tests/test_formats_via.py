"""Reading what VGG Image Annotator writes: versions 1, 2 and 3, and what is wrong with a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from wsss_cli.errors import WsssError
from wsss_cli.formats.sample import Collection
from wsss_cli.formats.via import Options, read_via

SHARED = next(
    (one / "shared" for one in Path(__file__).resolve().parents if (one / "shared").is_dir()), None
)
Json = dict[str, Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five images, in three folders below; two of them have one name."""
    for name in ("a.jpg", "b c.png", "one/same.png", "two/same.png", "deep/only.png"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 3)).save(tmp_path / "photos" / name)
    return tmp_path / "photos"


def region(**attributes: Any) -> Json:
    shape = {"name": "rect", "x": 1, "y": 1, "width": 2, "height": 1}
    return {"shape_attributes": shape, "region_attributes": attributes}


def entry(name: str, *regions: Json, **attributes: Any) -> Json:
    return {"filename": name, "size": 9, "regions": list(regions), "file_attributes": attributes}


def project(*entries: Json, **kinds: str) -> Json:
    """A version 2 project; the kinds are those of the images' attributes."""
    declared = {name: {"type": kind, "description": ""} for name, kind in kinds.items()}
    return {
        "_via_settings": {},
        "_via_img_metadata": {f"{one['filename']}{one['size']}": one for one in entries},
        "_via_attributes": {"region": {}, "file": declared},
    }


def read(folder: Path, content: Any, **options: Any) -> Collection:
    file = folder.parent / "via.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return read_via(file, folder, **options)


def tags(found: Collection) -> dict[str, tuple[str, ...]]:
    return {sample.id: sample.tags for sample in found.samples}


def problems(found: Collection) -> dict[str, str]:
    return {problem.id: problem.reason for problem in found.problems}


# What tags come from


def test_tags_are_the_classes_of_regions(folder: Path) -> None:
    cat, dog = region(kind="cat"), region(kind=" dog ")
    found = read(folder, project(entry("a.jpg", cat, dog, cat), entry("b c.png")))
    assert tags(found) == {"a": ("cat", "dog"), "b c": ()}
    assert found.classes == ("cat", "dog")
    assert found.notes == {"source": "via", "attributes": ["kind"]}
    assert found.problems == ()


def test_annotations_without_a_project_and_version_1_are_read_alike(folder: Path) -> None:
    entries = [entry("a.jpg", region(kind="cat")), entry("b c.png", region(kind="dog"))]
    whole = read(folder, project(*entries))
    content = {one["filename"]: one for one in entries}
    alike = [read(folder, content)]
    for one in entries:
        one["regions"] = dict(enumerate(one["regions"]))
    alike.append(read(folder, {one["filename"]: one for one in entries}))
    for found in alike:
        assert (found.classes, tags(found), found.notes) == (
            whole.classes,
            tags(whole),
            whole.notes,
        )
        boxes = [one.drawn() for one in found.samples]
        assert [one.shapes[0].rings[0].tolist() for one in boxes if one is not None] == [
            [[1, 1], [3, 2]]
        ] * 2


def test_a_byte_order_mark_is_no_matter(folder: Path) -> None:
    text = json.dumps(project(entry("a.jpg", region(kind="cat"))))
    assert tags(read(folder, "\ufeff" + text)) == {"a": ("cat",)}


def test_a_choice_of_several(folder: Path) -> None:
    both = region(kind={"cat": True, "dog": True, "yak": False})
    assert tags(read(folder, project(entry("a.jpg", both)))) == {"a": ("cat", "dog")}


def test_images_have_classes_of_their_own(folder: Path) -> None:
    content = project(
        entry("a.jpg", region(kind="cat"), scene={"yak": True}, caption="A yak by a cat"),
        entry("b c.png", scene={}, caption=""),
        caption="text",
        scene="checkbox",
    )
    assert tags(read(folder, content)) == {"a": ("yak", "cat"), "b c": ()}
    only = read(folder, content, attributes=["scene"])
    assert tags(only) == {"a": ("yak",), "b c": ()}
    assert only.notes["attributes"] == ["scene"]


def test_one_choice_of_an_image_needs_its_declaration_or_its_name(folder: Path) -> None:
    entries = entry("a.jpg", kind="cat"), entry("b c.png", kind="dog")
    expected = {"a": ("cat",), "b c": ("dog",)}
    assert tags(read(folder, project(*entries, kind="radio"))) == expected
    for content in (project(*entries, kind="text"), project(*entries)):
        with pytest.raises(WsssError, match="no attribute may hold the classes") as err:
            read(folder, content)
        assert err.value.hint == "name them with --attribute; it has: 'kind' of images"
        assert tags(read(folder, content, attributes=["kind"])) == expected


def test_several_attributes_are_no_guess(folder: Path) -> None:
    content = project(entry("a.jpg", region(kind="cat", colour="red"), region(kind="dog")))
    with pytest.raises(WsssError, match="several attributes may hold the classes") as err:
        read(folder, content)
    assert "it has: 'kind', 'colour' of regions" in str(err.value.hint)
    assert tags(read(folder, content, attributes=["kind"])) == {"a": ("cat", "dog")}
    both = read(folder, content, attributes=["kind", "colour"])
    assert tags(both) == {"a": ("cat", "red", "dog")}
    with pytest.raises(WsssError, match="has no attribute 'size'"):
        read(folder, content, attributes=["kind", "size"])


def test_attributes_that_nothing_has_a_value_of_do_not_count(folder: Path) -> None:
    content = project(entry("a.jpg", region(kind="cat", note=""), url="", public={}))
    assert tags(read(folder, content)) == {"a": ("cat",)}


def test_a_region_without_a_class_is_no_background(folder: Path) -> None:
    content = project(
        entry("a.jpg", region(kind="cat"), region(kind="")), entry("b c.png", region(kind="dog"))
    )
    found = read(folder, content)
    assert problems(found) == {"a.jpg": "region 2 has no 'kind'"}
    assert tags(found) == {"b c": ("dog",)}


# Version 3


def third(*items: Json, kind: int = 4, anchor: str = "FILE1_Z0_XY1") -> Json:
    options = {"0": "cat", "1": "dog", "2": "red car"}
    file = {"type": 2, "loc": 1, "src": ""}
    return {
        "project": {"pname": "x", "data_format_version": "3.1.1", "vid_list": ["1", "2"]},
        "config": {},
        "attribute": {
            "1": {"aname": "kind", "anchor_id": anchor, "type": kind, "options": options}
        },
        "file": {
            "1": {"fid": "1", "fname": "a.jpg", **file},
            "2": {"fid": 2, "fname": "b c.png", **file},
        },
        "view": {"1": {"fid_list": ["1"]}, "2": {"fid_list": [2]}},
        "metadata": {f"1_{number}": item for number, item in enumerate(items)},
    }


def seen(value: Any, view: str = "1", xy: tuple[float, ...] = (2, 1, 1, 2, 2)) -> Json:
    return {"vid": view, "flg": 0, "z": [], "xy": list(xy), "av": {"1": value}}


def test_version_3(folder: Path) -> None:
    found = read(folder, third(seen("2"), seen("0"), seen("1", "2")))
    assert tags(found) == {"a": ("red car", "cat"), "b c": ("dog",)}
    assert tags(read(folder, third(seen("0,2", xy=()), kind=2))) == {
        "a": ("cat", "red car"),
        "b c": (),
    }
    written = third(seen("sheep"), kind=1)
    assert tags(read(folder, written)) == {"a": ("sheep",), "b c": ()}
    with pytest.raises(WsssError, match="no attribute may hold"):
        read(folder, third(seen("A sheep by a cat.", xy=()), kind=1))


def test_version_3_that_cannot_be_used(folder: Path) -> None:
    content = third(seen("7"), seen("1", "2"))
    assert problems(read(folder, content)) == {"a.jpg": "its 'kind' has no option '7'"}
    content["file"]["1"]["type"] = 4
    content["metadata"].pop("1_0")
    assert problems(read(folder, content)) == {"a.jpg": "is no image"}
    content = third(seen("1"), seen("1", "2"))
    content["view"]["1"]["fid_list"] = ["1", "2"]
    reason = "is annotated together with another image"
    assert problems(read(folder, content)) == {"a.jpg": reason, "b c.png": reason}
    content["view"]["1"]["fid_list"] = []
    assert tags(read(folder, content)) == {"a": (), "b c": ("dog",)}


# Images, splits, masks


def test_how_an_image_is_found(folder: Path) -> None:
    names = ["a.jpg", "https://example.org/x/b%20c.png", r"C:\data\only.png", "one/same.png"]
    found = read(folder, project(*(entry(name, region(kind="cat")) for name in names)))
    assert list(tags(found)) == ["a", "b c", "deep/only", "one/same"]
    lost = read(
        folder,
        project(
            entry("a.jpg", region(kind="cat")), entry("gone.jpg"), entry("same.png"), entry("../x")
        ),
    )
    assert problems(lost) == {
        "gone.jpg": "no such image",
        "same.png": "2 images are called same.png, among them one/same.png and two/same.png",
        "../x": "'../x' leads out of the image folder",
    }


def test_the_folder_is_the_files_own_unless_given(folder: Path) -> None:
    file = folder / "via.json"
    file.write_text(json.dumps(project(entry("only.png", region(kind="cat")))))
    assert tags(read_via(file)) == {"deep/only": ("cat",)}
    with pytest.raises(WsssError, match="gone: no such folder"):
        read_via(file, folder / "gone")


def test_an_image_twice_is_refused(folder: Path) -> None:
    content = project(entry("a.jpg", region(kind="cat")), entry("x/a.jpg", region(kind="dog")))
    with pytest.raises(WsssError, match="1 images listed twice, first a"):
        read(folder, content)


def test_splits_and_masks(folder: Path) -> None:
    content = project(entry("a.jpg", region(kind="cat")), entry("b c.png", region(kind="dog")))
    listed = folder.parent / "val.txt"
    listed.write_text("a\ndeep/only\n")
    found = read(folder, content, splits={"val": listed})
    assert [(one.id, one.splits) for one in found.samples] == [("a", ("val",))]
    assert found.splits == ("val",)
    assert problems(found) == {"deep/only": "not in via.json"}
    with pytest.raises(WsssError, match="has no split 'train'"):
        read(folder, content, splits={"train": None})

    masks = folder.parent / "masks"
    with pytest.raises(WsssError, match="masks: no such folder"):
        read(folder, content, masks=masks)
    masks.mkdir()
    Image.new("L", (4, 3)).save(masks / "b c.png")
    with pytest.raises(WsssError, match="in which order they number the classes"):
        read(folder, content, masks=masks)
    named = read(folder, content, masks=masks, classes=("dog", "cat"))
    assert [one.mask for one in named.samples] == [None, masks / "b c.png"]
    assert problems(read(folder, content, classes=("dog",))) == {
        "a": "tag 'cat' is not among the classes"
    }


# What is wrong with a file


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON (nested too deeply)"),
        ('{"a": NaN}', "not JSON (it holds NaN)"),
        ('{"a": -Infinity}', "not JSON (it holds -Infinity)"),
        ('{"a": 1, "a": 2}', "not JSON (the key 'a' stands twice in one object)"),
        ("{}", "names no image"),
        ("[]", "not a project or annotations of VIA"),
        ("7", "not a project or annotations of VIA"),
        ('{"a": 1}', "not a project or annotations of VIA"),
        ('{"images": [], "annotations": []}', "not a project or annotations of VIA"),
        ('{"a": {"filename": "a.jpg"}}', "not a project or annotations of VIA"),
        ('{"_via_img_metadata": {}}', "names no image"),
        ('{"_via_img_metadata": []}', "not a project or annotations of VIA"),
        ('{"_via_img_metadata": {"a": {"regions": []}}}', "lacks 'filename', so is not whole"),
        ('{"_via_img_metadata": {"a": {"filename": "a.jpg"}}}', "lacks 'regions'"),
        (
            '{"_via_img_metadata": {"a": {"filename": "a.jpg", "regions": [{}]}}}',
            "lacks 'region_attributes', so is not whole",
        ),
        ('{"a": {"filename": "a.jpg", "regions": [5]}}', "not a project or annotations of VIA"),
        ('{"file": {"1": {}}, "view": 0, "metadata": 0, "attribute": 0}', "lacks 'fname'"),
        ('{"file": 3, "view": 0, "metadata": 0, "attribute": 0}', "not a project or annotations"),
    ],
)
def test_what_is_no_file_of_via(folder: Path, text: str, reason: str) -> None:
    with pytest.raises(WsssError) as err:
        read(folder, text)
    assert str(err.value).startswith(f"{folder.parent / 'via.json'}: ")
    assert reason in str(err.value)
    assert "\n" not in str(err.value)


def test_a_file_that_is_missing_or_no_text(folder: Path) -> None:
    with pytest.raises(WsssError, match=r"gone\.json: No such file"):
        read_via(folder / "gone.json")
    (folder / "bad.json").write_bytes(b'{"\xff": 1}')
    with pytest.raises(WsssError, match="not UTF-8 text"):
        read_via(folder / "bad.json")


@pytest.mark.parametrize("value", [3, True, ["cat"], {"cat": 1}, 2.5])
def test_a_value_that_is_no_name(folder: Path, value: Any) -> None:
    content = project(entry("a.jpg", region(kind=value)), entry("b c.png", region(kind="dog")))
    found = read(folder, content)
    assert list(tags(found)) == ["b c"]
    kind = type(value).__name__
    assert problems(found) == {"a.jpg": f"its 'kind' is of type {kind}, no name or choice"}


# Files that are not made here


@pytest.mark.parametrize("name", ["via_project.json", "via_region_data.json"])
def test_the_shared_sample(name: str) -> None:
    sample = SHARED / "formats" / "via" if SHARED is not None else None
    if sample is None or not sample.is_dir():
        pytest.skip("there is no ../shared/formats/via")
    truth = json.loads((sample / "truth.json").read_text())
    found = read_via(sample / name)
    assert found.problems == ()
    assert list(found.classes) == truth["classes"]
    expected = {name.rpartition(".")[0]: one["tags"] for name, one in truth["images"].items()}
    assert {one.id: sorted(one.tags) for one in found.samples} == expected
    assert found.notes == {"source": "via", "attributes": ["class", "tags"]}


def test_nothing_is_named_by_default() -> None:
    assert Options().attribute is None


def test_tags_are_looked_at_as_in_any_source(folder: Path) -> None:
    twins = project(entry("a.jpg", region(kind="cat")), entry("b c.png", region(kind="Cat")))
    with pytest.raises(WsssError, match=r"via\.json: the tags 'Cat' \(1 image\) and 'cat'"):
        read(folder, twins)
    assert read(folder, twins, classes=("cat", "Cat")).problems == ()
    none = project(entry("a.jpg", region(kind="cat")), entry("b c.png", region(kind="nothing")))
    (remark,) = read(folder, none).remarks
    assert remark.startswith("the tag 'nothing' (1 image) is never there with another")
    assert tags(read(folder, none, negative=("nothing",))) == {"a": ("cat",), "b c": ()}
