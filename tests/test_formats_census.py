"""How many images each class has."""

from __future__ import annotations

from pathlib import Path

from wsss_cli.formats.census import census, listed
from wsss_cli.formats.sample import Sample


def test_classes_are_counted_in_their_order() -> None:
    tagged = [("cat", "dog"), ("dog",), (), ("dog",)]
    samples = [Sample(str(place), Path("x"), tags) for place, tags in enumerate(tagged)]
    counts = census(("yak", "dog", "cat"), samples)
    assert list(counts.items()) == [("yak", 0), ("dog", 3), ("cat", 1)]


def test_many_classes_are_named_in_part() -> None:
    counts = {f"c{number}": number for number in range(80)}
    assert listed(counts).startswith("'c0' 0, 'c1' 1, ")
    assert listed(counts).endswith("'c19' 19, and 60 more")
    assert listed({"cat dog": 2}) == "'cat dog' 2"
    assert listed({}) == ""
