"""Files that are no weights, by what they are, and objects that lie beside weights."""

from __future__ import annotations

import argparse
import gzip
import io
import os
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wsss_cli.artifacts.foreign import Beside, forbidden, stranger
from wsss_cli.artifacts.weights import read_torch
from wsss_cli.errors import WsssError


def zipped(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return stream.getvalue()


def tarred() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("weights"))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "what", "hint"),
    [
        (b"", "empty", "cut short"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS", "git lfs pull"),
        (b"\n <!DOCTYPE html><html>", "web page", "download it again"),
        (b"<?xml version='1.0'?><Error/>", "web page", "download it again"),
        (b"\x89HDF\r\n\x1a\n", "HDF5", "state_dict()"),
        (gzip.compress(b"x", mtime=0), "gzip", "unpack"),
        (tarred(), "tar archive", "unpack"),
        (b"\x08\x07\x12\x07pytorch", "ONNX", "state_dict()"),
        (b"\x93NUMPY\x01\0", "NumPy", "state_dict()"),
        (zipped("a.npy"), "arrays of NumPy", "state_dict()"),
        (zipped("config.json", "model.weights.h5"), "Keras", "state_dict()"),
        (zipped("readme.txt"), "zip archive", "unpack"),
        (zipped("m/data.pkl", "m/code/__torch__.py", "m/constants.pkl"), "TorchScript", "jit.load"),
    ],
)
def test_each_kind_has_its_name_and_its_way_out(
    tmp_path: Path, content: bytes, what: str, hint: str
) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    with pytest.raises(WsssError) as caught:
        read_torch(path, others=True)
    assert what in str(caught.value)
    assert hint in str(caught.value.hint)


def test_safetensors_are_read_where_their_library_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = b'{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}'
    values = torch.tensor([1.5, -2.0], dtype=torch.float16)
    whole = len(header).to_bytes(8, "little") + header + values.numpy().tobytes()
    path = tmp_path / "w.pth"
    path.write_bytes(whole)
    pytest.importorskip("safetensors", reason="safetensors comes with timm")
    assert torch.equal(read_torch(path, others=True)["a"], values)
    with pytest.raises(WsssError, match="a safetensors file"):  # weights of ours are no such file
        read_torch(path)
    path.write_bytes(whole[:-1])
    with pytest.raises(WsssError, match="not a weights file"):
        read_torch(path, others=True)
    path.write_bytes(whole)
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    with pytest.raises(WsssError, match="a safetensors file") as caught:
        read_torch(path, others=True)
    assert "load_file('w.pth')" in str(caught.value.hint)


def test_what_torch_saves_is_no_stranger(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(1)}, tmp_path / "new.pth")
    torch.save({"a": torch.ones(1)}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    for name in ("new.pth", "old.pth"):
        assert stranger(tmp_path / name) is None
        assert torch.equal(read_torch(tmp_path / name)["a"], torch.ones(1))


BESIDE = [
    argparse.Namespace(lr=1, inner=argparse.Namespace()),
    np.float64(0.93),
    np.int64(3),
    np.arange(3),
    Path("runs/1"),
]


@pytest.mark.parametrize("value", BESIDE, ids=lambda value: type(value).__name__)
def test_nothing_is_made_of_what_lies_beside_tensors(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "w.pth"
    torch.save({"model": {"a": torch.ones(2)}, "args": value}, path)
    found = read_torch(path, others=True)
    assert torch.equal(found["model"]["a"], torch.ones(2))
    assert isinstance(found["args"], Beside)
    assert not vars(found["args"])
    with pytest.raises(WsssError, match="more than tensors"):  # in weights of our own
        read_torch(path)


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("it_ran",)


@pytest.mark.parametrize("others", [True, False])
def test_what_needs_code_is_named_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(torch.nn.Linear(1, 1), "whole.pth")
    with pytest.raises(WsssError, match=r"torch\.nn\.modules\.linear\.Linear would have") as caught:
        read_torch(Path("whole.pth"), others)
    assert "torch.save(model.state_dict(), FILE)" in str(caught.value.hint)
    torch.save({"a": torch.ones(1), "b": argparse.Namespace(x=Bomb())}, "evil.pth")
    with pytest.raises(WsssError, match="was not read"):
        read_torch(Path("evil.pth"), others)
    assert not Path("it_ran").exists()


def test_a_message_without_a_name() -> None:
    assert forbidden(ValueError("Unsupported operand 5")) is None
