"""What one cell of a table says by itself, and by what its column means."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsss_cli.formats.cells import Named, Table, as_list, flag, is_whole_number, looks_like_list


@pytest.mark.parametrize(
    ("cells", "value"),
    [
        (("1", "1.0", "1,0", "True", "YES", "1.000"), 1),
        (("0", "0.0", "0,0", "false", "No", "", "-0"), 0),
        (("-1", "-1.0", "-1,0"), -1),
        (("2", "0.7", "nan", "x", "1 0", "inf", "yes?"), None),
    ],
)
def test_yes_and_no(cells: tuple[str, ...], value: int | None) -> None:
    assert {cell: flag(cell) for cell in cells} == dict.fromkeys(cells, value)


def test_whole_numbers() -> None:
    assert [is_whole_number(cell) for cell in ("0", "12.0", "-1", "1.5", "a1")] == [
        True, True, False, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cell", "texts"),
    [
        ("['cat', 'dog']", ["cat", "dog"]),
        ('["cat", "dog"]', ["cat", "dog"]),
        ("[]", []),
        ("[ ]", []),
        ("()", []),
        ("('cat',)", ["cat"]),
        ("{'cat', 'dog'}", ["cat", "dog"]),
        ("set()", []),
        ("frozenset({'cat'})", ["cat"]),
        ("['cat' 'dog']", ["cat", "dog"]),  # as NumPy writes it; to Python, 'catdog'
        ("['cat'\n 'dog']", ["cat", "dog"]),
        ("array(['cat', 'dog'], dtype=object)", ["cat", "dog"]),
        ("array([], dtype=object)", []),
        ("[0, 2]", ["0", "2"]),
        ("[0 2]", ["0", "2"]),
        ('["it\'s", \'a "b"\']', ["it's", 'a "b"']),
        ('["caf\\u00e9", "a\\/b"]', ["café", "a/b"]),
        ("['a, b', ' c ']", ["a, b", "c"]),
        ("cat", None),
        ("cat (small)", None),
        ("(small)", None),
        ("", None),
    ],
)
def test_lists_in_a_cell(cell: str, texts: list[str] | None) -> None:
    assert as_list(cell) == texts


@pytest.mark.parametrize(
    "cell",
    [
        "[cat, dog]",
        "['cat', 'dog'",
        "['cat'",
        "'dog']",
        "['cat''dog']",
        "[['cat'], ['dog']]",
        "['cat', None]",
        "[nan]",
        "[None]",
        '["cat", null]',
        "{'cat': 1, 'dog': 0}",
        '{"labels": ["cat"]}',
        "[{'name': 'cat'}]",
        "['cat'; 'dog']",
        "[__import__('os').mkdir('x')]",
        "['\\x']",
        "[1.5]",
    ],
)
def test_what_only_looks_like_a_list_is_refused(cell: str) -> None:
    with pytest.raises(ValueError, match=r"looks like|cannot be read"):
        as_list(cell)


def test_a_long_cell_is_cut_in_the_message() -> None:
    with pytest.raises(ValueError, match=r"\.\.\.'") as caught:
        as_list("[" + "x" * 1000)
    assert len(str(caught.value)) < 120


def table(*rows: tuple[str, ...], **options: object) -> Table:
    made = {"header": ("file", "cat", "dog"), "layout": "onehot", **options}
    lines = tuple(range(2, 2 + len(rows)))
    return Table(
        Path("t.csv"), rows, lines, class_columns=(1, 2), class_names=("cat", "dog"), **made
    )  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("minus_one", "tags", "left_out"),
    [
        ("absent", ["dog"], False),
        ("present", ["cat", "dog"], False),
        ("unsaid", ["dog"], False),
        ("skip", ["dog"], True),
    ],
)
def test_minus_one(minus_one: str, tags: list[str], left_out: bool) -> None:
    made = table(("a", "-1", "1"), ("b", "1", ""), minus_one=minus_one)
    assert [made.tags(row) for row in made.rows] == [tags, ["cat"]]
    assert [made.is_left_out(row) for row in made.rows] == [left_out, False]
    absent = [(), ("dog",)] if minus_one == "unsaid" else [None, None]
    assert [made.absent(row) for row in made.rows] == absent


def test_tags_of_a_cell() -> None:
    made = table(("a", "cat; dog ;", ""), layout="labels", label=1, separator=";")
    assert made.tags(made.rows[0]) == ["cat", "dog"]
    made = table(("a", "['cat; x', '']", ""), layout="labels", label=1, separator=";")
    assert made.tags(made.rows[0]) == ["cat; x"]
    assert not made.is_left_out(made.rows[0])


def test_columns_of_flags() -> None:
    made = table(("a", "-1", "1"), ("b", "1", ""))
    assert (made.is_binary(1), made.is_flags(1), made.is_binary(2)) == (False, True, True)
    assert not made.is_flags(0)
    assert [made.name_of(1), table(("a",), header=None).name_of(1)] == ["cat", "column 2"]
    assert Named() == Named(label=None, image=None, minus_one=None, classes=None, more=())


def test_what_is_looked_at_as_a_list() -> None:
    assert [looks_like_list(cell) for cell in ("['a']", "[a", "{'a'}", "('a',)", "(a)", "a;b")] == [
        True, True, True, True, False, False,
    ]  # fmt: skip
