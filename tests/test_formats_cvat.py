"""pack of CVAT for images 1.1."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from samples import compare, packed, truth_of

from wsss_cli.core.filling import filled


@pytest.mark.parametrize("source", [".", "annotations.xml", "export.zip"])
def test_what_the_server_writes(source: str, tmp_path: Path) -> None:
    if source.endswith(".zip"):
        pytest.importorskip("wsss_cli.artifacts.zips")
    data = packed("cvat_server", tmp_path / "d.h5", "--fill-boxes", source=source)
    turned = truth_of("cvat_server")["images"]["images/img_0001.png"]["rotated_boxes"][0]["corners"]
    extra = filled([np.array(turned)], (48, 64))
    compare("cvat_server", data, skip=("splits",), unsaid={"images/img_0001": extra})
    found = next(one for one in data.marks("images/img_0001") or () if one.kind == 3)
    assert np.allclose(found.xy, turned, atol=0.01)
