"""make-cam --method layercam: features weighted by their own positive gradients."""

from __future__ import annotations

import numpy as np
import pytest
from test_inference_gradients import Squares, image, maps_of

from wsss_cli.inference.gradients import Gradients
from wsss_cli.methods.make_cam import CARDS
from wsss_cli.methods.make_cam.layercam import CARD


def test_features_are_weighted_place_by_place() -> None:
    """Four cells times gradient times feature: twice the weight times the feature squared."""
    found = maps_of(CARD)
    a, b = np.array([[1, 4], [0, 1]]), np.array([[4, 0], [1, 1]])  # squared
    np.testing.assert_allclose(found[0], 2 * a, atol=1e-6)  # feature 1 counts against class 0
    np.testing.assert_allclose(found[1], a + 2 * b, atol=1e-6)


def test_an_earlier_layer_gives_finer_maps_of_the_same_image() -> None:
    model, record = CARD.look(Squares().eval(), None, Gradients(layer="whole"))
    maps = model.seen(image())[0][0].numpy()
    assert record == {"method": "layercam", "layer": "whole"}
    coarse = maps_of(CARD)
    assert maps.shape == (2, 4, 4)
    # a pixel's gradient is a quarter of its cell's, and there are four times as many
    np.testing.assert_allclose(maps, coarse.repeat(2, 1).repeat(2, 2), atol=1e-6)


def test_it_goes_by_its_published_name() -> None:
    assert (CARD.name, CARD.any_network) == ("layercam", True)
    assert "TIP 2021" in CARD.source
    assert CARD in CARDS
    with pytest.raises(ValueError, match="gives no map of cells"):
        CARD.look(Squares().eval(), None, Gradients(layer="nowhere"))
