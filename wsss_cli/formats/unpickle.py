"""Reading other people's pickled arrays without running anything they ask for.

A pickle is a program. This one may name only the few functions that numpy's own pickles name,
and even these are replaced here by stand-ins that note what they are given: numpy's real
`__setstate__` trusts its input, so it is not called either.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import pickle
import pickletools
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..artifacts import ledger
from ..artifacts.inputs import contents
from ..errors import WsssError

LARGEST = 1 << 30  # bytes that a compressed pickle may unfold into
GZIP = b"\x1f\x8b"
_PLAIN_DTYPE = re.compile(r"[biuf][1248]")  # of these, every byte pattern is a valid number


class _Dtype:
    """Stands in for numpy.dtype: its name, and its byte order once the state is set."""

    __slots__ = ("name", "order")

    def __init__(self, name: str) -> None:
        self.name, self.order = name, "="

    def __setstate__(self, state: Any) -> None:
        _, order, subdtype, names, fields, *_ = state
        if order not in ("<", ">", "=", "|") or (subdtype, names, fields) != (None, None, None):
            raise pickle.UnpicklingError("a structured dtype")
        self.order = order

    def read(self, raw: Any) -> np.ndarray:
        """A flat array of the bytes `raw`."""
        if isinstance(raw, str):  # of Python 2, whose texts were bytes
            raw = raw.encode("latin1")
        text = re.fullmatch(r"U(\d+)", self.name)
        if text is None and not _PLAIN_DTYPE.fullmatch(self.name):
            raise pickle.UnpicklingError(f"an array of dtype {self.name!r}")
        order = "" if self.order in "|=" else self.order
        if text is not None:  # numpy would not check the code points
            codec = "utf-32-be" if order == ">" else "utf-32-le"
            return np.array([bytes(raw).decode(codec).rstrip("\0")])
        return np.frombuffer(bytes(raw), np.dtype(order + self.name))


class _Array:
    """Stands in for numpy.ndarray: holds what `__setstate__` brings."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: Any = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, content = state
        self.value = _shaped(dtype, shape, "F" if fortran else "C", content)


class _Call:
    """A function that a pickle may call and can neither look into nor change."""

    __slots__ = ("_function",)
    _function: Callable[..., Any]

    def __init__(self, function: Callable[..., Any]) -> None:
        object.__setattr__(self, "_function", function)

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __setattr__(self, name: str, value: Any) -> None:
        raise pickle.UnpicklingError("it changes a function")

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("it changes a function")


def _shaped(dtype: Any, shape: Any, order: Any, content: Any) -> Any:
    if not isinstance(dtype, _Dtype) or not isinstance(shape, tuple) or order not in ("C", "F"):
        raise pickle.UnpicklingError("a malformed array")
    if dtype.name.startswith("O"):
        if not isinstance(content, list) or len(content) != 1 or math.prod(shape) != 1:
            raise pickle.UnpicklingError("an array of several objects")
        return content[0]
    return dtype.read(content).reshape(shape, order=order)


def _encode(text: Any, codec: Any) -> bytes:
    """How protocol 2 writes bytes."""
    if not isinstance(text, str) or codec != "latin1":
        raise pickle.UnpicklingError("text of another encoding")
    return text.encode("latin1")


def _dtype(name: Any, *_flags: Any) -> _Dtype:
    if not isinstance(name, str):
        raise pickle.UnpicklingError("a malformed dtype")
    return _Dtype(name)


def _scalar(dtype: Any, raw: Any = b"") -> Any:
    return _shaped(dtype, (1,), "C", raw)[0].item()


def _from_buffer(raw: Any, dtype: Any, shape: Any, order: Any) -> Any:
    return _shaped(dtype, shape, order, raw)


def _allowed() -> dict[tuple[str, str], _Call]:
    functions: dict[tuple[str, str], Callable[..., Any]] = {
        ("numpy", "ndarray"): lambda *_: None,  # only ever an argument of _reconstruct
        ("numpy", "dtype"): _dtype,
        ("_codecs", "encode"): _encode,
        ("collections", "OrderedDict"): OrderedDict,
    }
    for package in ("numpy.core", "numpy._core"):  # before and since numpy 2
        functions[f"{package}.multiarray", "_reconstruct"] = lambda *_: _Array()
        functions[f"{package}.multiarray", "scalar"] = _scalar
        functions[f"{package}.numeric", "_frombuffer"] = _from_buffer
    return {name: _Call(function) for name, function in functions.items()}


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(stream, encoding="latin1")
        self._known = _allowed()

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._known[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it calls {module}.{name}") from None


def load_pickled_dict(path: Path) -> dict[Any, Any]:
    """The dictionary in a `.npy` file, with plain numbers, text, lists and arrays as values.

    Args:
        path: as `numpy.save(path, a_dict)` writes it.

    Returns:
        A dict; its values may be numpy arrays of integers, floats or booleans.

    Raises:
        WsssError: missing, not a npy file, cut short, holds something else, or its pickle asks
            for anything but arrays and plain containers. Nothing that it names is run.
    """
    ledger.read(path)
    with _refusals(path, "npy file"):
        content = _read(io.BytesIO(contents(path)))
    if not isinstance(content, dict):
        raise WsssError(f"{path}: holds no dictionary of image id to labels")
    return {key: _plain(value) for key, value in content.items()}


def load_pickle(path: Path) -> tuple[Any, str]:
    """What a pickle holds, gzipped or not, and the SHA-256 of the file.

    Raises:
        WsssError: as `load_pickled_dict`; or it unfolds into more than `LARGEST` bytes.
    """
    ledger.read(path)
    with _refusals(path, "pickle"):
        raw = contents(path)
        content = raw
        if raw[:2] == GZIP:
            with gzip.open(io.BytesIO(raw)) as stream:
                content = stream.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise ValueError(f"more than {LARGEST >> 20} MiB")
        _refuse_false_counts(content)
        found = _plain(_Unpickler(io.BytesIO(content)).load())
    if isinstance(found, dict):
        found = {key: _plain(value) for key, value in found.items()}
    return found, hashlib.sha256(raw).hexdigest()


@contextmanager
def _refusals(path: Path, kind: str) -> Iterator[None]:
    """Turn whatever a hostile or torn file raises into one line."""
    try:
        yield
    except OSError as err:
        raise WsssError(f"{path}: {err.strerror or err}") from err
    except pickle.UnpicklingError as err:
        raise WsssError(
            f"{path}: refused, its pickle holds more than arrays and plain values ({err})",
            "a file from an unknown source could run code; none of it was run",
        ) from None
    except Exception as err:  # a hostile or torn pickle can raise anything
        reason = " ".join(str(err).split()) or type(err).__name__
        raise WsssError(f"{path}: not a readable {kind} ({reason})") from err


def _read(stream: IO[bytes]) -> Any:
    version = np.lib.format.read_magic(stream)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"npy format version {version}")
    shape, _, dtype = readers[version](stream)
    if dtype != np.dtype(object) or math.prod(shape) != 1:
        return None
    content = stream.read()
    _refuse_false_counts(content)
    return _plain(_Unpickler(io.BytesIO(content)).load())


def _refuse_false_counts(content: bytes) -> None:
    """Refuse a pickle that announces more than it holds, and would have the memory reserved.

    Raises:
        ValueError: an argument longer than the file, or a memo number beyond the file's length.
    """
    for opcode, argument, _ in pickletools.genops(content):
        counts = opcode.name in ("PUT", "BINPUT", "LONG_BINPUT", "FRAME")
        if counts and int(argument or 0) > len(content):
            raise ValueError(f"{opcode.name} of {argument} in {len(content)} bytes")


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, _Array) else value
