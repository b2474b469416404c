"""The options that many stages share, spelled once."""

from __future__ import annotations

import enum
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from .cores import free_cores
from .errors import UsageError, WsssError
from .heap import keep_heap

if TYPE_CHECKING:
    import torch


class Precision(str, enum.Enum):
    """Arithmetic of the network's convolutions; everything else stays in float32."""

    f32 = "f32"
    bf16 = "bf16"
    auto = "auto"


class TrainPrecision(str, enum.Enum):
    """The same for training, where float16 needs scaled gradients."""

    f32 = "f32"
    bf16 = "bf16"
    fp16 = "fp16"
    auto = "auto"


Choice = TypeVar("Choice", bound=str | int | None)
AnyPrecision = TypeVar("AnyPrecision", Precision, TrainPrecision)

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar="WSSS_DATA",
        metavar="FILE",
        help="Data set, from `wsss pack`. Default: the one that the input was made from; without "
        "an input, data.h5.",
    ),
]
Split = Annotated[
    str | None, typer.Option("--split", metavar="NAME", help="Take this split's images.")
]
Ids = Annotated[
    str | None,
    typer.Option("--ids", metavar="FILE", help="Take the ids in FILE (- is stdin), one a line."),
]
ShardOption = Annotated[
    str, typer.Option("--shard", metavar="I/N", help="Do the Ith of N parts, for `wsss merge`.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace an existing output.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no talk; errors only.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Random seed.")]
Device = Annotated[
    str, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:N or mps.")
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=0, metavar="N", help="Worker processes. Default: as fits."),
]
PrecisionOption = Annotated[
    Precision, typer.Option("--precision", help="Arithmetic of the network's convolutions.")
]


def one_of(names: Collection[str | int]) -> Callable[[Choice], Choice]:
    """A callback for an option that takes one of `names`, or nothing."""

    def check(value: Choice) -> Choice:
        if value is not None and value not in names:
            listed = ", ".join(map(str, names))
            raise typer.BadParameter(f"{value!r} is not one of {listed}")
        return value

    return check


def resolve_device(name: str) -> torch.device:
    """The torch device of a --device option, made ready; `auto` takes a GPU where there is one.

    On CUDA float32 is float32 from here on, whatever the precision of the network: see
    `forbid_tf32`. A numbered GPU is the current one, or threads that pin memory and whatever else
    asks for the current one would take memory of GPU 0 too. Torch sees the cores that a process is
    bound to, and not a container's quota: its threads are held to that here. On a CPU, freed memory
    is kept: see `keep_heap`.

    Raises:
        UsageError: no such device here.
    """
    import torch

    from .nets.precision import forbid_tf32

    device = _device(name)
    if device.type == "cuda":
        forbid_tf32()
        if device.index is not None:
            torch.cuda.set_device(device)
    if device.type == "cpu":
        keep_heap()
    if torch.get_num_threads() > free_cores():
        torch.set_num_threads(free_cores())
    return device


def _device(name: str) -> torch.device:
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"--device {name}: unknown", "auto, cpu, cuda, cuda:N or mps") from None
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }.get(device.type, False)
    if not available:
        raise UsageError(f"--device {name}: not available here", "--device auto takes what is")
    return device


def resolve_precision(precision: AnyPrecision, device: torch.device) -> AnyPrecision:
    """The precision of a --precision option; `auto` is what the device does well.

    Raises:
        UsageError: not on this device.
    """
    from .nets.precision import suited_precision

    if precision.value == "auto":
        return type(precision)(suited_precision(device))
    if precision.value == "fp16" and device.type != "cuda":
        raise UsageError("--precision fp16: needs a CUDA device", "bf16, f32 and auto do without")
    return precision


def need_ids(ids: list[str], source: Path, split: str | None) -> list[str]:
    """The ids, of which there must be one: nothing was ever meant to be made of none.

    Raises:
        WsssError: there is none.
    """
    if not ids:
        where = f"split {split!r} holds" if split else "holds"
        raise WsssError(f"{source}: {where} no image")
    return ids


def _read_list(listed: str) -> str:
    """The text of a file or, for -, of stdin: UTF-8 wherever this runs, as `info --ids` writes it.

    Raises:
        WsssError: it cannot be read, or is not UTF-8.
    """
    try:
        if listed != "-":
            content = Path(listed).read_bytes()
        elif sys.stdin is None:
            raise WsssError("--ids -: there is no stdin")
        else:
            content = sys.stdin.buffer.read()
        return content.decode("utf-8-sig")
    except OSError as err:
        reason = err.strerror or err
    except UnicodeDecodeError:
        reason = "not UTF-8 text"
    raise WsssError(f"{listed}: cannot be read as a list of ids ({reason})")


def select_ids(candidates: Sequence[str], listed: str | None, source: Path) -> list[str]:
    """`candidates`, or those that an --ids file names.

    Args:
        candidates: the ids that the inputs hold.
        listed: a file's name, - for stdin, or None for all.
        source: what to name when an id is not there.

    Raises:
        WsssError: the file cannot be read, is empty, or names an id that is not there.
    """
    if listed is None:
        return list(candidates)
    text = _read_list(listed)
    wanted = list(dict.fromkeys(line.rstrip("\r") for line in text.split("\n") if line.strip()))
    if not wanted:
        raise WsssError(f"{listed}: names no image")
    known = set(candidates)
    unknown = [image_id for image_id in wanted if image_id not in known]
    if unknown:
        raise WsssError(
            f"{listed}: {len(unknown)} of {len(wanted)} ids are not in {source}, "
            f"first {unknown[0]!r}"
        )
    return wanted
