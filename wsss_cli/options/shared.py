"""The options that many stages share, spelled once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from .files import Reads

Choice = TypeVar("Choice", bound=str | int | None)

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar="WSSS_DATA",
        metavar="FILE",
        help="Data set, from `wsss pack`. Default: the one that the input was made from; without "
        "an input, data.h5.",
    ),
    Reads(),
]
FirstData = Annotated[  # of commands that have no other input to find it by
    Path,
    typer.Option("--data", envvar="WSSS_DATA", metavar="FILE", help="Data set, from `wsss pack`."),
    Reads(),
]
Split = Annotated[
    str | None, typer.Option("--split", metavar="NAME", help="Split whose images are taken.")
]
Ids = Annotated[
    str | None,
    typer.Option(
        "--ids", metavar="FILE", help="File of the ids to take, one per line; - reads stdin."
    ),
    Reads(but=("-",)),
]
ShardOption = Annotated[
    str,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Do the I-th of N parts of the images; `wsss merge` joins the parts.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace an existing output.")]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print no progress and no messages but errors.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of the random numbers.")]
Device = Annotated[
    str,
    typer.Option(
        "--device", metavar="NAME", help="Device to compute on: auto, cpu, cuda, cuda:N or mps."
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", min=0, metavar="N", help="Number of worker processes. Default: as fits."
    ),
]


def any_of(names: Iterable[str]) -> Callable[[], list[str]]:
    """What Tab offers for an option that takes one of `names`.

    A lambda would not do: in a dataclass's annotation it sees nothing of its module by then.
    """
    found = list(names)
    return lambda: found


def one_of(names: Collection[str | int]) -> Callable[[Choice], Choice]:
    """A callback for an option that takes one of `names`, or nothing."""

    def check(value: Choice) -> Choice:
        if value is not None and value not in names:
            listed = ", ".join(map(str, names))
            raise typer.BadParameter(f"{value!r} is not one of {listed}")
        return value

    return check
