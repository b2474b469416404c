"""How networks want the values of their images."""

from __future__ import annotations

import numpy as np
import pytest

from wsss_cli.core.normalisation import IMAGENET, Normalisation

HALF = Normalisation((0.5, 0.4, 0.3), (0.5, 0.25, 0.125))


def test_scale_and_shift_lead_from_one_to_another() -> None:
    rgb = np.random.default_rng(0).random((4, 3))
    before = (rgb - IMAGENET.mean) / IMAGENET.std
    scale, shift = HALF.change_from(IMAGENET)
    np.testing.assert_allclose(before * scale + shift, (rgb - HALF.mean) / HALF.std)
    assert IMAGENET.change_from(IMAGENET) == ((1, 1, 1), (0, 0, 0))


@pytest.mark.parametrize(
    ("mean", "std", "said"),
    [
        ((0.5, 0.5), (0.5, 0.5, 0.5), "mean"),
        ((0.5, 0.5, 1.5), (0.5, 0.5, 0.5), "mean"),
        ((0.5, 0.5, float("nan")), (0.5, 0.5, 0.5), "mean"),
        ((0.5, 0.5, 0.5), (0.5, 0.5, 0.0), "std"),
        ((0.5, 0.5, 0.5), (), "std"),
    ],
)
def test_what_is_no_normalisation(mean: tuple, std: tuple, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Normalisation(mean, std)
