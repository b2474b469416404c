"""SEC's and DSRG's loss as a whole: its targets, and parts that add up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from wsss_cli.core.crf import PRESETS
from wsss_cli.core.dsrg import grow_seeds
from wsss_cli.core.labels import IGNORE
from wsss_cli.core.meanfield import mean_field
from wsss_cli.core.sec import (
    balanced_seed_loss,
    boundary_loss,
    constrain_loss,
    expand_loss,
    floored,
    seed_loss,
    smoothed,
)
from wsss_cli.core.tags import NOT_SAID
from wsss_cli.training.losses import count_images
from wsss_cli.training.seeded import SeededLoss, thumbnail, to_cells

SEC = SeededLoss(("seed", "expand", "constrain"), False, crf=PRESETS["sec-train"])
DSRG = SeededLoss(("balanced", "boundary"), True, 0.4, 0.5, crf=PRESETS["sec-train"])
Sample = dict[str, Tensor]


def problem(images: int = 3, side: int = 44) -> tuple[Tensor, Sample]:
    """Logits (B, 4, side, side) and a batch on the grid of 6 x 6 cells."""
    rng = torch.Generator().manual_seed(3)
    logits = 2 * torch.randn(images, 4, 6, 6, generator=rng)
    large = torch.nn.functional.interpolate(logits, size=(side, side), mode="bilinear")
    label = torch.randint(0, 4, (images, 6, 6), generator=rng, dtype=torch.uint8)
    label[torch.rand(images, 6, 6, generator=rng) < 0.8] = IGNORE
    seen = torch.ones(images, 6, 6, dtype=torch.bool)
    seen[:, -1] = False
    label[~seen] = IGNORE
    tags = torch.tensor([[1.0, 1, 1], [1, 0, NOT_SAID], [0, 0, 0]])
    thumb = torch.randint(0, 256, (images, 3, 6, 6), generator=rng, dtype=torch.uint8)
    image = torch.zeros(images, 3, side, side)
    batch = {"image": image, "label": label, "seen": seen, "tags": tags[:images]}
    return large, {**batch, "thumb": thumb}


def test_sec_is_the_sum_of_its_terms() -> None:
    logits, batch = problem()
    f = smoothed(to_cells(logits, 8))
    q = torch.stack(
        [
            mean_field(batch["thumb"][b], f[b].log(), PRESETS["sec-train"], batch["seen"][b])
            for b in range(3)
        ]
    )
    seeds = torch.stack([batch["label"] == c for c in range(4)], 1)
    expected = (
        seed_loss(f, seeds)
        + expand_loss(f, batch["tags"], batch["seen"])
        + constrain_loss(f, floored(q), batch["seen"])
    )
    assert torch.isclose(SEC.share(logits, *count_images(batch)), expected.mean())


def test_dsrg_learns_from_grown_seeds() -> None:
    logits, batch = problem()
    f = smoothed(to_cells(logits, 8))
    seeds = torch.stack([batch["label"] == c for c in range(4)], 1)
    for scores in ("network", "crf"):
        loss = replace(DSRG, grow_scores=scores)
        found, q = loss.targets(f, batch)
        assert q is not None
        start = f if scores == "network" else loss._refined(f, batch)
        for b in range(3):
            grown = grow_seeds(
                start[b].numpy(),
                seeds[b].numpy(),
                np.append(True, (batch["tags"][b] == 1).numpy()),
                0.4,
                0.5,
                batch["seen"][b].numpy(),
            )
            assert np.array_equal(found[b].numpy(), grown)
        assert found.sum() > seeds.sum()
        expected = balanced_seed_loss(f, found) + boundary_loss(f, q, batch["seen"])
        assert torch.isclose(loss.share(logits, *count_images(batch)), expected.mean())
        shown = loss.supervision(logits, batch)
        assert torch.equal(shown != IGNORE, found.any(1))
        assert found.gather(1, shown[:, None].clamp(max=3).long())[:, 0][shown != IGNORE].all()


@pytest.mark.parametrize("loss", [SEC, DSRG], ids=["sec", "dsrg"])
def test_parts_add_up_to_the_whole_in_value_and_gradient(loss: SeededLoss) -> None:
    logits, batch = problem()
    results = []
    for parts in ([slice(0, 3)], [slice(0, 1), slice(1, 3)]):
        z = logits.clone().requires_grad_()
        count = torch.tensor([3])
        total = sum(loss.share(z[p], {k: v[p] for k, v in batch.items()}, count) for p in parts)
        total.backward()
        results.append((total.detach(), z.grad))
    (one, gradient), (other, summed) = results
    assert torch.isclose(one, other, rtol=1e-6)
    assert torch.allclose(gradient, summed, atol=1e-7)
    assert (gradient != 0).any()


def test_the_auxiliary_head_learns_from_the_main_ones_targets() -> None:
    logits, batch = problem()
    aux = logits.flip(1)
    loss = replace(DSRG, aux_weight=0.3)
    main = DSRG.share(logits, *count_images(batch))
    targets = DSRG.targets(smoothed(to_cells(logits, 8)), batch)
    other = DSRG.losses(smoothed(to_cells(aux, 8)), batch, *targets).mean()
    both = loss.share({"out": logits, "aux": aux}, *count_images(batch))
    assert torch.isclose(both, main + 0.3 * other)


def test_the_unary_from_probabilities_is_weak() -> None:
    logits, batch = problem()
    f = smoothed(to_cells(3 * logits, 8))
    batch["thumb"][:] = 100  # colours that tell nothing apart
    log, prob = (replace(DSRG, unary=unary)._refined(f, batch) for unary in ("log", "prob"))
    own = f.argmax(1)[:, :5]
    assert (log.argmax(1)[:, :5] == own).float().mean() > (
        (prob.argmax(1)[:, :5] == own).float().mean()
    )


def test_without_a_crf_the_network_grows_its_own_seeds() -> None:
    logits, batch = problem()
    loss = SeededLoss(("balanced",), True, 0.4, 0.5)
    seeds, q = loss.targets(smoothed(to_cells(logits, 8)), batch)
    assert q is None
    own = replace(DSRG, grow_scores="network").targets(smoothed(to_cells(logits, 8)), batch)[0]
    assert torch.equal(seeds, own)


def test_cells_are_means_of_their_pixels() -> None:
    values = torch.rand(1, 2, 11, 13)
    cells = to_cells(values, 4)
    assert cells.shape == (1, 2, 3, 4)
    assert torch.isclose(cells[0, 1, 0, 1], values[0, 1, :4, 4:8].mean())
    assert torch.isclose(cells[0, 1, 2, 3], values[0, 1, 8:, 12:].mean())
    image = torch.full((3, 5, 5), 200, dtype=torch.uint8)
    image[:, 4:] = 101
    small = thumbnail(image, 4)
    assert small.dtype == torch.uint8
    assert small[0].tolist() == [[200, 200], [101, 101]]
