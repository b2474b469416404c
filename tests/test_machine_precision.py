"""Which precision a device is given, and what the options make of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from made import wsss

from wsss_cli.artifacts import CAM, load_weights, open_artifact
from wsss_cli.errors import UsageError
from wsss_cli.machine import devices
from wsss_cli.machine.devices import Precision, TrainPrecision, resolve_precision
from wsss_cli.machine.precision import (
    _cpu_multiplies_bf16,
    autocast_to,
    autocast_type,
    emulates_bf16,
    full_precision,
    no_autocast,
    suited_precision,
)

CPU = torch.device("cpu")
TRAIN = ["train-cls", "--backbone", "tiny", "--backbone-weights", "random", "--crop", "32"]
TRAIN += ["--epochs", "1", "--batch-size", "2", "--workers", "0", "--device", "cpu"]


@pytest.mark.parametrize(
    ("flags", "native"),
    [
        ("fpu avx2 avx512f avx512_bf16 amx_bf16", True),
        ("fpu avx512_bf16", True),
        ("amx_bf16 fpu", True),
        ("fpu avx512f avx512_vnni", False),
        ("avx512_bf16x", False),
    ],
)
def test_a_cpu_is_known_by_its_flags(flags: str, native: bool, tmp_path: Path) -> None:
    description = tmp_path / "cpuinfo"
    description.write_text(f"processor : 0\nflags\t\t: {flags}\nbugs\t: none\n")
    assert _cpu_multiplies_bf16(description) is native
    assert _cpu_multiplies_bf16(tmp_path / "none") is None
    description.write_text("processor : 0\nFeatures : fp asimd bf16\n")  # of another family
    assert _cpu_multiplies_bf16(description) is None


def test_auto_is_what_the_device_does_well(monkeypatch: pytest.MonkeyPatch) -> None:
    for native, expected in ((True, "bf16"), (False, "f32")):
        monkeypatch.setattr("wsss_cli.machine.precision._cpu_multiplies_bf16", lambda n=native: n)
        assert resolve_precision(Precision.auto, CPU) is Precision(expected)
        assert resolve_precision(TrainPrecision.auto, CPU) is TrainPrecision(expected)
        assert resolve_precision(Precision.f32, CPU) is Precision.f32
    assert suited_precision(torch.device("mps")) == "f32"
    for capability, expected in (((7, 5), "f32"), ((8, 0), "bf16"), ((9, 0), "bf16")):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _, c=capability: c)
        assert suited_precision(torch.device("cuda", 0)) == expected
    kinds = [autocast_type(name) for name in ("f32", "bf16", "fp16")]
    assert kinds == [None, torch.bfloat16, torch.float16]


def test_bf16_that_is_emulated_is_warned_of_once(
    tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[bool | None] = [False]
    monkeypatch.setattr("wsss_cli.machine.precision._cpu_multiplies_bf16", lambda: found[0])
    options = ["--data", tiny_data, "-o", tiny_data.with_name("cls.pt"), "--force"]

    def said(*precision: str) -> list[str]:
        devices._warn_once.cache_clear()
        result = wsss(*TRAIN, *options, *precision)
        assert result.exit_code == 0, result.stderr
        return [line for line in result.stderr.splitlines() if "warning" in line]

    (line,) = said("--precision", "bf16")
    assert line.startswith("wsss: warning: --precision bf16: this processor has no instructions")
    assert "many times slower than f32" in line
    assert said("--precision", "auto") == said("--precision", "f32") == []
    found[0] = None  # cannot be told
    assert said("--precision", "bf16") == []
    found[0] = True
    assert said("--precision", "bf16") == []
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 5))
    assert emulates_bf16(torch.device("cuda", 0))
    assert not emulates_bf16(torch.device("mps"))


def test_float16_is_for_training_on_cuda(tiny_data: Path) -> None:
    with pytest.raises(UsageError, match="--precision fp16: needs a CUDA device"):
        resolve_precision(TrainPrecision.fp16, CPU)
    cuda = torch.device("cuda", 0)
    assert resolve_precision(TrainPrecision.fp16, cuda) is TrainPrecision.fp16
    out = tiny_data.with_name("cls.pt")
    result = wsss(*TRAIN, "--data", tiny_data, "-o", out, "--precision", "fp16")
    assert result.exit_code == 2
    assert result.stderr == (
        "wsss: error: --precision fp16: needs a CUDA device\n"
        "wsss: hint: bf16, f32 and auto do without\n"
    )
    assert wsss("make-cam", "--weights", out, "--precision", "fp16").exit_code == 2


def test_what_auto_was_is_in_the_weights_and_the_maps(tiny_data: Path) -> None:
    out, cam = tiny_data.with_name("cls.pt"), tiny_data.with_name("cam.h5")
    runs = set()
    for name in ("auto", suited_precision(CPU)):
        options = ["--data", tiny_data, "-o", out, "--precision", name, "--force"]
        assert wsss(*TRAIN, *options).exit_code == 0
        weights = load_weights(out)
        assert weights.params["precision"] == suited_precision(CPU)
        runs.add(weights.run)
    assert len(runs) == 1  # one and the same run
    options = ["--weights", out, "-o", cam, "--precision", "auto", "--scales", "1", "--no-flip"]
    assert wsss("make-cam", *options, "--device", "cpu").exit_code == 0
    with open_artifact(cam, CAM) as maps:
        assert maps.params["precision"] == suited_precision(CPU)


def test_a_part_in_full_precision_amid_autocast() -> None:
    x = torch.ones(2, 2)
    assert autocast_to(x) is None
    with torch.autocast("cpu", torch.bfloat16):
        assert autocast_to(x) is torch.bfloat16
        assert (x @ x).dtype == torch.bfloat16
        with no_autocast(x):
            assert autocast_to(x) is None
            assert (x @ x).dtype == torch.float32
        assert (x @ x).dtype == torch.bfloat16
    meta = torch.ones(2, 2, device="meta")  # a device without autocast
    with no_autocast(meta):
        assert (meta @ meta).dtype == torch.float32
    assert autocast_to(meta) is None


def test_half_types_become_float32_and_others_stay() -> None:
    for kind in (torch.bfloat16, torch.float16):
        found = full_precision(torch.tensor([0.5, 3.0], dtype=kind))
        assert (found.dtype, found.tolist()) == (torch.float32, [0.5, 3.0])
    for kind in (torch.float32, torch.float64, torch.int64):
        x = torch.ones(2, dtype=kind)
        assert full_precision(x) is x
