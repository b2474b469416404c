"""--boundary, --sizes and what belongs to them: what they mean, and what is refused."""

from __future__ import annotations

import pytest

from wsss_cli.core.object_sizes import SizeLimits
from wsss_cli.errors import UsageError
from wsss_cli.options.outlines import OutlineOptions


def test_defaults_are_the_published_ones() -> None:
    options = OutlineOptions()
    assert (options.band, options.tolerance, options.limits()) == (0.02, 0.0075, None)


def test_numbers_of_their_own() -> None:
    options = OutlineOptions(boundary=True, boundary_band=0.0, boundary_tolerance=0.5)
    assert (options.band, options.tolerance) == (0.0, 0.5)


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("1024,9216", SizeLimits((1024, 9216))),
        (" 50 ", SizeLimits((50,))),
        ("1%,12.5 %", SizeLimits((0.01, 0.125), shares=True)),
    ],
)
def test_areas_are_pixels_or_shares(text: str, limits: SizeLimits) -> None:
    assert OutlineOptions(sizes=text).limits() == limits


@pytest.mark.parametrize(
    "text",
    ["", "9216,1024", "5,5", "0", "-1,3", "1%,20", "a", "1,,2", "nan", "inf", "100%", "1e999"],
)
def test_areas_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=f"--sizes {text}: needs areas that rise") as caught:
        OutlineOptions(sizes=text).limits()
    assert "1024,9216 (COCO's) or 1%,10%" in str(caught.value.hint)


@pytest.mark.parametrize("name", ["band", "tolerance"])
def test_numbers_without_boundary_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"--boundary-{name}: needs --boundary"):
        OutlineOptions(**{f"boundary_{name}": 0.1})  # type: ignore[arg-type]


def test_no_tolerance_matches_nothing_and_is_refused() -> None:
    with pytest.raises(UsageError, match="--boundary-tolerance 0: no outline is nearer"):
        OutlineOptions(boundary=True, boundary_tolerance=0)
