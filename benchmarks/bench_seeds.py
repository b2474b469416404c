"""Seeds with a CRF for a whole data set: two processes beside one.

    python benchmarks/bench_seeds.py --json seeds.json

Plain, as PSA's code: one process, for each image a CRF of its own for either alpha. Ours: the
workers of `make-seeds --method psa`, which share an image's lattice between both alphas. Workers
are started and have imported everything before the clock starts, as over a whole data set.
"""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from made import SIZE, class_maps, jpeg, photograph
from measuring import options, report, target

from wsss_cli.artifacts import CAM, DATASET, create, open_artifact, open_dataset
from wsss_cli.core.cam import background_score, dequantise, quantise
from wsss_cli.core.crf import PRESETS, dense_crf, unary_from_scores
from wsss_cli.core.grid import upsample_grid
from wsss_cli.core.labels import label_of_class
from wsss_cli.core.seeds.defaults import PSA_ALPHA_HIGH, PSA_ALPHA_LOW
from wsss_cli.inference.seeding import SeedMaker
from wsss_cli.machine.pool import WorkerPool
from wsss_cli.methods.make_seeds.psa import rule

IMAGES, STRIDE = 8, 4
CLASSES = [f"class{i}" for i in range(20)]
SETTINGS = {"alpha_low": PSA_ALPHA_LOW, "alpha_high": PSA_ALPHA_HIGH}


def write_inputs(folder: Path) -> tuple[Path, Path]:
    """A data set and its maps."""
    ids = [f"img_{i}" for i in range(IMAGES)]
    data, cam = folder / "data.h5", folder / "cam.h5"
    tags = {ids[i]: np.array([i, i + 3][: 1 + i % 2], np.uint16) for i in range(IMAGES)}
    size = np.array(SIZE, np.int32)
    with create(data, DATASET, classes=CLASSES, params={}, ids=ids) as out:
        for i, image_id in enumerate(ids):
            encoded = np.frombuffer(jpeg(photograph(i)), np.uint8)
            out.put(image_id, image=encoded, tags=tags[image_id], size=size)
    with create(cam, CAM, classes=CLASSES, params={"stride": STRIDE}, ids=ids) as out:
        for i, image_id in enumerate(ids):
            grid = -(-SIZE[0] // STRIDE), -(-SIZE[1] // STRIDE)
            maps = class_maps(len(tags[image_id]), grid, i)
            out.put(image_id, cam=quantise(maps, "float16"), classes=tags[image_id], size=size)
    return data, cam


def plain_seeds(image: np.ndarray, cam: torch.Tensor, classes: np.ndarray) -> np.ndarray:
    """Classes where the low alpha has them, background where the high one has."""
    found = []
    for alpha in (PSA_ALPHA_LOW, PSA_ALPHA_HIGH):
        scores = torch.cat([background_score(cam, alpha)[None], cam]).numpy()
        found.append(dense_crf(image, unary_from_scores(scores), PRESETS["psa"]).argmax(0))
    low, high = found
    names = np.concatenate([[0], label_of_class(classes)]).astype(np.uint8)
    label = names[low]
    label[low == 0] = 255
    label[high == 0] = 0
    return label


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--workers", type=int, default=2, help="processes (default 2)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        data_path, cam_path = write_inputs(Path(folder))
        with open_artifact(cam_path, CAM) as maps, open_dataset(data_path) as data:
            ids = maps.ids

            def plain() -> dict[str, np.ndarray]:
                found = {}
                for image_id in ids:
                    item = maps[image_id]
                    cam = upsample_grid(dequantise(item["cam"]), SIZE, STRIDE)
                    found[image_id] = plain_seeds(data.image(image_id), cam, item["classes"])
                return found

            maker = SeedMaker(maps, data, partial(rule, refinement=PRESETS["psa"], **SETTINGS))
            slow, fast = [], []
            with WorkerPool(maker, arguments.workers) as pool:
                jobs = [(image_id,) for image_id in ids]
                list(pool.map(jobs))  # imports, opens files
                for _ in range(arguments.repeats):
                    began = time.perf_counter()
                    expected = plain()
                    middle = time.perf_counter()
                    found = {key: item["label"] for key, item in pool.map(jobs)}
                    slow.append(middle - began)
                    fast.append(time.perf_counter() - middle)
    same = float(np.mean([(found[key] == expected[key]).mean() for key in ids]))
    one, many = float(np.median(slow)), float(np.median(fast))
    rows: list[dict[str, Any]] = [
        {"form": "one process, a CRF an alpha", "seconds an image": one / IMAGES},
        {
            "form": f"{arguments.workers} workers, shared lattices",
            "seconds an image": many / IMAGES,
            "times faster": one / many,
            "labels agree": same,
        },
    ]
    if same < 1:
        raise SystemExit(f"only {same:.4%} of the labels agree")
    targets = [target("seeds with CRF", one / many, 1.8, None, "labels equal")]
    report(rows, 1, arguments.json, targets)


if __name__ == "__main__":
    main()
