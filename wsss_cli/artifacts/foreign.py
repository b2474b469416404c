"""Weights of other people's making: what a file is that holds none, and what may lie beside them.

Tensors are read by `torch.load` with `weights_only`. Training scripts store their options and best
scores beside them, as objects of classes that it refuses. For those whose contents nobody needs,
stand-ins of ours are built, so that no code of theirs runs.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WAY_OUT = "where the network is at hand, torch.save(model.state_dict(), FILE) writes what is read"
UNPACK = "unpack it first"
BY_START = (  # first bytes, what it is, what to do
    (b"version https://git-lfs", "a pointer of Git LFS, not the file", "`git lfs pull` fetches it"),
    (b"\x89HDF\r\n", "an HDF5 file, as Keras writes them", WAY_OUT),
    (b"\x93NUMPY", "an array of NumPy", WAY_OUT),
    (b"GGUF", "a GGUF file", WAY_OUT),
    (b"\x1f\x8b", "compressed by gzip", UNPACK),
    (b"BZh", "compressed by bzip2", UNPACK),
    (b"\xfd7zXZ", "compressed by xz", UNPACK),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", UNPACK),
    (b"7z\xbc\xaf", "an archive of 7-Zip", UNPACK),
    (b"Rar!", "an archive of RAR", UNPACK),
)
MARKUP = (b"<!doctype html", b"<html", b"<?xml", b"<head", b"<body")
HEAD = 512


class Beside:
    """Stands for an object that lies beside tensors; keeps nothing of it."""

    def __new__(cls, *args: Any) -> Beside:
        return object.__new__(cls)

    def __init__(self, *args: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


NAMES = (
    "argparse.Namespace", "pathlib.PosixPath", "pathlib.WindowsPath", "pathlib._local.PosixPath",
    "pathlib._local.WindowsPath", "numpy.dtype", "numpy.ndarray",
    "numpy.core.multiarray.scalar", "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar", "numpy._core.multiarray._reconstruct",
)  # fmt: skip


def _stand_in(path: str) -> type[Beside]:
    module, _, name = path.rpartition(".")
    return type(name, (Beside,), {"__module__": module, "__qualname__": name})


STAND_INS: list[Any] = [_stand_in(path) for path in NAMES]


@contextmanager
def stand_ins() -> Iterator[None]:
    """While it holds, `torch.load` with `weights_only` takes `NAMES`, and makes nothing of them."""
    from torch import serialization

    before = serialization.get_safe_globals()
    serialization.add_safe_globals(STAND_INS)
    try:
        yield
    finally:
        serialization.clear_safe_globals()
        serialization.add_safe_globals(before)


def stranger(path: Path) -> tuple[str, str] | None:
    """What a file is that holds no tensors of PyTorch, and what to do; None where it may.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        head = stream.read(HEAD)
    if not head:
        return "empty", "was it cut short by a full disk, or a download that failed?"
    for start, what, hint in BY_START:
        if head.startswith(start):
            return what, hint
    if head.lstrip().lower().startswith(MARKUP):
        return "a web page, not weights", "download it again: the page may say why it failed"
    if _is_safetensors(head):
        load = f"torch.save(safetensors.torch.load_file({path.name!r}), FILE)"
        return "a safetensors file", f"{load} writes what is read"
    if head[257:262] == b"ustar":
        return "a tar archive", UNPACK
    if head[:1] == b"\x08" and (path.suffix == ".onnx" or b"pytorch" in head or b"onnx" in head):
        return "a network of ONNX", WAY_OUT
    if head.startswith(b"PK\3\4"):
        return _stranger_in_zip(path)
    return None


def safetensors(path: Path) -> dict[str, Any] | None:
    """The tensors of a safetensors file; None of another file, or where the library is lacking.

    Raises:
        OSError: it cannot be read.
        SafetensorError: it is damaged.
    """
    with path.open("rb") as stream:
        if not _is_safetensors(stream.read(HEAD)):
            return None
    try:
        from safetensors.torch import load_file  # comes with timm
    except ModuleNotFoundError:
        return None
    found: dict[str, Any] = load_file(path)
    return found


def _is_safetensors(head: bytes) -> bool:
    return head[8:9] == b"{" and 0 < int.from_bytes(head[:8], "little") < 1 << 32


def _stranger_in_zip(path: Path) -> tuple[str, str] | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError):
        return None  # torch says what is wrong with it
    if any("/code/" in name or name.endswith("constants.pkl") for name in names):
        how = f"torch.save(torch.jit.load({path.name!r}).state_dict(), FILE)"
        return "a network of TorchScript", f"{how} writes what is read"
    if any(name.endswith("data.pkl") for name in names):
        return None
    if any(name.endswith(".npy") for name in names):
        return "arrays of NumPy", WAY_OUT
    if "model.weights.h5" in names:
        return "a network of Keras", WAY_OUT
    return "a zip archive", UNPACK


def forbidden(error: Exception) -> str | None:
    """The class or function that `torch.load` refused, by its message."""
    found = re.search(r"GLOBAL ([\w.]+)", str(error))
    return found and found.group(1)
