"""Reading what `torch.save` wrote: plain tensors and plain values, never code."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import WsssError, shortage
from . import foreign, ledger
from .inputs import check_regular, why_not

if TYPE_CHECKING:
    from torch import Tensor

PLAIN = (
    *("float16", "bfloat16", "float32", "float64", "bool"),
    *("uint8", "int8", "int16", "int32", "int64"),
)
MOST = 1_000_000  # plain values in one entry
ASKED_FOR = re.compile(r"tried to allocate (\d+) bytes")


def read_torch(path: Path, others: bool = False) -> Any:
    """What a file holds, on the CPU: `torch.load` restricted to tensors and plain values.

    Every tensor in it is an ordinary one, whose values are all in the file.

    Args:
        path: the file.
        others: whether it may be of other people's making, with objects beside its tensors that
            are of no use here (`foreign.NAMES`), or of safetensors.

    Raises:
        UsageError: it is an output of the running command.
        WsssError: missing, no regular file, of another kind, which is named, damaged, in need of
            code, odd tensors, or no memory.
    """
    import pickle

    import torch

    ledger.read(path)
    try:
        check_regular(path)
    except (OSError, ValueError) as err:
        raise WsssError(f"{path}: {why_not(err)}") from None
    try:
        found = foreign.safetensors(path) if others else None
        if found is None:
            if known := foreign.stranger(path):
                raise WsssError(f"{path}: {known[0]}", known[1])
            _check_parts(path)
            with warnings.catch_warnings(), foreign.stand_ins() if others else nullcontext():
                warnings.simplefilter("ignore")  # of odd pickles; what cannot be read is said below
                found = torch.load(path, map_location="cpu", weights_only=True)
        for name, tensor in _tensors(found):
            check_tensor(name, tensor)
        return found
    except pickle.UnpicklingError as err:
        code = foreign.forbidden(err)
        raise WsssError(
            f"{path}: holds more than tensors and plain values, and was not read"
            + (f": {code} would have to run code" if code else ""),
            foreign.WAY_OUT,
        ) from None
    except PermissionError:
        raise WsssError(f"{path}: permission denied") from None
    except WsssError:
        raise
    except Exception as err:  # torch raises many kinds for damaged files
        raise _refusal(path, err) from None


def check_tensor(name: str, tensor: Tensor) -> None:
    """Raise ValueError where a tensor is of an odd kind, or claims more values than it has."""
    import torch

    odd = None
    if type(tensor) not in (torch.Tensor, torch.nn.Parameter) or tensor.is_nested:
        odd = "nested, or of a class of its own"
    elif tensor.layout != torch.strided:
        odd = "sparse"
    elif str(tensor.dtype).removeprefix("torch.") not in PLAIN:
        odd = f"of {str(tensor.dtype).removeprefix('torch.')}"
    elif tensor.device.type != "cpu":
        odd = "without values"
    elif tensor.untyped_storage().nbytes() < tensor.numel() * tensor.element_size():
        odd = f"declared as {'x'.join(map(str, tensor.shape))}, which is more than it holds"
    if odd is not None:
        raise ValueError(f"tensor {name} is {odd}")


def not_finite(state: Mapping[str, Tensor]) -> list[str]:
    """Names of the tensors that hold NaN or infinity, with which no network computes anything."""
    return [name for name, tensor in state.items() if not bool(tensor.isfinite().all())]


def check_plain(name: str, value: Any) -> None:
    """Raise ValueError where a value is not made of lists, dicts by name, text and numbers."""
    waiting, count = [value], 0
    while waiting:
        one, count = waiting.pop(), count + 1
        if count > MOST:  # a list may stand in itself, or ten times in each of ten others
            raise ValueError(f"{name} holds too much")
        if type(one) is dict:
            if not all(type(key) is str for key in one):
                raise ValueError(f"{name} has a key that is no text")
            waiting += one.values()
        elif type(one) in (list, tuple):
            waiting += one
        elif one is not None and type(one) not in (str, bool, int, float):
            raise ValueError(f"{name} holds a {type(one).__name__}")


def _check_parts(path: Path) -> None:
    """Raise ValueError where a zip file declares more than it holds; torch packs nothing."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as parts:
        infos = parts.infolist()
    if any(one.compress_type != zipfile.ZIP_STORED for one in infos):
        raise ValueError("its parts are compressed, which torch.save does not do")
    declared = sum(one.file_size for one in infos)
    if declared > path.stat().st_size:
        raise ValueError(f"its parts declare {declared} bytes")


def _tensors(value: Any) -> Iterator[tuple[str, Tensor]]:
    """All tensors in containers, each once, with its name in the last of them."""
    from torch import Tensor

    waiting: list[tuple[Any, Any]] = [("?", value)]
    seen: set[int] = set()
    while waiting:
        name, one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, Tensor):
            yield str(name), one
        elif isinstance(one, Mapping):
            if any(isinstance(key, Tensor) for key in one):
                raise ValueError("a tensor stands where a name should")
            waiting += one.items()
        elif isinstance(one, list | tuple | set):
            waiting += [(name, inner) for inner in one]


def _refusal(path: Path, err: Exception) -> WsssError:
    text = str(err)
    asked = ASKED_FOR.search(text)
    if asked is not None and int(asked[1]) > path.stat().st_size:
        return WsssError(f"{path}: not a weights file (a tensor declares {asked[1]} bytes)")
    short = shortage(err)
    if short is not None:
        return WsssError(f"{path}: {short}", short.hint)
    reason = (text.splitlines() or [type(err).__name__])[0]
    return WsssError(f"{path}: not a weights file ({reason})")
