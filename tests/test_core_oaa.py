"""Accumulated attention: geometry there and back, what is kept, and IAM's loss."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from wsss_cli.core.oaa import Placing, attention, integral_loss, to_crop, to_image, trusted
from wsss_cli.core.tags import NOT_SAID
from wsss_cli.methods.train_cls.oaa.store import Accumulator, AttentionStore
from wsss_cli.methods.train_cls.oaa.writing import spread
from wsss_cli.nets.parameters import parameter_groups
from wsss_cli.training.attentive import placing_of
from wsss_cli.training.augment import Augment
from wsss_cli.training.schedule import Drop
from wsss_cli.training.team import Team

SIZE = (24, 36)


def colours(size: tuple[int, int]) -> np.ndarray:
    """An image whose red grows down and whose green grows to the right."""
    image = np.zeros((*size, 3), np.uint8)
    image[..., 0] = np.arange(size[0])[:, None] * 7
    image[..., 1] = np.arange(size[1]) * 7
    return image


@pytest.mark.parametrize("seed", range(6))
def test_maps_follow_the_pixels_there_and_back(seed: int) -> None:
    """What the crop shows and what `to_crop` makes of the image's planes are the same."""
    rng = np.random.default_rng(seed)
    augment = Augment(crop=32, factor=(0.8, 1.6))
    image = colours(SIZE)
    window = augment.window(SIZE, rng)
    placing = placing_of(SIZE, window)
    crop = augment.pixels(image, window, rng)[:2].float()
    planes = torch.from_numpy(image[..., :2].copy()).permute(2, 0, 1).float()
    placed = to_crop(planes, 1, placing, (32, 32), 1)
    (y, x), (h, w) = window.place, window.size
    inside = (slice(None), slice(y + 3, y + h - 3), slice(x + 3, x + w - 3))
    assert float((placed[inside] - crop[inside]).abs().max()) < 4  # of 7 a pixel
    outside = torch.ones(32, 32, dtype=torch.bool)
    outside[y : y + h, x : x + w] = False
    assert bool((placed[:, outside] == 0).all())
    back = to_image(placed, 1, placing, 1)
    seen = to_image(torch.ones(1, 32, 32), 1, placing, 1)[0] > 0
    assert float(seen.float().mean()) > 0.2
    core = F.max_pool2d(1 - seen[None].float(), 9, 1, 4)[0] == 0
    core[:4], core[-4:], core[:, :4], core[:, -4:] = False, False, False, False
    apart = (back - planes)[:, core].abs()
    assert apart.numel() == 0 or float(apart.max()) < 4
    assert Placing.of(placing.tensor()) == placing


def test_a_mirrored_crop_is_undone_exactly() -> None:
    maps = torch.rand(2, 3, 4)
    plain = Placing.whole((24, 32), (24, 32))
    assert torch.allclose(to_image(maps, 8, plain, 8), maps)
    mirrored = Placing(*plain.tensor().tolist()[:-1], 1)
    assert torch.allclose(to_image(maps.flip(-1), 8, mirrored, 8), maps)
    assert torch.allclose(to_crop(maps, 8, mirrored, (24, 32), 8), maps.flip(-1))


def test_a_map_that_responds_reaches_255_and_another_stays_0() -> None:
    maps = torch.stack([torch.randn(4, 5), -torch.ones(4, 5)])
    placing = Placing(24, 36, 30, 45, 3, 5, 27, 40, 5, 0, 1)
    found = attention(maps, 8, placing, 8)
    assert found.dtype == torch.uint8
    assert found.shape == (2, 3, 5)
    assert found.amax((1, 2)).tolist() == [255, 0]


def test_trusted_classes_are_among_as_many_top_scores() -> None:
    logits = torch.tensor([3.0, 1.0, 2.0, -1.0])
    assert trusted(logits, torch.tensor([0, 1])).tolist() == [True, False]
    assert trusted(logits, torch.tensor([3])).tolist() == [False]
    assert trusted(logits, torch.tensor([0, 1, 2])).tolist() == [True, True, True]


def store(latest: bool = False) -> AttentionStore:
    return AttentionStore([SIZE, SIZE], [np.array([0, 2]), np.array([1])], 8, latest)


def accumulator(kept: AttentionStore, **options: object) -> Accumulator:
    values = {"start": 1, "last": 3, "gate": False, "threshold": 0.6, "team": Team(), **options}
    return Accumulator(kept, lambda logits, batch, counts: logits.sum(), 8, **values)  # type: ignore[arg-type]


def step(keys: list[tuple[int, int]], maps: torch.Tensor) -> tuple[dict, dict]:
    placing = Placing.whole(SIZE, SIZE).tensor()
    batch = {
        "image": torch.ones(len(keys), 3, *SIZE),
        "key": torch.tensor(keys),
        "placing": placing.expand(len(keys), -1),
        "tags": torch.tensor([[1.0, 0, 1], [0, 1, 0]])[[index for _, index in keys]],
    }
    return {"logits": maps.mean((2, 3)), "maps": maps}, batch


def test_what_is_kept_is_the_maximum_in_any_order_from_the_second_epoch() -> None:
    torch.manual_seed(0)
    maps = {epoch: torch.randn(2, 3, 3, 5) for epoch in range(4)}
    results = []
    for order in itertools.permutations((1, 2, 3)):
        kept = store()
        running = accumulator(kept)
        before = kept.tensors["attention"].clone()
        for epoch in (0, *order):
            running.share(*step([(epoch, 0), (epoch, 1)], maps[epoch]), torch.tensor([2]))
            assert bool((kept.tensors["attention"] >= before).all())
            assert epoch > 0 or not kept.tensors["attention"].any()
            before = kept.tensors["attention"].clone()
        results.append(kept)
    assert all(torch.equal(r.tensors["attention"], before) for r in results)
    exact = torch.stack([m.double().relu() for m in maps.values()])[1:]
    exact = (exact / exact.amax((3, 4), keepdim=True)).amax(0)
    for index, classes in enumerate(([0, 2], [1])):
        found = results[0].maps(index).double() / 255
        assert float((found - exact[index, classes]).abs().max()) <= 1 / 255
        assert results[0].maps(index).amax((1, 2)).tolist() == [255] * len(classes)
    assert results[0].nbytes == 3 * 15


def test_the_gate_and_the_last_epoch() -> None:
    maps = torch.randn(1, 3, 3, 5)
    maps -= maps.mean((2, 3), keepdim=True)
    maps += torch.tensor([2.0, 1.0, 0.0])[:, None, None]  # image 0 holds classes 0 and 2
    kept = store()
    running = accumulator(kept, gate=True)
    running.share(*step([(1, 0)], maps), torch.tensor([1]))
    assert kept.missing(0).tolist() == [False, True]
    unsaid, (outputs, batch) = store(), step([(1, 0)], maps)
    batch["tags"][0, 1] = NOT_SAID  # it may be there as well, and takes no place of another
    accumulator(unsaid, gate=True).share(outputs, batch, torch.tensor([1]))
    assert unsaid.missing(0).tolist() == [False, False]
    first = kept.maps(0)[0].clone()
    running.share(*step([(3, 0)], maps.flip(-1)), torch.tensor([1]))
    assert kept.missing(0).tolist() == [False, False]
    assert bool((kept.maps(0)[0] >= first).all())


def test_what_was_attended_to_lately_is_hidden_from_marked_images() -> None:
    kept = store(latest=True)
    running = accumulator(kept)
    maps = torch.zeros(2, 3, 3, 5)
    maps[:, :, 1, 1] = 1
    outputs, batch = step([(1, 0), (1, 1)], maps)
    running.share(outputs, batch, torch.tensor([2]))
    _, batch = step([(2, 0), (2, 1)], maps)
    image = batch["image"]
    running.prepare({**batch, "drop": torch.tensor([False, False])})
    marked = {**batch, "drop": torch.tensor([True, False])}
    _, counts = running.prepare(marked)
    assert counts.tolist() == [2, 6]
    assert bool((image == 1).all())
    hidden = marked["image"][0, 0] == 0
    assert bool(hidden[10:14, 10:14].all())
    assert 16 <= int(hidden.sum()) < 100
    assert bool((marked["image"][1] == 1).all())
    assert kept.nbytes == 2 * 3 * 15


def plain_integral_loss(logits: np.ndarray, targets: np.ndarray) -> float:
    losses = []
    for x, t in zip(logits, targets, strict=True):
        s = 1 / (1 + np.exp(-x))
        sums = [
            [-b * np.log(a) for a, b in zip(s.flat, t.flat, strict=True) if b > 1e-3],
            [-np.log(1 - a + 1e-8) for a, b in zip(s.flat, t.flat, strict=True) if b <= 1e-3],
        ]
        losses.append(sum(float(np.mean(part)) for part in sums if part))
    return float(np.mean(losses))


def test_the_integral_loss() -> None:
    torch.manual_seed(1)
    logits = torch.randn(3, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    targets = torch.rand(3, 2, 3, 4, dtype=torch.float64) * (torch.rand(3, 2, 3, 4) < 0.5)
    targets[1] = 0
    targets[2] = 0.5
    found = integral_loss(logits, targets)
    assert found.item() == pytest.approx(
        plain_integral_loss(logits.detach().numpy(), targets.numpy())
    )
    assert torch.autograd.gradcheck(lambda x: integral_loss(x, targets), (logits,))
    parts = [integral_loss(logits[p], targets[p], torch.tensor(3)) for p in (slice(1), slice(1, 3))]
    assert sum(part.item() for part in parts) == pytest.approx(found.item())
    right = torch.where(targets > 1e-3, 50.0, -50.0)
    assert abs(integral_loss(right, targets).item()) < 1e-7
    open_ = targets.clone()
    open_[0, 1] = NOT_SAID
    unsaid = integral_loss(logits[:1], open_[:1])
    assert unsaid.item() == pytest.approx(integral_loss(logits[:1, :1], targets[:1, :1]).item())
    (gradient,) = torch.autograd.grad(unsaid, logits)
    assert (gradient[0, 1] == 0).all()
    assert (gradient[0, 0] != 0).all()
    twice = integral_loss(torch.cat([logits[:1]] * 2, 2), torch.cat([targets[:1]] * 2, 2))
    assert twice.item() == pytest.approx(integral_loss(logits[:1], targets[:1]).item())


def test_maps_stretched_and_the_published_recipe() -> None:
    maps = np.array([[[51, 102, 255]], [[7, 7, 7]]], np.uint8)
    assert spread(maps).tolist() == [[[0, 64, 255]], [[0, 0, 0]]]
    assert spread(maps[:0]).shape == (0, 1, 3)
    assert [round(Drop(15, warmup=1).factor(t), 3) for t in (0, 1, 10)] == [0.5, 1, 0.1]
    groups = parameter_groups(torch.nn.Conv2d(1, 1, 1), 1.0, 0.1, bias_decay=True)
    assert [(g["lr"], g["weight_decay"]) for g in groups] == [(10.0, 0.1), (20.0, 0.1)]
