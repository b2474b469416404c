"""The kinds of artifact: their fields, and what is checked of an array before it is stored."""

from __future__ import annotations

import numpy as np
import pytest

from wsss_cli.artifacts.schema import CAM, DATASET, LABEL, SCHEMAS


def test_kinds_are_known_by_their_names() -> None:
    assert SCHEMAS == {"wsss/dataset": DATASET, "wsss/cam": CAM, "wsss/label": LABEL}


@pytest.mark.parametrize("dtype", ["float16", "uint8"])
def test_a_field_takes_its_dtypes_and_axes(dtype: str) -> None:
    CAM.field("cam").check(np.zeros((2, 3, 4), dtype))


def test_a_field_refuses_what_it_does_not_hold() -> None:
    with pytest.raises(ValueError, match="cam: got float32 with 3 axes, needs float16 or uint8"):
        CAM.field("cam").check(np.zeros((2, 3, 4), np.float32))
    with pytest.raises(ValueError, match="tags: got uint16 with 0 axes, needs uint16 with 1"):
        DATASET.field("tags").check(np.array(1, np.uint16))
    with pytest.raises(ValueError, match="wsss/label has no field 'cam'"):
        LABEL.field("cam")
