"""make-seeds --method irn: what exceeds one score is a class, what does not exceed another none."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
from made import write_sloping_cam
from scenes import params_of, row, seeds

from wsss_cli.artifacts import open_artifact
from wsss_cli.artifacts.map_threshold import threshold_of
from wsss_cli.core.crf import PRESETS
from wsss_cli.errors import UsageError
from wsss_cli.inference.seeding import check_settings
from wsss_cli.methods.make_seeds import CARDS
from wsss_cli.methods.make_seeds.irn import CARD
from wsss_cli.options.refine import RefineOptions


def test_defaults_are_the_published_ones_and_it_is_what_is_done_unless_told() -> None:
    assert CARDS[0] is CARD
    assert CARD.own == {"fg": 0.3, "bg": 0.05}
    assert CARD.refinement(RefineOptions(), "cpu", ["irn"]) == PRESETS["irn"]
    assert not CARD.by_saliency


def test_pixels_by_hand() -> None:
    assert seeds(CARD, row([0.31, 0.3, 0.06, 0.05, 0.0], classes=[2])) == [3, 255, 255, 0, 0]
    two = row([0.9, 0.4, 0.1, 0.0], [0.4, 0.9, 0.2, 0.0], classes=[4, 7])
    assert seeds(CARD, two) == [5, 8, 255, 0]


def test_thresholds_that_are_given() -> None:
    scores = row([0.31, 0.3, 0.06, 0.05, 0.0])
    assert seeds(CARD, scores, fg=0.05) == [1, 1, 1, 0, 0]
    assert seeds(CARD, scores, bg=0.3) == [1, 0, 0, 0, 0]
    assert seeds(CARD, scores, fg=0.04, bg=0.04) == [1, 1, 1, 1, 0]


def test_what_is_recorded(tiny_data: Path) -> None:
    assert params_of(CARD, tiny_data, PRESETS["irn"], fg=0.4) == {
        **{"method": "irn", "fg": 0.4, "bg": 0.05, "crf": asdict(PRESETS["irn"])}
    }


def test_thresholds_by_the_maps(tiny_data: Path) -> None:
    with open_artifact(write_sloping_cam(tiny_data.with_name("cam.h5"), tiny_data)) as maps:
        own = threshold_of(maps)
    assert 0 < own < 2 / 3
    both = params_of(CARD, tiny_data, None, fg="auto", bg="auto")
    assert both["maps_threshold"] == own
    assert (both["fg"], both["bg"]) == (round(1.5 * own, 4), round(0.25 * own, 4))
    one = params_of(CARD, tiny_data, None, fg="auto")
    assert (one["fg"], one["bg"]) == (both["fg"], 0.05)
    assert "maps_threshold" not in params_of(CARD, tiny_data, None)


@pytest.mark.parametrize(
    ("fg", "bg", "said"),
    [
        (0.2, 0.3, "--method irn: bg 0.3, fg 0.2: need 0 <= bg <= fg <= 1"),
        (1.1, 0.3, "--method irn: bg 0.3, fg 1.1: need 0 <= bg <= fg <= 1"),
        (0.2, -0.1, "--method irn: bg -0.1, fg 0.2: need 0 <= bg <= fg <= 1"),
        (float("nan"), 0.1, "--fg nan: must be finite"),
    ],
)
def test_thresholds_that_are_none(fg: float, bg: float, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_settings(CARD, {"fg": fg, "bg": bg})
    assert str(caught.value) == said
