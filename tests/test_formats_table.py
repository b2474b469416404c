"""Tables of image tags: layouts, headers, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from wsss_cli.errors import UsageError, WsssError
from wsss_cli.formats.masks import MaskOptions
from wsss_cli.formats.sample import Collection, Problem
from wsss_cli.formats.table import read_table


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.jpg", "b.jpg", "c.v2.PNG", "sub/d e.jpg", "sub/日本.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (2, 2)).save(tmp_path / name)
    return tmp_path


def read(folder: Path, text: str, encoding: str = "utf-8", **options: object) -> Collection:
    file = folder / "tags.csv"
    file.write_bytes(text.encode(encoding))
    return read_table(file, **options)


def tags(found: Collection) -> dict[str, tuple[str, ...]]:
    return {sample.id: sample.tags for sample in found.samples}


def test_labels_with_a_separator(folder: Path) -> None:
    text = "filename,labels\na.jpg,cat;dog\nsub/d e.jpg,potted plant\nc.v2.PNG,\n"
    found = read(folder, text)
    assert found.classes == ("cat", "dog", "potted plant")
    assert tags(found) == {"a": ("cat", "dog"), "c.v2": (), "sub/d e": ("potted plant",)}
    assert found.notes == {"source": "csv", "layout": "labels", "separator": ";"}
    assert found.splits == ()
    assert found.samples[0].image == folder / "a.jpg"


@pytest.mark.parametrize(
    ("cell", "separator", "used"),
    [
        ("cat|dog", None, "|"),
        ('"cat, dog"', None, ","),
        ("cat dog", " ", " "),
        ("cat--dog", "--", "--"),
        ("dog;cat;dog", None, ";"),
        ("cat,dog", ",", ","),
    ],
)
def test_separators(folder: Path, cell: str, separator: str | None, used: str) -> None:
    found = read(folder, f"filename,labels\na.jpg,{cell}\nb.jpg,cat\n", separator=separator)
    assert set(tags(found)["a"]) == {"cat", "dog"}
    assert len(tags(found)["a"]) == 2
    assert tags(found)["b"] == ("cat",)
    assert found.notes["separator"] == used


def test_names_with_spaces_are_not_split_unasked(folder: Path) -> None:
    assert read(folder, "filename,label\na.jpg,tv monitor\n").classes == ("tv monitor",)


def test_no_header_and_a_bare_name(folder: Path) -> None:
    assert tags(read(folder, "a.jpg,cat\nb.jpg\n")) == {"a": ("cat",), "b": ()}


def test_ids_without_extension_need_no_header(folder: Path) -> None:
    assert tags(read(folder, "a,cat\nsub/日本,dog\n")) == {"a": ("cat",), "sub/日本": ("dog",)}


def test_first_image_missing_is_not_taken_for_a_header(folder: Path) -> None:
    found = read(folder, "gone.jpg,cat\na.jpg,dog\n")
    assert found.problems == (Problem("gone.jpg", "no such image (line 1)"),)
    with pytest.raises(WsssError, match="no column of labels"):
        read(folder, "gone,cat\na,dog\n")
    found = read(folder, "gone,1,0\na,0,1\n", classes=("x", "y"))
    assert tags(found) == {"a": ("y",)}
    assert found.problems == (Problem("gone", "no such image (line 1)"),)


def test_tags_as_further_cells(folder: Path) -> None:
    found = read(folder, "a.jpg,cat,dog,cow\nb.jpg,cat\n", separator=",")
    assert tags(found) == {"a": ("cat", "dog", "cow"), "b": ("cat",)}


def test_onehot_columns_keep_their_order(folder: Path) -> None:
    found = read(folder, "image,zebra,cat,yak\na.jpg,1,0,1\nb.jpg,0,0,0\nsub/d e.jpg,0.0,TRUE,\n")
    assert found.classes == ("zebra", "cat", "yak")
    assert tags(found) == {"a": ("zebra", "yak"), "b": (), "sub/d e": ("cat",)}
    assert found.notes["layout"] == "onehot"


def test_onehot_classes_may_be_called_as_other_columns(folder: Path) -> None:
    found = read(folder, "filename,mask,label,set\na.jpg,1,1,0\nb.jpg,0,0,1\n")
    assert found.classes == ("mask", "label", "set")
    assert tags(found) == {"a": ("mask", "label"), "b": ("set",)}


def test_classes_called_0_and_1(folder: Path) -> None:
    found = read(folder, "filename,label,split\na.jpg,0,train\nb.jpg,1,val\n")
    assert tags(found) == {"a": ("0",), "b": ("1",)}
    assert tags(read(folder, "filename,label\na.jpg,0\nb.jpg,1\n")) == tags(found)


def test_onehot_without_header_takes_names_from_classes(folder: Path) -> None:
    text = "a.jpg,1,0\nb.jpg,1,1\n"
    assert tags(read(folder, text, classes=("x", "y"))) == {"a": ("x",), "b": ("x", "y")}
    with pytest.raises(WsssError, match="2 class columns without a header"):
        read(folder, text)
    with pytest.raises(WsssError, match="2 class columns without a header"):
        read(folder, text, classes=("x",))


def test_onehot_refuses_other_numbers(folder: Path) -> None:
    with pytest.raises(WsssError, match="'dog' holds more than 0 and 1"):
        read(folder, "filename,cat,dog\na.jpg,1,2\n", layout="onehot")


def test_rows(folder: Path) -> None:
    text = "filename,label,xmin\na.jpg,cat,3\na.jpg,dog,4\nb.jpg,,5\na.jpg,cat,6\n"
    found = read(folder, text)
    assert tags(found) == {"a": ("cat", "dog"), "b": ()}
    assert found.notes == {"source": "csv", "layout": "rows", "separator": None}


def test_a_name_that_several_images_have_needs_its_folder(folder: Path) -> None:
    for sub in ("one", "two"):
        (folder / sub).mkdir()
        Image.new("RGB", (4, 4)).save(folder / sub / "7.jpg")
    (problem,) = read(folder, "filename,labels\na.jpg,x\n7.jpg,y\n").problems
    assert problem.hint == "write the folder in front of a name that several images have"
    assert not read(folder, "filename,labels\na.jpg,x\none/7.jpg,y\ntwo/7.0,y\n").problems


def test_rows_do_not_split_cells(folder: Path) -> None:
    found = read(folder, "filename,label\na.jpg,x;y\nb.jpg,z\n", layout="rows")
    assert found.classes == ("x;y", "z")


def test_an_image_twice_is_refused_unless_rows_are_tags(folder: Path) -> None:
    text = "filename,labels\na.jpg,cat\nb.jpg,cat\n./a.jpg,dog\na,dog\n"
    with pytest.raises(WsssError, match=r"2 images listed twice, first a \(line 4\)"):
        read(folder, text)
    assert tags(read(folder, text, layout="rows"))["a"] == ("cat", "dog")
    with pytest.raises(WsssError, match="1 images listed twice") as caught:
        read(folder, "filename,cat,dog\na.jpg,1,0\nb.jpg,0,1\na.jpg,1,0\n")
    assert caught.value.hint == "leave all but one of its rows out"


def test_bom_tabs_semicolons_and_old_line_ends(folder: Path) -> None:
    expected = {"a": ("cat",), "b": ("dog",)}
    assert tags(read(folder, "filename,label\na.jpg,cat\nb.jpg,dog\n", "utf-8-sig")) == expected
    assert tags(read(folder, "filename\tlabel\r\na.jpg\tcat\r\nb.jpg\tdog\r\n")) == expected
    assert tags(read(folder, "filename;label\ra.jpg;cat\r\rb.jpg;dog\r")) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "holds no rows"),
        ("\n , \n", "holds no rows"),
        ("filename,labels\n", "a header and no rows"),
        ("filename,cat,cat\na.jpg,1,0\n", "1 columns listed twice, first cat"),
        ("filename,width\na.jpg,33\n", "no column of labels"),
        ("filename\na.jpg\n", "no column of labels"),
        ("a.jpg,cat,dog\n", "no column of labels"),
        ("filename,labels\na.jpg,cat,dog\nb.jpg,cat,dog\n", "2 of 2 rows do not have 2 cells"),
        ("filename,,cat\na.jpg,1,0\n", "a class column has no name"),
    ],
)
def test_refused(folder: Path, text: str, reason: str) -> None:
    with pytest.raises(WsssError, match=reason):
        read(folder, text)


def test_not_text(folder: Path) -> None:
    with pytest.raises(WsssError, match="not UTF-8"):
        read(folder, "filename,labels\nâ.jpg,cat\n", "latin-1")
    with pytest.raises(WsssError, match="is UTF-16 text, which Excel calls Unicode text"):
        read(folder, "filename,labels\n", "utf-16")
    with pytest.raises(WsssError, match=r"No such file"):
        read_table(folder / "gone.csv")
    with pytest.raises(WsssError, match="no such folder"):
        read(folder, "filename,labels\na.jpg,cat\n", images=folder / "gone")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gone.jpg", "no such image"),
        ("../a.jpg", "leads out of the image folder"),
        ("sub/../../x/a.jpg", "leads out of the image folder"),
        ("..\\a.jpg", "leads out of the image folder"),
        ("/etc/passwd", "is not in the image folder"),
        ("", "no such image"),
        ("sub", "no such image"),
        ("tags.csv", "no such image"),
    ],
)
def test_names_that_are_no_image(folder: Path, name: str, reason: str) -> None:
    found = read(folder, f"filename,label\n{name},cat\na.jpg,cat\n")
    assert [sample.id for sample in found.samples] == ["a"]
    assert reason in found.problems[0].reason
    assert "(line 2)" in found.problems[0].reason


def test_other_spellings_of_a_name(folder: Path) -> None:
    text = f"filename,label\n{folder}/a.jpg,x\nsub\\d e.jpg,y\nc.v2,z\n"
    assert tags(read(folder, text)) == {"a": ("x",), "sub/d e": ("y",), "c.v2": ("z",)}


def test_letters_composed_differently_are_the_same_name(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1)).save(tmp_path / "u\u0308.jpg")
    found = read(tmp_path, "filename,label\n\u00fc.jpg,cat\n")
    assert [sample.id for sample in found.samples] == ["\u00fc"]
    assert found.samples[0].image.read_bytes()


def test_a_control_character_in_a_name_is_a_problem(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1)).save(tmp_path / "a\nb.jpg")
    found = read(tmp_path, 'filename,label\n"a\nb.jpg",cat\n')
    assert "a control character" in found.problems[0].reason


def test_split_column(folder: Path) -> None:
    text = "filename,label,split\na.jpg,x,train\nb.jpg,y,val\nsub/d e.jpg,x,\nc.v2.PNG,x,train\n"
    found = read(folder, text)
    assert found.splits == ("train", "val")
    assert [sample.splits for sample in found.samples] == [("train",), ("val",), ("train",), ()]
    found = read(folder, text, splits={"val": None})
    assert [(sample.id, sample.splits) for sample in found.samples] == [("b", ("val",))]
    with pytest.raises(WsssError, match="no split 'test'") as caught:
        read(folder, text, splits={"test": None})
    assert "train, val" in str(caught.value.hint)


def test_split_lists(folder: Path) -> None:
    (folder / "own.txt").write_text("a\nsub/d e.jpg\nb.jpg\nnowhere\n")
    text = "filename,label\na.jpg,x\nsub/d e.jpg,y\nc.v2.PNG,x\n"
    found = read(folder, text, splits={"own": folder / "own.txt"})
    assert [(sample.id, sample.splits) for sample in found.samples] == [
        ("a", ("own",)),
        ("sub/d e", ("own",)),
    ]
    assert found.problems == (
        Problem("nowhere", "no such image (listed in own.txt)"),
        Problem("b", "not in tags.csv"),
    )


def test_masks(folder: Path) -> None:
    (folder / "m").mkdir()
    (folder / "m" / "a.png").touch()
    text = "filename,label,mask\na.jpg,x,m/a.png\nb.jpg,y,\nc.v2.PNG,y,m/gone.png\n"
    with pytest.raises(WsssError, match="in which order"):
        read(folder, text)
    found = read(folder, text, classes=("x", "y"))
    assert [sample.mask for sample in found.samples] == [folder / "m" / "a.png", None]
    assert found.problems == (Problem("c.v2.PNG", "no mask m/gone.png (line 4)"),)
    plain = "filename,x,y\na.jpg,1,0\nb.jpg,1,0\n"  # onehot columns are in order
    found = read(folder, plain, masks=folder / "m")
    assert [sample.mask for sample in found.samples] == [folder / "m" / "a.png", None]
    with pytest.raises(WsssError, match="no such folder"):
        read(folder, plain, masks=folder / "gone")


def test_listed_classes(folder: Path) -> None:
    found = read(folder, "filename,label\na.jpg,x\nb.jpg,y\n", classes=("y", "z"))
    assert found.classes == ("y", "z")
    assert tags(found) == {"b": ("y",)}
    assert found.problems == (Problem("a", "tag 'x' is not among the classes"),)


def test_circular_links_end(folder: Path) -> None:
    (folder / "sub" / "up").symlink_to(folder)
    assert tags(read(folder, "filename,label\nb,x\n")) == {"b": ("x",)}


@pytest.mark.parametrize("name", ["ca\x1b[31mt", "c\0at", '"cat\nb.jpg,dog'])
def test_class_names_hold_no_control_characters(folder: Path, name: str) -> None:
    """Nor do a quote left open and bytes of no text make some."""
    said = "cannot name a class: a control character|with NUL bytes|a quote is left open"
    with pytest.raises(WsssError, match=said):
        read(folder, f"filename,labels\na.jpg,{name}\n")


def test_a_suffix_has_no_part_in_a_column_of_masks(folder: Path) -> None:
    Image.new("L", (2, 2)).save(folder / "m.png")
    text, options = "filename,label,mask\na.jpg,cat,m.png\n", MaskOptions(suffix="_m")
    with pytest.raises(UsageError, match=r"--mask-suffix: .* names the masks in 'mask'"):
        read(folder, text, classes=("cat",), mask_options=options)


def test_values_that_name_the_classes_settle_their_order(folder: Path) -> None:
    Image.new("L", (2, 2), 9).save(folder / "m.png")
    text = "filename,label,mask\na.jpg,cat,m.png\nb.jpg,dog,\n"
    found = read(folder, text, mask_options=MaskOptions(("9=cat", "8=bird")))
    assert found.classes == ("cat", "dog", "bird")
    assert found.masks.table.numbers == {9: 1, 8: 3}
    with pytest.raises(WsssError, match="in which order they number the classes"):
        read(folder, text)


def test_a_list_in_a_cell_is_its_tags(folder: Path) -> None:
    text = 'filename,labels\na.jpg,"[\'cat\', \'dog\']"\nb.jpg,[]\nc.v2,"[""dog""]"\n'
    for separator in (None, ","):
        found = read(folder, text, separator=separator)
        assert tags(found) == {"a": ("cat", "dog"), "b": (), "c.v2": ("dog",)}
        assert found.notes["separator"] == separator
    found = read(folder, "filename,labels\na.jpg,\"['cat', None]\"\nb.jpg,x\n")
    (problem,) = found.problems
    assert problem.reason == (
        "\"['cat', None]\" looks like a list, but is none of quoted names (line 2)"
    )


def test_tags_that_are_several_are_refused_unless_it_is_said(folder: Path) -> None:
    text = "filename,labels\na.jpg,cat dog\nb.jpg,cat\nc.v2.PNG,dog\n"
    with pytest.raises(WsssError, match=r"tags\.csv: 1 tag seems to be several, such as 'cat dog'"):
        read(folder, text)
    assert read(folder, text, separator=" ").classes == ("cat", "dog")
    assert read(folder, text, separator=";").classes == ("cat", "cat dog", "dog")
    assert read(folder, text, classes=("cat", "cat dog", "dog")).problems == ()


def test_columns_that_are_named(folder: Path) -> None:
    text = "Nr,Foto,Finding Labels\n1,a,x|y\n2,b,No Finding\n"
    found = read(
        folder, text, label_column="Finding Labels", image_column="Foto", negative=("No Finding",)
    )
    assert tags(found) == {"a": ("x", "y"), "b": ()}
    assert found.classes == ("x", "y")
    assert found.notes["negative"] == ["No Finding"]
    found = read(folder, text, label_column="Finding Labels")
    assert {problem.hint for problem in found.problems} == {
        "--image-column NAME names the column of the images; here it is 'Nr'"
    }


def test_minus_one_may_leave_images_out(folder: Path) -> None:
    (folder / "own.txt").write_text("a\nb\n")
    text = "filename,x,y\na.jpg,1,-1\nb.jpg,1,0\nc.v2.PNG,-1,1\n"
    assert tags(read(folder, text, minus_one="absent")) == {
        "a": ("x",), "b": ("x",), "c.v2": ("y",),
    }  # fmt: skip
    assert tags(read(folder, text, minus_one="present"))["a"] == ("x", "y")
    found = read(folder, text, minus_one="unsaid")
    assert [one.tags for one in found.samples] == [("x",), ("x",), ("y",)]
    assert [one.absent for one in found.samples] == [(), ("y",), ()]
    found = read(folder, text, minus_one="skip", splits={"own": folder / "own.txt"})
    assert tags(found) == {"b": ("x",)}
    assert (found.problems, found.notes["left_out"]) == ((), 1)
    found = read(folder, text, minus_one="skip")
    assert (list(tags(found)), found.notes["left_out"]) == (["b"], 2)


def test_a_onehot_column_may_be_negative(folder: Path) -> None:
    text = "filename,clean,x,y\na.jpg,1,0,0\nb.jpg,0,1,0\nc.v2.PNG,1,0,1\n"
    for classes in (None, ("x", "y")):
        found = read(folder, text, negative=("clean",), classes=classes)
        assert (found.classes, tags(found)) == (("x", "y"), {"a": (), "b": ("x",)})
        assert found.problems == (
            Problem("c.v2", "has the tag 'clean', which is negative, and 'y'"),
        )


def test_names_of_another_machine(folder: Path) -> None:
    text = "filename,label\nC:\\data\\a.JPG,x\nD:\\y\\sub\\d e.jpg,y\nE:\\gone.jpg,y\n"
    found = read(folder, text)
    assert tags(found) == {"a": ("x",), "sub/d e": ("y",)}
    assert found.remarks == (
        "2 names are not those of files: 'C:\\data\\a.JPG' is taken for a.jpg",
    )
    (problem,) = found.problems
    assert problem.reason.startswith("a Windows path, and no image under")
    assert "relative to the folder of the images" in str(problem.hint)


def test_a_comma_in_a_name_is_said(folder: Path) -> None:
    text = "filename;labels\na.jpg;sofa, couch\nb.jpg;sofa, couch\nc.v2.PNG;cat\n"
    found = read(folder, text)
    assert found.classes == ("cat", "couch", "sofa")
    assert found.remarks == (
        "'sofa' and 'couch' are always together: if they are one name with a comma, "
        "--separator ';' keeps it",
    )
    found = read(folder, text, separator=";")
    assert found.classes == ("cat", "sofa, couch")
    assert found.remarks == ("no cell of tags holds the separator ';', so each is one tag",)
    assert read(folder, text, separator=",").remarks == ()
