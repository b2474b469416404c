"""Bytes of maps on disk: an artifact beside full-resolution float32 in .npy files.

    python benchmarks/bench_disk.py --json disk.json

Plain, as PSA saves them: a pickled dict of the present classes' maps, (H, W) float32 each.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from made import SIZE, class_maps
from measuring import options, report, target

from wsss_cli.artifacts import CAM, create, open_artifact
from wsss_cli.core.cam import dequantise, normalise, quantise
from wsss_cli.core.grid import grid_size, upsample_grid

IMAGES = 60
STRIDE = 4


def grid_maps(maps: torch.Tensor) -> torch.Tensor:
    """What `fuse_views` gives where these are the maps at full resolution."""
    size = grid_size(*SIZE, STRIDE)
    padded = F.pad(maps, (0, -SIZE[1] % STRIDE, 0, -SIZE[0] % STRIDE), mode="replicate")
    small = F.interpolate(padded[None], size=size, mode="bilinear", align_corners=False)[0]
    return normalise(small)


def main() -> None:
    arguments = options(__doc__).parse_args()
    torch.set_num_threads(arguments.threads)
    counts = np.random.default_rng(0).choice([1, 2, 3], IMAGES, p=[0.6, 0.3, 0.1])  # VOC: 1.46
    ids = [f"img_{i:04d}" for i in range(IMAGES)]
    full = [class_maps(int(k), SIZE, i) for i, k in enumerate(counts)]
    small = [grid_maps(maps) for maps in full]
    rows: list[dict[str, Any]] = []
    targets = []
    with tempfile.TemporaryDirectory() as folder:
        plain = 0
        for image_id, maps in zip(ids, full, strict=True):
            path = Path(folder) / f"{image_id}.npy"
            np.save(path, dict(enumerate(maps.numpy())), allow_pickle=True)  # type: ignore[arg-type]
            plain += path.stat().st_size
        rows.append({"form": "float32 .npy at full resolution", "bytes an image": plain / IMAGES})
        for dtype, least, aim in (("float16", 40, None), ("uint8", 40, 75)):
            path = Path(folder) / f"{dtype}.h5"
            params = {"stride": STRIDE}
            with create(path, CAM, classes=["x"] * 20, params=params, ids=ids) as out:
                for i in range(IMAGES):
                    out.put(
                        ids[i],
                        cam=quantise(small[i], dtype),
                        classes=np.arange(counts[i], dtype=np.uint16),
                        size=np.array(SIZE, np.int32),
                    )
            with open_artifact(path, CAM) as cam:
                stored = [dequantise(cam[image_id]["cam"]) for image_id in ids]
            off = max((a - b).abs().max().item() for a, b in zip(stored, small, strict=True))
            shown = max(
                (upsample_grid(a, SIZE, STRIDE) - b).abs().max().item()
                for a, b in zip(stored, full, strict=True)
            )
            ratio = plain / path.stat().st_size
            rows.append(
                {
                    "form": f"{dtype} at stride {STRIDE}",
                    "bytes an image": path.stat().st_size / IMAGES,
                    "times smaller": ratio,
                    "error of storing": off,
                    "error at full resolution": shown,
                }
            )
            check = f"stored within {off:.1e}, at full resolution within {shown:.2f}"
            targets.append(target(f"maps on disk, {dtype}", ratio, least, aim, check))
    report(rows, arguments.threads, arguments.json, targets)


if __name__ == "__main__":
    main()
