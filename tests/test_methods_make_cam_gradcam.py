"""make-cam --method gradcam: features by the means of their gradients; ours give CAM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from made import contents, wsss
from test_inference_gradients import maps_of, weights

from wsss_cli.artifacts import CAM, open_artifact
from wsss_cli.methods.make_cam.gradcam import CARD

__all__ = ["weights"]  # a fixture


def test_gradcam_of_our_network_is_cam(weights: Path, tiny_data: Path) -> None:
    folder = tiny_data.parent
    assert wsss("make-cam", "-w", weights, "-o", folder / "cam.h5").exit_code == 0
    result = wsss("make-cam", "-w", weights, "-o", folder / "grad.h5", "--method", "gradcam")
    assert result.exit_code == 0, result.stderr
    cams, grads = contents(folder / "cam.h5"), contents(folder / "grad.h5")
    for image_id, item in cams.items():
        assert np.array_equal(item["classes"], grads[image_id]["classes"])
        np.testing.assert_allclose(grads[image_id]["cam"], item["cam"], atol=2e-3)
    with open_artifact(folder / "grad.h5", CAM) as maps:
        assert (maps.params["method"], maps.params["layer"]) == ("gradcam", "backbone.stage4")
    with open_artifact(folder / "cam.h5", CAM) as maps:
        assert "method" not in maps.params


def test_features_are_weighted_by_the_sums_of_their_gradients() -> None:
    """Of class 0 these are 2 and -2: 2 A_0 - 2 A_1, where that is above 0."""
    assert CARD.name == "gradcam"
    found = maps_of(CARD)
    np.testing.assert_allclose(found[0], [[0, 4], [0, 0]], atol=1e-6)
    np.testing.assert_allclose(found[1], [[5, 2], [2, 3]], atol=1e-6)  # A_0 + 2 A_1
    np.testing.assert_allclose(maps_of(CARD, torch.tensor([1])), found[1:], atol=1e-6)
