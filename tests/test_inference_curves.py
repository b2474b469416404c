"""Insertion and deletion against a plain loop over steps and pixels, and what must always hold."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from wsss_cli.core.faithfulness import blurred, order_ranks, step_bounds
from wsss_cli.inference.curves import Grounds, answers, curves, shown_scores
from wsss_cli.machine.place import Place

CPU = Place(torch.device("cpu"))
SIZE = (9, 12)
CONSTANT = 0.375


def looker(seed: int = 0) -> Callable[[Tensor], Tensor]:
    """A classifier of three classes: a constant one, and two that see different pixels."""
    generator = torch.Generator().manual_seed(seed)
    seen = torch.randn((2, 3, *SIZE), generator=generator)

    def score(pictures: Tensor) -> Tensor:
        found = torch.einsum("bchw,kchw->bk", pictures, seen) / 20
        return torch.cat([torch.full((len(pictures), 1), CONSTANT), found.sigmoid()], dim=1)

    return score


def photograph(seed: int = 1) -> Tensor:
    return torch.randn((1, 3, *SIZE), generator=torch.Generator().manual_seed(seed))


def orders(count: int, seed: int = 2) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [order_ranks(rng.random(SIZE), rng) for _ in range(count)]


def plain_curve(
    start: np.ndarray, end: np.ndarray, ranks: np.ndarray, steps: int
) -> list[np.ndarray]:
    """The scores of each picture, one pixel after the other going from start to end."""
    picture, found = start.copy(), []
    places = sorted(np.ndindex(*ranks.shape), key=lambda at: ranks[at])
    for count in range(len(places) + 1):
        if count in step_bounds(len(places), steps):
            found.append(looker()(torch.from_numpy(picture[None]).float())[0].numpy())
        if count < len(places):
            y, x = places[count]
            picture[:, y, x] = end[:, y, x]
    return found


@pytest.mark.parametrize("steps", [1, 4, 7])
@pytest.mark.parametrize("substrates", [("mean", "blurred"), ("blurred", "mean")])
def test_curves_equal_a_loop(steps: int, substrates: tuple[str, str]) -> None:
    image, ranks = photograph(), orders(2)
    other = {"mean": torch.zeros_like(image), "blurred": blurred(image)}
    found = curves(Grounds.of(image, *substrates), ranks, steps, looker(), CPU, 5)
    whole = image[0].numpy()
    deleted, unseen = (other[name][0].numpy() for name in substrates)
    for index, own in enumerate(ranks):
        for (start, end), curve in zip(((whole, deleted), (unseen, whole)), found, strict=True):
            np.testing.assert_allclose(curve[index], plain_curve(start, end, own, steps), rtol=1e-5)


def test_curves_meet_where_they_must() -> None:
    image, ranks = photograph(), orders(3)
    deletion, insertion = curves(Grounds.of(image, "mean", "blurred"), ranks, 6, looker(), CPU, 4)
    clean = looker()(image)[0].numpy()
    for index in range(3):
        np.testing.assert_allclose(deletion[index, 0], clean, rtol=1e-6)
        np.testing.assert_allclose(insertion[index, -1], clean, rtol=1e-6)
    other, _ = curves(Grounds.of(photograph(9), "mean", "mean"), ranks, 6, looker(), CPU, 4)
    assert np.array_equal(deletion[:, -1], other[:, -1])  # nothing of the photograph is left
    assert np.all(deletion[..., 0] == CONSTANT)
    assert np.all(insertion[..., 0] == CONSTANT)


def test_what_is_deleted_last_is_inserted_first_in_the_opposite_order() -> None:
    image = photograph()
    (ranks,) = orders(1)
    opposite = (ranks.size - 1 - ranks).astype(np.int32)
    steps = 12  # which divides the pixels
    grounds = Grounds.of(image, "mean", "mean")
    deletion, insertion = curves(grounds, [ranks, opposite], steps, looker(), CPU, 8)
    for one, other in ((0, 1), (1, 0)):
        np.testing.assert_allclose(insertion[one], deletion[other, ::-1], rtol=1e-5)


@pytest.mark.parametrize("at_once", [1, 3, 100])
def test_batches_change_nothing(at_once: int) -> None:
    grounds, ranks = Grounds.of(photograph(), "mean", "blurred"), orders(2)
    one = curves(grounds, ranks, 5, looker(), CPU, 7)
    two = curves(grounds, ranks, 5, looker(), CPU, at_once)
    for left, right in zip(one, two, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-6)


def test_what_a_map_shows_is_mixed_with_the_substrate() -> None:
    image, rng = photograph(), np.random.default_rng(3)
    weights = rng.random((4, *SIZE)).astype(np.float32)
    for substrate, ground in {"mean": torch.zeros_like(image), "blurred": blurred(image)}.items():
        grounds = Grounds.of(image, substrate, "mean")
        found = shown_scores(grounds, weights, looker(), CPU, 3)
        for row, weight in zip(found, torch.from_numpy(weights), strict=True):
            mixed = image * weight + ground * (1 - weight)
            np.testing.assert_allclose(row, looker()(mixed)[0].numpy(), rtol=1e-5)


def told(maps: np.ndarray, classes: list[int], seed: int = 0) -> list[dict[str, float]]:
    grounds = Grounds.of(photograph(), "mean", "blurred")
    rng = np.random.default_rng(seed)
    return answers(grounds, maps, classes, 6, looker(), 4, CPU, 8, rng)


def test_answers_of_each_map_are_of_its_own_class_and_order() -> None:
    rng = np.random.default_rng(4)
    maps = rng.random((2, *SIZE)).astype(np.float32)
    first, second = told(maps, [2, 1])
    both = Grounds.of(photograph(), "mean", "blurred")
    for row, one, index in ((first, maps[0], 2), (second, maps[1], 1)):
        ranks = order_ranks(one, rng)  # no ties: the same whatever the draws
        deletion, insertion = curves(both, [ranks], 6, looker(), CPU, 8)
        for name, curve in (("deletion", deletion), ("insertion", insertion)):
            scores = curve[0, :, index].astype(np.float64)
            area = (scores[0] / 2 + scores[1:-1].sum() + scores[-1] / 2) / 6
            assert row[name] == pytest.approx(area, rel=1e-5)
        assert row["score"] == pytest.approx(float(looker()(photograph())[0, index]), rel=1e-6)
        assert row["score_deleted"] == pytest.approx(0.5)  # of a picture of zeros
        assert row["coverage"] == pytest.approx(float(one.mean()), rel=1e-6)
        shown = looker()(photograph() * torch.from_numpy(one))[0, index]
        assert row["drop"] == pytest.approx(max(0, 1 - float(shown) / row["score"]), abs=1e-5)
        assert row["increase"] is bool(shown > row["score"])


def test_a_constant_score_is_its_own_area_and_never_drops() -> None:
    (row,) = told(np.random.default_rng(5).random((1, *SIZE)).astype(np.float32), [0])
    for end in ("", "_random", "_centre"):
        assert row[f"insertion{end}"] == row[f"deletion{end}"] == CONSTANT
        assert (row[f"drop{end}"], row[f"increase{end}"]) == (0, False)


def test_a_map_that_shows_all_drops_nothing_and_raises_nothing() -> None:
    for row in told(np.ones((2, *SIZE), np.float32), [1, 2]):
        assert row["drop"] == pytest.approx(0, abs=1e-6)
        assert (row["increase"], row["coverage"]) == (False, 1)


def test_the_orders_without_a_map_are_those_of_the_seed_and_shared_by_classes() -> None:
    maps = np.random.default_rng(6).random((2, *SIZE)).astype(np.float32)
    one, again, other = told(maps, [1, 1]), told(maps, [1, 1]), told(maps, [1, 1], seed=1)
    assert one == again
    assert one[0]["deletion_random"] == one[1]["deletion_random"] != other[0]["deletion_random"]
    assert one[0]["insertion_centre"] == one[1]["insertion_centre"]


def test_the_map_of_what_is_seen_beats_the_orders_without_one() -> None:
    """A classifier that sees one corner only: deleting it first takes all there is to take."""

    def corner(pictures: Tensor) -> Tensor:
        return (pictures[:, :, :3, :4].sum((1, 2, 3))[:, None] / 4 - 3).sigmoid()

    maps = np.zeros((1, *SIZE), np.float32)
    maps[0, :3, :4] = 1
    grounds = Grounds.of(torch.ones((1, 3, *SIZE)), "mean", "mean")
    rng = np.random.default_rng(0)
    (row,) = answers(grounds, maps, [0], 9, corner, 3, CPU, 8, rng)
    assert row["deletion"] < min(row["deletion_random"], row["deletion_centre"])
    assert row["insertion"] > max(row["insertion_random"], row["insertion_centre"])
    assert row["drop"] < 1e-6 < min(row["drop_random"], row["drop_centre"])
