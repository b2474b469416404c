"""How images are looked at and on what: options that are checked once and recorded once."""

from __future__ import annotations

import pytest

from wsss_cli.errors import UsageError
from wsss_cli.options.looking import MAX_SIDE, Looking, Views, parse_scales


def test_options_become_numbers() -> None:
    assert Looking().views() == Views((0.5, 1.0, 1.5, 2.0), True, MAX_SIDE)
    looking = Looking(scales="1, 0.25", flip=False, max_side=0)
    assert looking.views(lambda: pytest.fail("there is one")) == Views((1.0, 0.25), False, 0)
    assert Looking(max_side=None).views(lambda: 77).max_side == 77


def test_views_record_all_that_they_are() -> None:
    assert Views((1.0,), False, 9).record() == {"scales": (1.0,), "flip": False, "max_side": 9}


@pytest.mark.parametrize("scales", ["", "0", "1,x", "17", "nan", "1,1.0"])
def test_scales_that_are_none_are_refused_where_they_stand(scales: str) -> None:
    with pytest.raises(UsageError, match=f"--scales {scales}: "):
        Looking(scales=scales)
    with pytest.raises(UsageError, match="--cam-scales"):
        parse_scales(scales, "--cam-scales")
