"""What a file holds, such that two files that say the same compare equal."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Content = str  # a digest, with the kind of file in front
VARYING = ("command", "created_by")  # attributes that say how a file came about


def content(path: Path, home: Path) -> Content:
    """A digest of the values in an artifact or weights file; of other files' bytes.

    `home` is the folder of the try: scripts that name it compare equal to those of another.
    """
    if path.is_symlink():
        return f"link to {path.readlink()}"
    if path.is_dir():
        return "an empty folder"
    if not path.is_file():
        return "no regular file"
    try:
        with h5py.File(path, "r") as file:
            return f"artifact {_digest(_artifact(file))}"
    except OSError:
        pass
    raw = path.read_bytes().replace(bytes(home), b"HOME")
    with suppress(Exception):  # of a half that a killed process left
        if raw[:2] == b"PK":
            return f"weights {_digest(_weights(path))}"
        if raw[:6] == b"\x93NUMPY":  # of dicts: equal ones may be pickled to other bytes
            return f"array {_digest(_plain(np.load(path, allow_pickle=True)))}"
    return f"{len(raw)} bytes {hashlib.sha256(raw).hexdigest()[:16]}"


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _artifact(file: h5py.File) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: str(value) for name, value in file.attrs.items() if name not in VARYING
    }
    found["data"] = (json.loads(found.get("data", "null")) or {}).get("run")

    def note(name: str, node: Any) -> None:
        if isinstance(node, h5py.Dataset):
            found["/" + name] = _array(node[()])

    file.visititems(note)
    return found


def _weights(path: Path) -> Any:
    import torch

    values = torch.load(path, map_location="cpu", weights_only=True)
    kept = {name: value for name, value in values.items() if name not in VARYING}
    kept["data"] = (kept.get("data") or {}).get("run")
    return _plain(kept)


def _plain(value: Any) -> Any:
    import torch

    if isinstance(value, torch.Tensor):
        return _array(value.numpy())
    if isinstance(value, np.ndarray):
        return _array(value) if value.dtype != object else _plain(value.tolist())
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return repr(value)


def _array(array: np.ndarray) -> list[Any]:
    digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
    return [str(array.dtype), list(array.shape), digest]
