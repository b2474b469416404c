"""Batches as a function of (seed, step): orders, plans, workers, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import Generator

from wsss_cli.errors import WsssError
from wsss_cli.training.data import (
    Plan,
    Samples,
    in_order,
    loader,
    order_of_epoch,
    sample_generator,
    seed_step,
)

IDS = [f"image {index}" for index in range(7)]


def load(image_id: str, rng: Generator) -> dict[str, torch.Tensor]:
    number = float(image_id.split()[1])
    return {"image": torch.tensor([number, rng.random()], dtype=torch.float64)}


def load_but_one(image_id: str, rng: Generator) -> dict[str, torch.Tensor]:
    if image_id == "image 3":
        raise WsssError("image 3: cannot be read", "look at it")
    return load(image_id, rng)


def values(batches: Any) -> list[list[float]]:
    return [batch["image"].flatten().tolist() for batch in batches]


def test_orders_are_permutations_that_differ() -> None:
    orders = [order_of_epoch(50, seed, epoch) for seed in (0, 1) for epoch in (0, 1, 2)]
    for order in orders:
        assert sorted(order) == list(range(50))
    assert len({tuple(order) for order in orders}) == len(orders)
    assert np.array_equal(order_of_epoch(50, 1, 2), orders[-1])


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 30), st.integers(1, 8), st.integers(1, 4), st.booleans(), st.integers(0, 200))
def test_a_plan_taken_up_anywhere_goes_on_as_before(
    count: int, batch_size: int, epochs: int, drop_last: bool, start: int
) -> None:
    plan = Plan(count, batch_size, epochs, seed=3, drop_last=drop_last)
    batches = list(plan.batches())
    assert len(batches) == plan.steps == plan.steps_per_epoch * epochs
    assert list(plan.batches(start)) == batches[start:]
    for epoch in range(epochs):
        part = batches[epoch * plan.steps_per_epoch :][: plan.steps_per_epoch]
        keys = [key for batch in part for key in batch]
        assert {e for e, _ in keys} == {epoch}
        assert len(set(keys)) == len(keys)
        whole = min(batch_size, count)
        if drop_last:
            assert all(len(batch) == whole for batch in part)
        else:
            assert len(keys) == count


def test_evaluation_goes_through_everything_once_in_order() -> None:
    assert in_order(5, 2) == [[(0, 0), (0, 1)], [(0, 2), (0, 3)], [(0, 4)]]


def test_any_number_of_workers_gives_the_same_batches() -> None:
    samples, plan = Samples(load, IDS, seed=5), Plan(7, 3, 3, seed=5)
    alone = values(loader(samples, plan.batches(), 0, pin=False))
    assert len(alone) == 6
    assert values(loader(samples, plan.batches(), 2, pin=False)) == alone
    assert values(loader(samples, plan.batches(4), 1, pin=False)) == alone[4:]
    assert len({value for batch in alone for value in batch[1::2]}) == 18  # no draw comes twice
    assert alone != values(loader(Samples(load, IDS, seed=6), plan.batches(), 0, pin=False))


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_in_a_sample_comes_up_as_it_is(workers: int) -> None:
    samples = Samples(load_but_one, IDS)
    with pytest.raises(WsssError) as caught:
        list(loader(samples, in_order(7, 2), workers, pin=False))
    assert (str(caught.value), caught.value.hint) == ("image 3: cannot be read", "look at it")


def test_loading_leaves_torchs_random_state_alone() -> None:
    seed_step(0, 0)
    expected = torch.rand(3)
    seed_step(0, 0)
    list(loader(Samples(load, IDS), in_order(7, 2), 0, pin=False))
    assert torch.equal(torch.rand(3), expected)


def test_generators_of_samples_and_steps_are_all_different() -> None:
    draws = {sample_generator(s, e, i).random() for s in (0, 1) for e in (0, 1) for i in (0, 1)}
    for seed in (0, 1, 2**40):
        for step in (0, 1, 2**33):
            seed_step(seed, step)
            draws.add(float(torch.rand((), dtype=torch.float64)))
    assert len(draws) == 8 + 9
