"""Reading `.pt` files: ordinary tensors and plain values, nothing that is declared only."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from made import wsss

from wsss_cli.artifacts import load_weights, save_weights
from wsss_cli.artifacts.foreign import WAY_OUT
from wsss_cli.artifacts.torch_files import check_plain, read_torch
from wsss_cli.errors import WsssError
from wsss_cli.nets.backbones import build_backbone
from wsss_cli.nets.classifier import Classifier

CONFIG = {"backbone": "tiny", "output_stride": 8, "dilated": True, "dropout": 0.0}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    model = Classifier(build_backbone("tiny", 8, True), 3)
    save_weights(
        tmp_path / "cls.pt",
        kind="wsss/cls",
        config=CONFIG,
        classes=["red", "green", "blue"],
        params={},
        seed=0,
        inputs=[],
        state_dict=model.state_dict(),
    )
    return tmp_path / "cls.pt"


def in_itself() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


def ten_of_ten() -> list[Any]:
    """A few hundred bytes that unfold into 10 ** 12 values."""
    found: list[Any] = [1]
    for _ in range(12):
        found = [found] * 10
    return found


TENSORS: dict[str, tuple[Callable[[], Any], str]] = {
    "nested": (
        lambda: torch.nested.nested_tensor([torch.ones(1), torch.ones(2)]),
        "nested, or of a class of its own",
    ),
    "sparse": (lambda: torch.eye(2).to_sparse(), "sparse"),
    "quantised": (
        lambda: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
        "of qint8",
    ),
    "complex": (lambda: torch.ones(2, dtype=torch.complex64), "of complex64"),
    "of eight bits": (lambda: torch.ones(2).to(torch.float8_e4m3fn), "of float8_e4m3fn"),
    "without values": (lambda: torch.ones(2, device="meta"), "without values"),
    "spread out": (lambda: torch.ones(1).expand(1 << 40), "declared as 1099511627776"),
}


@pytest.mark.parametrize("name", TENSORS)
def test_odd_tensors_are_refused_wherever_they_stand(
    tiny_data: Path, weights: Path, tmp_path: Path, name: str
) -> None:
    make, said = TENSORS[name]
    whole = torch.load(weights, weights_only=True)
    state = whole["state_dict"]
    for content in (
        {**whole, "state_dict": {**state, "head.weight": make()}},
        {**whole, "config": {**CONFIG, "backbone": make()}},
        {**whole, "history": [{"epoch": make()}]},
        {**state, "head.weight": make()},
        [make()],
    ):
        torch.save(content, weights)
        with pytest.raises(WsssError, match=rf"cls\.pt: .*tensor .* is {said}"):
            read_torch(weights)
    torch.save({**whole, "state_dict": {**state, "head.weight": make()}}, weights)
    for command in (
        ("info", weights),
        ("make-cam", "--weights", weights, "--data", tiny_data, "-o", tmp_path / "out"),
        ("train-cls", "--data", tiny_data, "--backbone-weights", weights, "-o", tmp_path / "out"),
    ):
        result = wsss(*command, *(("--backbone", "tiny") if command[0] == "train-cls" else ()))
        assert result.exit_code == 3, result.output
        assert said in result.stderr.splitlines()[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"config": {}}, "its config lacks backbone"),
        ({"config": {**CONFIG, "backbone": {}}}, "config: backbone is no word and no number"),
        ({"config": {**CONFIG, "output_stride": {}}}, "config: output_stride is no word and no"),
        ({"config": {**CONFIG, "backbone": ["tiny"]}}, "config: backbone is no word and no number"),
        ({"config": {**CONFIG, "output_stride": 8.0}}, "output_stride 8.0, which is no int"),
        ({"config": {**CONFIG, "dilated": 1}}, "its config has dilated 1, which is no bool"),
        ({"config": {**CONFIG, "dropout": float("nan")}}, "config: dropout is no word and no num"),
        ({"config": {**CONFIG, "dropout": float("inf")}}, "config: dropout is no word and no num"),
        ({"config": {**CONFIG, 3: 4}}, "config has a key that is no text"),
        ({"config": {**CONFIG, "method": "oaa", "layers": 10**6}}, "1000000 layers, there are 8"),
        ({"config": {**CONFIG, "method": "oaa", "layers": 10**12}}, "config: layers is no word"),
        ({"config": {**CONFIG, "method": 3}}, "its config has method 3, which is no str"),
        ({"config": {**CONFIG, "pool": "lse", "lse_sharpness": "x"}}, "which is no float"),
        ({"config": [1]}, "config is no dict"),
        ({"state_dict": {}}, "tensors do not fit its config, first backbone"),
        ({"state_dict": {3: torch.ones(1)}}, "state_dict holds more than tensors by name"),
        ({"state_dict": {"a": 1}}, "state_dict holds more than tensors by name"),
        ({"state_dict": {}, "extra": 1}, "got an unexpected keyword argument 'extra'"),
        ({"classes": []}, "0 classes, there must be 1 to 65536"),
        ({"classes": ["a", "a", "b"]}, "a class stands twice"),
        ({"classes": ["a"] * 100_000}, "100000 classes, there must be 1 to 65536"),
        ({"classes": [1, 2, 3]}, "classes are no names"),
        ({"history": {}}, "history is no list"),
        ({"history": [1]}, "history is no list of figures"),
        ({"params": {"a": {1: 2}}}, "params has a key that is no text"),
        ({"params": {"a": torch.Size([1])}}, "params holds a Size"),
        ({"params": {"a": ten_of_ten()}}, "params holds too much"),
        ({"params": {"a": in_itself()}}, "params holds too much"),
        ({"seed": 0.5}, "seed is no int"),
        ({"run": 5}, "run is no str"),
        ({"command": [1]}, "command is no list of words"),
        ({"version": True}, "version is no number"),
        ({"version": 0}, "version is no number"),
        ({"inputs": 3}, "inputs are no records of files"),
    ],
)
def test_weights_are_checked_by_a_schema(
    tiny_data: Path, weights: Path, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    torch.save({**torch.load(weights, weights_only=True), **change}, weights)
    out = tmp_path / "out"
    result = wsss("make-cam", "--weights", weights, "--data", tiny_data, "-o", out)
    assert result.exit_code == 3, result.output
    error, hint = result.stderr.splitlines()
    assert error.startswith(f"wsss: error: {weights}: damaged (")
    assert said in error
    assert hint.startswith("wsss: hint: ")
    assert not out.exists()


def test_a_zip_file_that_declares_more_than_it_holds(weights: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed.pt"
    with zipfile.ZipFile(weights) as parts, zipfile.ZipFile(packed, "w", 8) as copy:
        for name in parts.namelist():
            copy.writestr(name, parts.read(name))
    with pytest.raises(WsssError, match=r"packed\.pt: not a weights file .its parts are compres"):
        load_weights(packed)


def test_a_lack_of_memory_is_not_called_damage(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = weights.stat().st_size
    for error, said in (
        (MemoryError(), "cls.pt: not enough memory"),
        (RuntimeError(f"can't allocate memory: you tried to allocate {size} bytes."), "not enough"),
        (
            RuntimeError(f"can't allocate memory: you tried to allocate {size + 1} bytes."),
            f"cls.pt: not a weights file .a tensor declares {size + 1} bytes",
        ),
    ):

        def refuse(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        monkeypatch.setattr(torch, "load", refuse)
        with pytest.raises(WsssError, match=said):
            read_torch(weights)


def test_plain_values() -> None:
    check_plain("x", {"a": [1, 0.5, None, True, "b", {"c": ()}]})
    for value, said in (
        ({1: 2}, "x has a key that is no text"),
        ([b"a"], "x holds a bytes"),
        ([{1}], "x holds a set"),
    ):
        with pytest.raises(ValueError, match=said):
            check_plain("x", value)


def test_code_is_never_run_and_what_is_none_is_said(tmp_path: Path) -> None:
    torch.save({"a": Path()}, tmp_path / "x.pt")
    with pytest.raises(WsssError, match="holds more than tensors and plain values, and was") as err:
        read_torch(tmp_path / "x.pt")
    assert err.value.hint == WAY_OUT
    (tmp_path / "x.pt").write_bytes(b"hello")
    with pytest.raises(WsssError, match=r"x\.pt: (not a weights file|holds more than)"):
        read_torch(tmp_path / "x.pt")
