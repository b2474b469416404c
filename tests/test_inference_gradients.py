"""Class maps by gradients at a layer: what is recorded of it, and which networks serve."""

from __future__ import annotations

from pathlib import Path

import pytest
from made import contents, same, wsss


@pytest.mark.parametrize("method", ["gradcam++", "layercam"])
def test_an_earlier_layer_and_shards(weights: Path, tiny_data: Path, method: str) -> None:
    folder = tiny_data.parent
    command = ["make-cam", "-w", weights, "--method", method, "--layer", "backbone.stage3"]
    assert wsss(*command, "-o", folder / "all.h5").exit_code == 0
    parts = []
    for part in (1, 2):
        parts.append(folder / f"{part}.h5")
        result = wsss(*command, "-o", parts[-1], "--shard", f"{part}/2", "--workers", part)
        assert result.exit_code == 0, result.stderr
    assert wsss("merge", *parts, "-o", folder / "merged.h5").exit_code == 0
    same(folder / "all.h5", folder / "merged.h5")
    assert contents(folder / "all.h5")["a/3"]["cam"].max() > 0.9
