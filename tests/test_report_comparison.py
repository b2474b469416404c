"""What a comparison says, from figures made by hand."""

from __future__ import annotations

from typing import Any

import pytest

from wsss_cli.report.comparison import print_comparison, protocol_lines, verdict


def comparison(
    difference: float, interval: tuple[float, float] | None, p: float, **options: Any
) -> dict[str, Any]:
    side = {
        "files": ["a.json"],
        "scored": ["p.h5 (wsss/label, run 12)"],
        "point": "labels",
        "how": ["as in the file"],
        "miou": 0.5,
        "sd": None,
    }
    label = {"label": "cat", "images": 4, "first": 0.25, "second": 0.5, "difference": 0.25}
    label |= {"interval": (0.1, 0.4), "p": 0.03, "p_holm": options.pop("p_holm", 0.06)}
    return {
        "first": side,
        "second": {**side, "files": ["b.json"], "miou": 0.5 + difference},
        "images": 60,
        "data_run": "34",
        "average": "union",
        "bootstrap": {
            "draws": 300,
            "seed": 1,
            "level": 0.95,
            "drawn": "images",
            "units": 60,
            "clusters_from": None,
            "few": {"cat": 4},
        },
        "permutation": {"swaps": 999, "seed": 1, "alpha": 0.05},
        "miou": {"difference": difference, "interval": interval, "p": p},
        "labels": [label],
        "trainings": None,
        **options,
    }


def trainings(pairs: list[float], interval: tuple[float, float], p: float) -> dict[str, Any]:
    least = 2 / 2 ** len(pairs)
    return {
        "pairs": len(pairs),
        "differences": pairs,
        "sd": 0.01,
        "interval": interval,
        "p": p,
        "least_p": least,
    }


@pytest.mark.parametrize(
    ("difference", "interval", "p", "said"),
    [
        (
            0.012,
            (0.003, 0.021),
            0.004,
            "B leads by 1.20 points (B - A [+0.30, +2.10], p = 0.004): a lead on images such as "
            "these, of these two files.",
        ),
        (
            -0.012,
            (-0.021, -0.003),
            0.0001,
            "A leads by 1.20 points (B - A [-2.10, -0.30], p = 0.0001): a lead on images such as "
            "these, of these two files.",
        ),
        (
            0.004,
            (-0.003, 0.011),
            0.21,
            "B - A is +0.40 points ([-0.30, +1.10], p = 0.21): no lead is shown on images such as "
            "these.",
        ),
        (
            0.004,
            (0.001, 0.011),
            0.06,
            "B - A is +0.40 points ([+0.10, +1.10], p = 0.06): no clear lead on images such as "
            "these, as interval and test disagree.",
        ),
        (0.0, (0.0, 0.0), 1.0, "B - A is +0.00 points ([+0.00, +0.00], p = 1): no lead is shown"),
        (0.4, None, 1.0, "B - A is +40.00 points (-, p = 1): no lead is shown on images such as"),
    ],
)
def test_a_lead_takes_interval_and_test(
    difference: float, interval: tuple[float, float] | None, p: float, said: str
) -> None:
    lines = verdict(comparison(difference, interval, p))
    assert lines[0].startswith(said)
    assert lines[1].startswith("Of the methods behind them this says nothing")
    assert lines[2:] == ["By label, no lead is shown (Holm)."]


def test_labels_that_lead_are_named() -> None:
    found = comparison(0.0, (0.0, 0.0), 1, p_holm=0.05)
    found["labels"].append({**found["labels"][0], "label": "dog", "difference": -0.1})
    found["labels"].append({**found["labels"][0], "label": "cow", "p_holm": 0.051})
    assert verdict(found)[2:] == [
        "By label, B leads on cat (Holm).",
        "By label, A leads on dog (Holm).",
    ]


@pytest.mark.parametrize(
    ("pairs", "interval", "p", "said"),
    [
        (
            [0.01, 0.02, 0.03],
            (0.001, 0.03),
            0.25,
            "Of the methods: this points to B (over trainings and images [+0.10, +3.00], p = 0.25 "
            "of 3 pairs), but 3 pairs cannot show it: their p is never below 0.25. Six can.",
        ),
        (
            [0.01] * 6,
            (0.001, 0.03),
            2 / 64,
            "Of the methods: B leads (over trainings and images [+0.10, +3.00], p = 0.031 of 6 "
            "pairs).",
        ),
        (
            [-0.01] * 5,
            (-0.03, 0.001),
            2 / 32,
            "Of the methods: no lead is shown (over trainings and images [-3.00, +0.10], "
            "p = 0.062 of 5 pairs; 5 pairs reach 0.062 at best).",
        ),
        ([0.03, 0.03, -0.001], (0.001, 0.03), 0.5, "Of the methods: no lead is shown"),
        ([0.03, -0.01] * 4, (0.001, 0.03), 0.2, "Of the methods: no lead is shown"),
    ],
)
def test_what_trainings_can_show(
    pairs: list[float], interval: tuple[float, float], p: float, said: str
) -> None:
    found = comparison(0.02, (0.01, 0.03), 0.001, trainings=trainings(pairs, interval, p))
    lines = verdict(found)
    assert "a lead on images such as these, of these trainings." in lines[0]
    assert lines[1].startswith(said)


def test_the_tables(capsys: pytest.CaptureFixture[str]) -> None:
    found = comparison(0.02, (0.01, 0.03), 0.001)
    found["first"]["sd"] = found["second"]["sd"] = 0.005
    found["trainings"] = trainings([0.01, 0.03], (-0.01, 0.04), 0.5)
    print_comparison(found)
    protocol, summary, labels, words = capsys.readouterr().out.split("\n\n")
    assert [line.split(maxsplit=1)[0] for line in protocol.splitlines()] == [
        *("A", "A", "B", "B", "images", "average", "intervals", "p", "trainings")
    ]
    assert "60 images" in protocol
    assert "too narrow for 1 label that is in fewer than ten images" in protocol
    assert [line.split() for line in summary.splitlines()] == [
        ["A", "%", "B", "%", "B", "-", "A", "95", "%", "interval", "p"],
        ["mIoU", "50.00", "52.00", "+2.00", "[+1.00,", "+3.00]", "0.001"],
        ["sd", "over", "trainings", "0.50", "0.50", "1.00"],
        ["trainings", "drawn,", "too", "[-1.00,", "+4.00]", "0.5"],
    ]
    assert labels.splitlines()[1].split() == [
        *("cat", "4", "25.00", "50.00", "+25.00", "[+10.00,", "+40.00]", "0.03", "0.06")
    ]
    assert len(words.splitlines()) == 3


def test_an_oracle_is_spoken_of() -> None:
    found = comparison(0.0, (0.0, 0.0), 1)
    assert "oracle" not in dict(protocol_lines(found))
    found["second"] = {**found["second"], "point": "oracle"}
    assert "taken as given" in dict(protocol_lines(found))["oracle"]
