"""On what a command computes: device, arithmetic and workers."""

from __future__ import annotations

import pytest
import torch

from wsss_cli.errors import UsageError
from wsss_cli.machine.devices import Precision
from wsss_cli.machine.place import Place
from wsss_cli.options.machine import Machine


@pytest.mark.parametrize(
    ("precision", "half", "recorded"),
    [(Precision.f32, None, "f32"), (Precision.bf16, torch.bfloat16, "bf16")],
)
def test_a_machine_is_made_ready(
    precision: Precision, half: torch.dtype | None, recorded: str
) -> None:
    place = Machine(device="cpu", precision=precision).place()
    assert place == Place(torch.device("cpu"), half)
    assert place.record() == {"precision": recorded}
    weight = torch.ones(2, 2)
    with place.autocast():
        assert (weight @ weight).dtype is (half or torch.float32)


def test_an_automatic_precision_is_recorded_as_what_it_is() -> None:
    place = Machine(device="cpu", precision=Precision.auto).place()
    assert place.record()["precision"] in ("f32", "bf16")


def test_a_device_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="--device moon: unknown"):
        Machine(device="moon").place()


def test_a_machine_is_the_best_there_is_in_float32_unless_told() -> None:
    usual = Machine()
    assert (usual.device, usual.precision, usual.workers) == ("auto", Precision.f32, None)
