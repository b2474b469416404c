"""Saliency maps of others: which there are, what they decide, what they are known by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wsss_cli.errors import WsssError
from wsss_cli.inference.saliency import SaliencyOptions


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"saliency_below": 0.1}, "there is no --saliency"),
        ({"saliency": Path("gone")}, "gone: no such folder"),
        ({"saliency": Path(), "saliency_below": 1.5}, "--saliency-below 1.5: must lie in 0..1"),
    ],
)
def test_saliency_that_is_none(options: dict[str, Any], said: str) -> None:
    with pytest.raises(WsssError, match=said):
        SaliencyOptions(**options).opened()
    assert SaliencyOptions().opened() is None
