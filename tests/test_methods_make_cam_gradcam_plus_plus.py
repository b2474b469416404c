"""make-cam --method gradcam++: features by positive gradients, each by its share."""

from __future__ import annotations

import numpy as np
from test_inference_gradients import maps_of

from wsss_cli.methods.make_cam import CARDS
from wsss_cli.methods.make_cam.gradcam_plus_plus import CARD


def test_features_are_weighted_by_shares_of_positive_gradients() -> None:
    """By hand: a feature of sum 4 whose gradients are g has the weight sum of g / (2 + 4 g).

    Of class 0 feature 1 has no gradient above 0. Feature 0 has 1/2, 1, 0, 1/2: 1/8 + 1/6 + 1/8.
    Of class 1 feature 0 has half of these, 1/4, 1/2, 0, 1/4: 1/12 + 1/8 + 1/12 = 7/24, and feature
    1 has 1, 0, 1/2, 1/2: 1/6 + 1/8 + 1/8 = 5/12.
    """
    found = maps_of(CARD)
    a, b = np.array([[1, 2], [0, 1]]), np.array([[2, 0], [1, 1]])
    np.testing.assert_allclose(found[0], 5 / 12 * a, atol=1e-6)
    np.testing.assert_allclose(found[1], 7 / 24 * a + 5 / 12 * b, atol=1e-6)


def test_it_goes_by_its_published_name() -> None:
    assert CARD.name == "gradcam++"
    assert CARD.any_network
    assert "WACV 2018" in CARD.source
    assert CARD in CARDS
