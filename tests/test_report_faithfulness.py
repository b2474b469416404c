"""Tables of pointing and faithfulness, from reports made by hand."""

from __future__ import annotations

import re
from typing import Any

import pytest
from test_scoring_faithfulness import ROWS

from wsss_cli.report.faithfulness import lines, print_faithfulness
from wsss_cli.scoring.faithfulness import report

GAME = {"count": 2, "maps": 0.75, "random": 0.25, "centre": 0.5}
NONE = {"count": 0, "maps": None, "random": None, "centre": None}
POINTING: dict[str, Any] = {
    "protocol": {"tolerance": 15, "hit": "near", "random": "anywhere", "centre": "the middle"},
    "maps": 2,
    "maps_without_region": 0,
    "regions_without_map": 3,
    "mean": {name: GAME[name] for name in ("maps", "random", "centre")},
    "difficult": NONE,
    "classes": {"cat": GAME, "dog": NONE, "cow": NONE},
}
SETTINGS = {
    "steps": 28,
    "deletion_substrate": "mean",
    "insertion_substrate": "blurred",
    "max_side": 224,
}
SOURCE = {"file": "cls.pt", "kind": "wsss/cls", "run": "12", "made_the_maps": True}
ANSWERS = report(ROWS, ["cat", "dog", "cow"], SETTINGS, "sigmoid", SOURCE, 2, 5)


def test_nothing_is_printed_where_nothing_was_asked(capsys: pytest.CaptureFixture[str]) -> None:
    print_faithfulness({"scores": {}})
    assert capsys.readouterr().out == ""


def test_pointing_alone(capsys: pytest.CaptureFixture[str]) -> None:
    print_faithfulness({"pointing": POINTING})
    said = capsys.readouterr().out
    assert re.search(r"^pointing +2 maps, 3 classes of the masks have no map$", said, re.M)
    assert re.search(r"^hit +nearer than 15 pixels; near$", said, re.M)
    assert re.search(r"^pointing game, mean over classes % +75\.00 +25\.00 +50\.00$", said, re.M)
    assert re.search(r"^pointing game, 0 difficult % +- +- +-$", said, re.M)
    assert re.search(r"^cat +2 +75\.00 +25\.00 +50\.00$", said, re.M)
    assert "dog" not in said
    assert "insertion" not in said


def test_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    print_faithfulness({"pointing": POINTING, "faithfulness": ANSWERS})
    said = capsys.readouterr().out
    assert re.search(r"^insertion \(higher is better\) +0\.500 +0\.500 +0\.500$", said, re.M)
    assert re.search(r"^average drop % \(lower is better\) +50\.00 +50\.00 +36\.67$", said, re.M)
    assert re.search(r"^average increase % .*better\) +33\.33 +50\.00 +50\.00$", said, re.M)
    assert re.search(r"^cat +2 +75\.00 +25\.00 +50\.00 +2 +0\.550 +0\.500$", said, re.M)
    assert re.search(r"^dog +0 +- +- +- +1 +0\.400 +0\.500$", said, re.M)
    assert "cow" not in said


def test_what_was_asked_in_words() -> None:
    said = lines(POINTING, ANSWERS)
    about = "about 3 maps of 2 images, drawn from 5, longer side at most 224"
    assert said["asked"] == f"cls.pt (wsss/cls, run 12) {about}"
    assert said["score"] == (
        "sigmoid: 0.500 of the whole image, 0.500 all deleted, 0.500 nothing inserted"
    )
    assert said["steps"].startswith("28; deleted pixels become the mean colour, ")
    assert said["coverage"].startswith("40.0 % ")
    whole = report(ROWS, [], {**SETTINGS, "max_side": 0}, "sigmoid", SOURCE, 5, 5)
    assert lines(POINTING, whole)["asked"].endswith("about 3 maps of 5 images, at full size")
