"""What --device chooses and sets up."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest
import torch

from wsss_cli.errors import UsageError
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
