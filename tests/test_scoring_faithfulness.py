"""Means of a classifier's answers over maps and by class."""

from __future__ import annotations

from typing import Any

import pytest

from wsss_cli.scoring.faithfulness import FACTS, MEASURES, ORDERS, means, report


def row(image_id: str, name: str, **values: Any) -> dict[str, Any]:
    columns = [f"{column}{end}" for column in MEASURES.values() for end in ORDERS.values()]
    return {"id": image_id, "class": name, **dict.fromkeys([*FACTS, *columns], 0.5), **values}


ROWS = [
    row("a", "cat", insertion=0.9, increase=True, drop_centre=0.1),
    row("a", "dog", insertion=0.4, increase=False),
    row("b", "cat", insertion=0.2, increase=False, coverage=0.2),
]


def test_means_are_over_maps() -> None:
    found = means(ROWS)
    assert found["count"] == 3
    assert found["mean"]["maps"]["insertion"] == pytest.approx(0.5)
    assert found["mean"]["maps"]["average_increase"] == pytest.approx(1 / 3)
    assert found["mean"]["centre"]["average_drop"] == pytest.approx(1.1 / 3)
    assert found["mean"]["random"]["deletion"] == 0.5
    assert found["coverage"] == pytest.approx(0.4)
    assert means([])["mean"]["maps"]["insertion"] is None


def test_the_report_says_how_it_was_asked_and_keeps_each_map() -> None:
    settings = {
        "steps": 28,
        "deletion_substrate": "mean",
        "insertion_substrate": "blurred",
        "max_side": 224,
    }
    found = report(ROWS, ["cat", "dog", "cow"], settings, "sigmoid", {"file": "cls.pt"}, 2, 5)
    assert (found["images"], found["images_with_maps"], found["count"]) == (2, 5, 3)
    assert found["classes"]["cat"]["mean"]["maps"]["insertion"] == pytest.approx(0.55)
    assert found["classes"]["cow"]["count"] == 0
    assert found["classes"]["cow"]["mean"]["centre"]["deletion"] is None
    assert found["per_map"]["id"] == ["a", "a", "b"]
    assert found["per_map"]["insertion"] == [0.9, 0.4, 0.2]
    protocol = found["protocol"]
    assert (protocol["score"], protocol["steps"]) == ("sigmoid", 28)
    assert protocol["deletion_rule"] == "deleted pixels become the mean colour"
    assert protocol["insertion_rule"] == "pixels are inserted into the blurred image"
