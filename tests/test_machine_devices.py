"""What --device chooses and sets up."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest
import torch

from wsss_cli.errors import UsageError
from wsss_cli.machine import devices
from wsss_cli.machine.devices import resolve_device


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[torch.device]]:
    """A machine that says it has two, where TF32 is allowed; those made the current one."""
    current: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    former = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    yield current
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = former


def tf32() -> tuple[bool, bool]:
    return torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32


@pytest.mark.parametrize("name", ["auto", "cuda"])
def test_float32_is_float32_on_cuda(name: str, two_gpus: list[torch.device]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # some versions of PyTorch warn of the names that all have
        assert resolve_device(name).type == "cuda"
    assert tf32() == (False, False)
    if hasattr(torch.backends.cudnn, "conv"):  # the newer names agree
        assert torch.backends.cudnn.conv.fp32_precision != "tf32"
        assert torch.backends.cuda.matmul.fp32_precision != "tf32"


def test_a_cpu_leaves_cuda_alone(two_gpus: list[torch.device]) -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    assert tf32() == (True, True)


def test_a_numbered_gpu_is_the_only_one_used(two_gpus: list[torch.device]) -> None:
    resolve_device("cuda")
    assert two_gpus == []
    resolve_device("cuda:1")
    assert two_gpus == [torch.device("cuda", 1)]


@pytest.mark.parametrize("name", ["cuda:2", "gpu", "meta"])
def test_a_device_that_is_not_there_is_refused(name: str, two_gpus: list[torch.device]) -> None:
    with pytest.raises(UsageError, match=f"--device {name}: (not available here|unknown)"):
        resolve_device(name)


def test_auto_takes_what_there_is(
    two_gpus: list[torch.device], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert resolve_device("auto") == torch.device("cuda")
    assert two_gpus == []  # any: torchrun may have given this process one
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for mps, expected in ((True, "mps"), (False, "cpu")):
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda found=mps: found)
        assert resolve_device("auto") == torch.device(expected)
    with pytest.raises(UsageError, match="--device cuda: not available here") as caught:
        resolve_device("cuda")
    assert caught.value.hint == "--device auto takes what is"
    with pytest.raises(UsageError, match="--device abacus: unknown") as caught:
        resolve_device("abacus")
    assert caught.value.hint == "auto, cpu, cuda, cuda:N or mps"


def test_a_cpu_keeps_its_heap_and_a_gpu_does_not(
    two_gpus: list[torch.device], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[str] = []
    monkeypatch.setattr(devices, "keep_heap", lambda: kept.append("kept"))
    resolve_device("cuda")
    assert kept == []
    resolve_device("cpu")
    assert kept == ["kept"]
