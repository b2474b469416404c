"""Signals during training: at once where nothing is torn, else after the part that they hit."""

from __future__ import annotations

import os
import signal
import threading

import pytest
import torch
from torch import nn

from wsss_cli.machine import ending
from wsss_cli.training.interrupt import Interrupts


def send(*numbers: signal.Signals) -> None:
    for number in numbers:
        os.kill(os.getpid(), number)


def handlers() -> tuple[object, object]:
    return signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_between_parts_a_signal_stops_at_once(number: signal.Signals) -> None:
    with Interrupts() as interrupts:
        with pytest.raises(KeyboardInterrupt):
            send(number)
        assert not interrupts.torn
        assert not interrupts.pending


def test_inside_a_part_it_waits_for_the_end() -> None:
    done = []

    def part(interrupts: Interrupts) -> None:
        with interrupts.whole():
            send(signal.SIGTERM)
            assert interrupts.pending
            assert interrupts.torn
            done.append("all of it")

    with Interrupts() as interrupts:
        with pytest.raises(KeyboardInterrupt):
            part(interrupts)
        assert not interrupts.torn
    assert done == ["all of it"]


def test_however_many_come_a_part_is_whole() -> None:
    done = []

    def part(interrupts: Interrupts) -> None:
        with interrupts.whole():
            send(signal.SIGINT, signal.SIGTERM)
            done.append("all of it")

    with Interrupts() as interrupts:
        with pytest.raises(KeyboardInterrupt):
            part(interrupts)
        assert not interrupts.torn
    assert done == ["all of it"]


def test_a_step_stops_at_once_and_is_undone() -> None:
    norm = nn.BatchNorm2d(2)
    before = {name: tensor.clone() for name, tensor in norm.state_dict().items()}

    def step(interrupts: Interrupts) -> None:
        with interrupts.step(norm):
            norm(torch.randn(2, 2, 3, 3))
            assert not torch.equal(norm.running_mean, before["running_mean"])
            send(signal.SIGTERM)
            pytest.fail("the signal waited")

    with Interrupts() as interrupts:
        with pytest.raises(KeyboardInterrupt):
            step(interrupts)
        assert not interrupts.torn
    assert all(torch.equal(tensor, before[name]) for name, tensor in norm.state_dict().items())


def test_a_step_whose_weights_change_is_finished_and_kept() -> None:
    norm, done = nn.BatchNorm2d(2), []

    def step(interrupts: Interrupts) -> None:
        with interrupts.step(norm) as change:
            norm(torch.randn(2, 2, 3, 3))
            change()
            send(signal.SIGTERM)
            done.append("all of it")

    with Interrupts() as interrupts:
        with pytest.raises(KeyboardInterrupt):
            step(interrupts)
        assert not interrupts.torn
    assert done == ["all of it"]
    assert int(norm.num_batches_tracked) == 1


def test_a_signal_that_a_library_took_stops_the_next_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its KeyboardInterrupt was raised where Python drops it, in a `__del__`."""
    monkeypatch.setattr(ending._State, "owner", os.getpid())
    monkeypatch.setattr(ending._State, "came", 1.0)

    def step(interrupts: Interrupts) -> None:
        with interrupts.step(nn.Identity()):
            pytest.fail("it began")

    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt):
        step(interrupts)
    with Interrupts() as interrupts, interrupts.held(False):
        pass
    assert ending._State.came == 1.0  # the time that is left is no longer


def test_an_error_inside_a_part_leaves_it_torn() -> None:
    with Interrupts() as interrupts:
        with interrupts.whole():
            pass
        assert not interrupts.torn
        with pytest.raises(ValueError, match="amid"), interrupts.whole():
            raise ValueError("amid")
        assert interrupts.torn


def test_held_signals_wait_however_many_they_are() -> None:
    done = []

    def parts(interrupts: Interrupts) -> None:
        with interrupts.held(True):
            with interrupts.whole():
                send(signal.SIGINT, signal.SIGTERM, signal.SIGINT)
                done.append("a part")
            assert interrupts.pending  # to be told to the others
            assert not interrupts.torn
            send(signal.SIGTERM)
            done.append("the rest")

    with Interrupts() as interrupts:
        with pytest.raises(KeyboardInterrupt):
            parts(interrupts)
        with pytest.raises(KeyboardInterrupt):  # no longer held
            send(signal.SIGTERM)
    assert done == ["a part", "the rest"]


def test_without_holding_a_signal_stops_at_once() -> None:
    with Interrupts() as interrupts:
        with interrupts.held(False), pytest.raises(KeyboardInterrupt):
            send(signal.SIGTERM)
        with interrupts.held(True):
            pass  # none came, none is raised


def test_the_former_handlers_come_back() -> None:
    before = handlers()

    def part() -> None:
        with Interrupts():
            assert all(one != other for one, other in zip(handlers(), before, strict=True))
            raise ValueError("out")

    with pytest.raises(ValueError, match="out"):
        part()
    assert handlers() == before


def test_in_another_thread_signals_are_left_alone() -> None:
    before, seen = handlers(), []

    def work() -> None:
        with Interrupts() as interrupts, interrupts.whole():
            seen.append(handlers())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
