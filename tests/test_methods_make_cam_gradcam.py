"""make-cam --method gradcam: features by the means of their gradients; ours give CAM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from made import contents, wsss

from wsss_cli.artifacts import CAM, open_artifact


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
