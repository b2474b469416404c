"""What tags cannot teach: classes on every image, and on none."""

from __future__ import annotations

import pytest

from wsss_cli.core.teachable import unteachable

ALL = "nothing tells a classifier where to look, so maps of"


@pytest.mark.parametrize(
    ("counts", "total", "said"),
    [
        ([1, 2], 3, []),
        ([3, 2], 3, [f"on all 3 images: a; {ALL} it mean little: add images without it"]),
        ([2, 2], 2, [f"on all 2 images: a, b; {ALL} them mean little: add images without them"]),
        ([1, 1], 1, []),  # what is on one image is on all of them
        ([0, 2], 3, ["1 classes are on no image, first a"]),
        ([3, 0], 3, [f"on all 3 images: a; {ALL} it mean little: add images without it",
                     "1 classes are on no image, first b"]),
    ],
)  # fmt: skip
def test_classes_on_every_image_or_none(counts: list[int], total: int, said: list[str]) -> None:
    assert unteachable(["a", "b"], counts, total) == said


def test_three_are_named() -> None:
    [said] = unteachable(list("abcde"), [2] * 5, 2)
    assert said.startswith("on all 2 images: a, b, c, ...; ")
