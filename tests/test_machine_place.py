"""A place: a device, an arithmetic, and what an artifact records of it."""

from __future__ import annotations

import contextlib

import pytest
import torch

from wsss_cli.machine.place import Place

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("half", "expected"),
    [(None, "f32"), (torch.bfloat16, "bf16"), (torch.float16, "fp16")],
)
def test_the_arithmetic_is_recorded_and_the_device_is_not(
    half: torch.dtype | None, expected: str
) -> None:
    assert Place(CPU, half).record() == {"precision": expected}
    assert Place(torch.device("cuda"), half).record() == {"precision": expected}


def test_an_arithmetic_without_a_name_is_a_bug() -> None:
    with pytest.raises(KeyError):
        Place(CPU, torch.float64).record()


def test_convolutions_run_in_it_and_what_follows_does_not() -> None:
    weight = torch.eye(2)
    assert isinstance(Place(CPU).autocast(), contextlib.nullcontext)
    with Place(CPU).autocast():
        assert (weight @ weight).dtype is torch.float32
    with Place(CPU, torch.bfloat16).autocast():
        product = weight @ weight
        assert product.dtype is torch.bfloat16
        assert product.float().sum().dtype is torch.float32
    assert (weight @ weight).dtype is torch.float32


def test_places_are_equal_by_what_they_are() -> None:
    assert Place(CPU) == Place(torch.device("cpu"), None)
    assert Place(CPU) != Place(CPU, torch.bfloat16)
