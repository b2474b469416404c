"""The pair losses beside the published formulation that gathers every pair, forward and backward.

    python benchmarks/bench_pairs.py --json pairs.json

Each line runs in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import math
from functools import cache
from typing import Any

import torch
from measuring import in_child, median_times, memory_now, memory_peak, options, report, target
from torch import Tensor

from wsss_cli.core.affinity import affinity_loss_psa, boundary_loss_irn
from wsss_cli.core.labels import IGNORE
from wsss_cli.core.pairs import half_disk_offsets, pair_views, path_cells

BATCH = 2
DEVICE = torch.device("cpu")


def labels_of(side: int) -> Tensor:
    """(BATCH, side, side) uint8 in blocks of 8 cells: background, two classes, unlabelled."""
    choices = torch.tensor([0, 0, 1, 2, IGNORE], dtype=torch.uint8)
    blocks = torch.randint(0, 5, (BATCH, -(-side // 8), -(-side // 8)))
    return choices[blocks].repeat_interleave(8, 1).repeat_interleave(8, 2)[:, :side, :side]


@cache
def pair_indices(side: int, radius: int) -> tuple[Tensor, Tensor, Tensor]:
    """Flat indices of every pair's two cells, (P,), and its offset, (P, 2)."""
    grid = torch.arange(side * side).view(side, side)
    one, other, offsets = [], [], []
    for offset in half_disk_offsets(radius):
        here, there = pair_views(grid, offset)
        one.append(here.flatten())
        other.append(there.flatten())
        offsets.append(torch.tensor([offset]).expand(here.numel(), 2))
    return torch.cat(one).to(DEVICE), torch.cat(other).to(DEVICE), torch.cat(offsets).to(DEVICE)


def mean_over(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum() / (mask.sum() + 1e-5)


def kinds(labels: Tensor, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Float masks of background, one-class and different pairs, as a data loader would ship."""
    a, b = labels.flatten(1)[:, one], labels.flatten(1)[:, other]
    valid, same = (a != IGNORE) & (b != IGNORE), a == b
    masks = valid & same & (a == 0), valid & same & (a != 0), valid & ~same
    return masks[0].float(), masks[1].float(), masks[2].float()


def gathered_psa(features: Tensor, labels: Tensor) -> Tensor:
    one, other, _ = pair_indices(features.shape[-1], 5)
    flat = features.flatten(2)
    a = torch.exp(-(flat[..., one] - flat[..., other]).abs().mean(1))
    background, foreground, different = kinds(labels, one, other)
    near, far = -torch.log(a + 1e-5), -torch.log(1 + 1e-5 - a)
    alike = mean_over(near, background) + mean_over(near, foreground)
    return alike / 4 + mean_over(far, different) / 2


@cache
def path_indices(side: int) -> tuple[Tensor, ...]:
    """For each offset, (cells, P) flat indices of the cells on its pairs' paths."""
    grid, paths = torch.arange(side * side).view(side, side), []
    for dy, dx in half_disk_offsets(10):
        source = pair_views(grid, (dy, dx))[0].flatten()
        cells = torch.tensor([y * side + x for y, x in path_cells((dy, dx))])
        paths.append((source[None] + cells[:, None]).to(DEVICE))
    return tuple(paths)


def gathered_irn(boundary: Tensor, displacement: Tensor, labels: Tensor) -> Tensor:
    side = boundary.shape[-1]
    flat = boundary.flatten(1)
    a = torch.cat([1 - flat[:, path].amax(1) for path in path_indices(side)], 1)
    one, other, offsets = pair_indices(side, 10)
    background, foreground, different = kinds(labels, one, other)
    near, far = -torch.log(a + 1e-5), -torch.log(1 + 1e-5 - a)
    apart = displacement.flatten(2)[..., one] - displacement.flatten(2)[..., other]
    centre = mean_over((apart - offsets.T).abs().sum(1), foreground) / 2
    centre = centre + mean_over(apart.abs().sum(1), background) / 2
    edges = (mean_over(near, background) + mean_over(near, foreground)) / 2
    return (edges + mean_over(far, different) + centre) / 2


def measure(case: str, repeats: int, threads: int, device: str) -> dict[str, Any]:
    global DEVICE
    DEVICE = torch.device(device)
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    network, form = case.split()
    if network == "AffinityNet":
        inputs = [torch.randn(BATCH, 448, 56, 56, requires_grad=True)]
        labels = labels_of(56)
    else:
        boundary = (2 * torch.randn(BATCH, 1, 128, 128) - 2).sigmoid()
        inputs = [boundary.requires_grad_(), torch.randn(BATCH, 2, 128, 128, requires_grad=True)]
        labels = labels_of(128)
    inputs = [tensor.detach().to(DEVICE).requires_grad_() for tensor in inputs]
    labels = labels.to(DEVICE)

    def loss() -> Tensor:
        if network == "AffinityNet":
            gathered = form == "gathered"
            return (gathered_psa if gathered else ours_psa)(inputs[0], labels)
        return (gathered_irn if form == "gathered" else ours_irn)(*inputs, labels)

    def step() -> tuple[float, float]:
        value = loss()
        slopes = torch.autograd.grad(value, inputs)
        return value.item(), sum(slope.abs().sum().item() for slope in slopes)

    baseline = torch.cuda.memory_allocated() if DEVICE.type == "cuda" else memory_now()
    wall, cpu, (value, slope) = median_times(step, repeats, device)
    peak = torch.cuda.max_memory_allocated() if DEVICE.type == "cuda" else memory_peak()
    return {
        "case": f"{network}, batch {BATCH}",
        "form": form,
        "seconds": wall,
        "cpu seconds": cpu,
        "peak MB": (peak - baseline) / 1e6,
        "loss": round(value, 6),
        "sum |gradient|": round(slope, 5),
    }


def ours_psa(features: Tensor, labels: Tensor) -> Tensor:
    return affinity_loss_psa(features, labels, 5).total


def ours_irn(boundary: Tensor, displacement: Tensor, labels: Tensor) -> Tensor:
    return boundary_loss_irn(boundary, displacement, labels, 10).total


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        print(json.dumps(measure(given.case, given.repeats, given.threads, given.device)))
        return
    common = ["--repeats", str(given.repeats), "--threads", str(given.threads)]
    common += ["--device", given.device]
    cases = [
        f"{net} {form}" for net in ("AffinityNet", "IRNet") for form in ("gathered", "shifted")
    ]
    rows = [in_child(__file__, "--case", case, *common) for case in cases]
    targets = []
    for gathered, shifted in zip(rows[::2], rows[1::2], strict=True):
        for key in ("loss", "sum |gradient|"):
            if not math.isclose(gathered[key], shifted[key], rel_tol=1e-4):
                raise SystemExit(f"{gathered['case']}: {key} differs between the two forms")
        name = gathered["case"].split(",")[0]
        kind = "seconds" if given.device != "cpu" else "cpu seconds"
        check = "loss and gradient equal to 1e-4"
        for what, key, least in (("time", kind, 5), ("memory", "peak MB", 10)):
            ratio = gathered[key] / shifted[key]
            targets.append(target(f"{name} loss and labels, {what}", ratio, least, None, check))
    report(rows, given.threads, given.json, targets)


if __name__ == "__main__":
    main()
