"""Learning rates over the steps of a run, by hand."""

from __future__ import annotations

import pytest
import torch

from wsss_cli.training.schedule import Drop, Poly, Restart, Schedule, Stairs


def optimizer(*rates: float) -> torch.optim.SGD:
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates]
    return torch.optim.SGD(groups, lr=1.0)


def test_poly_rates() -> None:
    schedule, sgd = Poly(total=100), optimizer(0.1, 1.0)
    found = []
    for step in (0, 50, 99, 100, 250):
        schedule.apply(sgd, step)
        found.append([group["lr"] for group in sgd.param_groups])
    assert found[0] == [0.1, 1.0]
    assert found[1] == pytest.approx([0.1 * 0.5**0.9, 0.5**0.9])
    assert found[2] == pytest.approx([0.1 * 0.01**0.9, 0.01**0.9])
    assert found[3] == found[4] == found[2]  # beyond the end nothing changes


def test_rates_survive_saving_the_optimizer() -> None:
    schedule, sgd, fresh = Poly(total=10), optimizer(0.1), optimizer(0.1)
    schedule.apply(sgd, 5)
    fresh.load_state_dict(sgd.state_dict())
    schedule.apply(fresh, 6)
    assert fresh.param_groups[0]["lr"] == pytest.approx(0.1 * 0.4**0.9)


def test_warmup_rises_to_the_plain_schedule() -> None:
    plain, warm = Poly(total=100), Poly(total=100, warmup=4)
    ratios = [warm.factor(step) / plain.factor(step) for step in range(8)]
    assert ratios == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1])


def rates(schedule: Schedule, *bases: float) -> list[list[float]]:
    """Of every step, and of one beyond the end."""
    sgd, found = optimizer(*bases), []
    for step in range(schedule.total + 1):
        schedule.apply(sgd, step)
        found.append([group["lr"] for group in sgd.param_groups])
    return found


def test_a_schedule_alone_is_its_warm_up() -> None:
    assert rates(Schedule(total=4, warmup=1), 0.5) == [[0.25], [0.5], [0.5], [0.5], [0.5]]


def test_a_tenth_in_the_last_third() -> None:
    found = [rate for (rate,) in rates(Drop(total=7), 1.0)]
    assert found == pytest.approx([1, 1, 1, 1, 1, 0.1, 0.1, 0.1])  # 14 / 3 = 4.7 steps of 7
    warm = [rate for (rate,) in rates(Drop(total=3, warmup=3), 1.0)]
    assert warm == pytest.approx([0.25, 0.5, 0.075, 0.075])


def test_stairs_of_equal_parts() -> None:
    found = [rate for (rate,) in rates(Stairs(total=6, parts=3, ratio=0.5), 8.0)]
    assert found == [8, 8, 4, 4, 2, 2, 2]
    assert Stairs(total=8000).factor(1999) == 1  # SEC's: every 2,000 steps a tenth
    assert Stairs(total=8000).factor(2000) == 0.1
    assert Stairs(total=8000).factor(7999) == pytest.approx(1e-3)


def test_a_second_phase_starts_anew() -> None:
    own = Restart(total=4, until=0.5, first=10)
    half = 0.5**0.9
    assert own.turn == 2
    expected = [[10.0, 20.0], [10 * half, 20 * half], [1.0, 2.0], [half, 2 * half]]
    assert rates(own, 1.0, 2.0)[:4] == [pytest.approx(row) for row in expected]
    flat = Restart(total=4, until=0.5, first=10, flat=0.25)
    expected = [*expected[:2], [0.25, 0.25], [0.25 * half] * 2, [0.25 * half] * 2]
    assert rates(flat, 1.0, 2.0) == [pytest.approx(row) for row in expected]
    assert Restart(total=10, until=0.26).turn == 3
