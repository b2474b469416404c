"""The tables of eval --boxes."""

from __future__ import annotations

from wsss_cli.report.localisation import protocol_lines


def test_the_protocol_says_what_was_left_out() -> None:
    protocol = {
        "images_counted": 5, "images_without_boxes": 2, "images_missing": 1, "split": "val",
        "ids_from": "list.txt", "pairs": 7, "pairs_rule": "of each class", "truth": "annotated",
        "truth_rule": "boxes that people drew", "difficult_rule": "difficult count", "boxes": "b",
    }  # fmt: skip
    point = {"threshold": 0.25, "how": "given"}
    report = {
        "protocol": protocol,
        "scores": {"chosen": point, "oracle": {"threshold": 0.5, "how": "best"}},
        "predictions": {"file": "cam.h5", "kind": "wsss/cam", "run": "r"},
        "data": {"file": "data.h5", "run": "d"},
    }
    lines = protocol_lines(report)
    assert lines["images"] == (
        "5 counted, 2 whose boxes are not known left out, 1 missing (split val, those in list.txt)"
    )
    assert lines["truth"] == "boxes that people drew; difficult count (annotated)"
    assert lines["chosen"] == "share 0.25: given"
    assert lines["oracle"] == "share 0.5: best"
