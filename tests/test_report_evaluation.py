"""Tests of which tables an eval prints."""

import pytest

from wsss_cli.report import evaluation


def test_boxes_have_tables_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    printed: list[str] = []
    for name in ("print_localisation", "print_report", "print_outlines", "print_faithfulness"):
        monkeypatch.setattr(evaluation, name, lambda report, name=name: printed.append(name))
    evaluation.print_evaluation({"pairs": []})
    assert printed == ["print_localisation"]
    evaluation.print_evaluation({"scores": {}})
    assert printed[1:] == ["print_report", "print_outlines", "print_faithfulness"]
