"""Tests of what eval warns of, whichever its scores."""

import pytest

from wsss_cli.scoring import doubts


def test_boxes_and_pixels_have_doubts_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doubts.localisation_report, "doubts", lambda found: ["of boxes"])
    monkeypatch.setattr(doubts.report, "warnings", lambda found: ["of pixels"])
    monkeypatch.setattr(doubts.intervals, "doubts", lambda found: ["of intervals"])
    assert doubts.doubts({"format": "wsss/localisation"}) == ["of boxes"]
    assert doubts.doubts({"format": "wsss/eval"}) == ["of pixels", "of intervals"]
