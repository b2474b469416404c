"""The random walk beside the published dense formulation, in one run.

    python benchmarks/bench_walk.py --json walk.json

Dense: the N x N matrix of a^beta, normalised and squared eight times (256 steps), as the published
AffinityNet and IRNet code does. Its time at IRNet's size is eight times that of one squaring.
The oracle is a sparse float64 matrix applied 256 times, which shares no code with the stencil.
"""

from __future__ import annotations

import argparse
import json
import math
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse
import torch
import torch.nn.functional as F
from measuring import (
    finish,
    in_child,
    median_times,
    memory_now,
    memory_peak,
    one_time,
    options,
    report,
    target,
)
from torch import Tensor

from wsss_cli.core.affinity import feature_affinity, path_affinity
from wsss_cli.core.pairs import half_disk_offsets, pair_views
from wsss_cli.core.walk import random_walk

OFFSETS = half_disk_offsets(5)
SQUARINGS = 8
STEPS = 2**SQUARINGS
DEVICE = "cpu"


def smooth_noise(channels: int, h: int, w: int, seed: int) -> Tensor:
    """(channels, h, w) standard normal noise that varies over about eight cells."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(1, channels, -(-h // 8) + 1, -(-w // 8) + 1, generator=generator)
    return F.interpolate(coarse, size=(h, w), mode="bicubic", align_corners=False)[0]


def pair_indices(h: int, w: int) -> tuple[Tensor, Tensor]:
    """Flat indices of every pair's two cells, offset by offset."""
    grid = torch.arange(h * w).view(h, w)
    views = [pair_views(grid, offset) for offset in OFFSETS]
    return torch.cat([a.flatten() for a, _ in views]), torch.cat([b.flatten() for _, b in views])


def flat_pairs(affinity: Tensor) -> Tensor:
    """(pairs,) affinities in the order of `pair_indices`."""
    planes = zip(affinity, OFFSETS, strict=True)
    return torch.cat([pair_views(plane, offset)[0].flatten() for plane, offset in planes])


def dense_transition(values: Tensor, h: int, w: int, beta: float) -> Tensor:
    """D^-1 W as a float32 matrix."""
    one, other = pair_indices(h, w)
    weights = torch.eye(h * w, device=values.device)
    one, other = one.to(values.device), other.to(values.device)
    weights[one, other] = weights[other, one] = values**beta
    return weights.div_(weights.sum(1, keepdim=True))


def oracle(scores: Tensor, affinity: Tensor, beta: float) -> np.ndarray:
    """256 steps in float64 with a sparse matrix."""
    k, h, w = scores.shape
    one, other = (index.numpy() for index in pair_indices(h, w))
    values = flat_pairs(affinity.cpu()).double().numpy() ** beta
    upper = scipy.sparse.coo_array((values, (one, other)), shape=(h * w, h * w))
    weights = (upper + upper.T + scipy.sparse.eye_array(h * w)).tocsr()
    degree = weights.sum(axis=1)
    state = scores.cpu().flatten(1).double().numpy().T
    for _ in range(STEPS):
        state = (weights @ state) / degree[:, None]
    return state.T.reshape(k, h, w)


def agreement(walked: Tensor, exact: np.ndarray) -> dict[str, float]:
    found = walked.cpu().double().numpy()
    return {
        "argmax agreement": float((found.argmax(0) == exact.argmax(0)).mean()),
        "max error": float(np.abs(found - exact).max()),
    }


def row(case: str, method: str, seconds: tuple[float, float], **more: Any) -> dict[str, Any]:
    columns = {
        "case": case,
        "method": method,
        "seconds": seconds[0],
        "cpu seconds": seconds[1],
        "times faster": None,  # on a CPU by its seconds, which other work disturbs less
        "argmax agreement": None,
        "max error": None,
        "peak MB": None,
    }
    return columns | more


def compare(case: str, dense: dict[str, Any], fast: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for line in fast:
        key = "cpu seconds" if DEVICE == "cpu" else "seconds"
        line["times faster"] = dense[key] / line[key]
    return [dense, *fast]


def affinitynet(repeats: int) -> list[dict[str, Any]]:
    """47 x 63 cells (375 x 500 at stride 8), 448 features, beta 8, affinities included."""
    h, w, beta, case = 47, 63, 8, "AffinityNet 47x63"
    features = smooth_noise(448, h, w, 0).to(DEVICE)
    scores = smooth_noise(3, h, w, 1).sigmoid().to(DEVICE)
    flat = features.flatten(1)
    one, other = (index.to(DEVICE) for index in pair_indices(h, w))

    def dense() -> Tensor:
        values = torch.exp(-(flat[:, one] - flat[:, other]).abs().mean(0))
        transition = dense_transition(values, h, w, beta)
        for _ in range(SQUARINGS):
            transition = transition @ transition
        return (scores.flatten(1) @ transition.T).view_as(scores)

    def fast(k: int = len(scores)) -> Tensor:
        affinity = feature_affinity(features, OFFSETS)
        return random_walk(scores[:k], affinity, OFFSETS, beta=beta, steps=STEPS)

    affinity = feature_affinity(features, OFFSETS)
    exact = oracle(scores, affinity, beta)
    *slow, walked = one_time(dense, DEVICE)
    lines = [row(case, "dense, K=3", tuple(slow), **agreement(walked, exact))]
    *quick, walked = median_times(fast, repeats, DEVICE)
    rows = [row(case, "stencil, K=3", tuple(quick), **agreement(walked, exact))]
    *quick, _ = median_times(lambda: fast(1), repeats, DEVICE)
    rows.append(row(case, "stencil, K=1", tuple(quick)))
    *quick, _ = median_times(lambda: feature_affinity(features, OFFSETS), repeats, DEVICE)
    rows.append(row(case, "of which affinities", tuple(quick)))
    return compare(case, lines[0], rows)


def irnet(repeats: int, size: tuple[int, int]) -> list[dict[str, Any]]:
    """94 x 125 cells (375 x 500 at stride 4), beta 10, paths over boundaries included."""
    (h, w), beta = size, 10
    case = f"IRNet {h}x{w}"
    boundary = (2 * smooth_noise(1, h, w, 2)[0] - 1).sigmoid().to(DEVICE)
    scores = smooth_noise(3, h, w, 3).sigmoid().to(DEVICE) * (1 - boundary)

    def fast(k: int = len(scores)) -> Tensor:
        affinity = path_affinity(boundary, OFFSETS)
        return random_walk(scores[:k], affinity, OFFSETS, beta=beta, steps=STEPS)

    affinity = path_affinity(boundary, OFFSETS)
    exact = oracle(scores, affinity, beta)
    transition = dense_transition(flat_pairs(affinity), h, w, beta)
    square = partial(torch.matmul, transition, transition)
    if DEVICE != "cpu":
        square()  # loads the kernel
        finish(DEVICE)
    wall, cpu, _ = one_time(square, DEVICE)
    del transition  # half a gigabyte
    estimate = row(case, "dense, 8 x one squaring", (wall * SQUARINGS, cpu * SQUARINGS))
    *quick, walked = median_times(fast, repeats, DEVICE)
    rows = [row(case, "stencil, K=3", tuple(quick), **agreement(walked, exact))]
    *quick, _ = median_times(lambda: fast(1), repeats, DEVICE)
    rows.append(row(case, "stencil, K=1", tuple(quick)))
    return compare(case, estimate, rows)


def large_child(repeats: int) -> dict[str, Any]:
    """Time and peak memory of a 1500 x 2000 image at stride 4, K = 3, affinities included."""
    torch.set_num_threads(1)
    h, w = 375, 500
    boundary = (2 * smooth_noise(1, h, w, 4)[0] - 1).sigmoid().to(DEVICE)
    scores = smooth_noise(3, h, w, 5).sigmoid().to(DEVICE) * (1 - boundary)

    def fast(scores: Tensor, boundary: Tensor) -> Tensor:
        affinity = path_affinity(boundary, OFFSETS)
        return random_walk(scores, affinity, OFFSETS, beta=10, steps=STEPS)

    fast(scores[:, :9, :9].contiguous(), boundary[:9, :9])  # what torch loads on first use
    on_gpu = DEVICE != "cpu"
    baseline = torch.cuda.memory_allocated() if on_gpu else memory_now()
    *seconds, walked = median_times(lambda: fast(scores, boundary), repeats, DEVICE)
    peak = ((torch.cuda.max_memory_allocated() if on_gpu else memory_peak()) - baseline) / 1e6
    exact = oracle(scores, path_affinity(boundary, OFFSETS), 10)
    quality = agreement(walked, exact)
    return row("IRNet 375x500", "stencil, K=3", tuple(seconds), **quality, **{"peak MB": peak})


def summary(rows: list[dict[str, Any]], small: bool) -> list[dict[str, Any]]:
    """The targets, of three maps each."""
    psa, irn, large = (
        next(r for r in rows if r["case"].startswith(case) and r["method"] == "stencil, K=3")
        for case in ("AffinityNet", "IRNet 47x63" if small else "IRNet 94x125", "IRNet 375x500")
    )

    def check(row: dict[str, Any]) -> str:
        agree = f"argmax {100 * row['argmax agreement']:.2f} %"
        return f"{agree}, within {row['max error']:.0e} of float64"

    seconds = large["cpu seconds" if DEVICE == "cpu" else "seconds"]
    note = f"{seconds:.2f} s, {large['peak MB']:.0f} MB"
    irn_work = "walk, IRN geometry" + (" (small)" if small else "")
    return [
        target("walk, PSA geometry", psa["times faster"], 75, 400, check(psa)),
        target(irn_work, irn["times faster"], 2000, 5000, check(irn)),
        target("walk, 2000x1500, of 2 s", 2 / seconds, 1, 4, check(large), note),
        target("walk, 2000x1500, of 200 MB", 200 / large["peak MB"], 1, 1.25, check(large), note),
    ]


def main() -> None:
    global DEVICE
    parser = options(__doc__)
    parser.add_argument("--small", action="store_true", help="IRNet at 47x63: no large matrices")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    DEVICE = arguments.device
    if arguments.child:
        print(json.dumps(large_child(arguments.repeats)))
        return
    torch.set_num_threads(arguments.threads)
    size = (47, 63) if arguments.small else (94, 125)
    rows = affinitynet(arguments.repeats) + irnet(arguments.repeats, size)
    common = ["--repeats", str(arguments.repeats), "--device", DEVICE]
    rows.append(in_child(__file__, "--child", *common))
    worst = max(line["max error"] or 0 for line in rows if line["method"].startswith("stencil"))
    if not math.isfinite(worst) or worst > 1e-4:
        raise SystemExit(f"the walk is off by {worst:.1e}, more than 1e-4")
    report(rows, arguments.threads, arguments.json, summary(rows, arguments.small))


if __name__ == "__main__":
    main()
