"""Tests of eval's options of boxes."""

import pytest

from wsss_cli.errors import UsageError
from wsss_cli.options.boxes import Boxes, BoxOptions
from wsss_cli.options.counting import Average, Counting
from wsss_cli.options.thresholds import ThresholdChoice

OTHER = Counting(average=Average.all)


def test_difficult_boxes_are_those_that_people_drew() -> None:
    assert BoxOptions(boxes=Boxes.annotated, without_difficult=True).without_difficult
    for boxes in (None, Boxes.masks):
        with pytest.raises(UsageError, match="--without-difficult needs --boxes annotated"):
            BoxOptions(boxes=boxes, without_difficult=True)


def test_what_is_of_pixels_is_refused_only_with_boxes_and_only_where_it_was_given() -> None:
    chosen, none = BoxOptions(boxes=Boxes.masks), BoxOptions()
    chosen.check(ThresholdChoice(threshold=0.3), {"--average": Counting(), "--per-image": None})
    none.check(ThresholdChoice(threshold="auto"), {"--average": OTHER})
    with pytest.raises(UsageError, match="--boxes: does not go with --average"):
        chosen.check(ThresholdChoice(), {"--average": OTHER})


@pytest.mark.parametrize(
    "choice", [{"threshold": "auto"}, {"calibrate": 3}, {"calibrate_ids": "few"}]
)
def test_choices_of_pixels_are_refused(choice: dict) -> None:
    with pytest.raises(UsageError, match="--threshold auto or --calibrate"):
        BoxOptions(boxes=Boxes.annotated).check(ThresholdChoice(**choice), {})
