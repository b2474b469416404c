"""pack --demo: a data set of small scenes drawn by rule, see `demo_scenes`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .reading import Asked, Reader
from .sample import Collection


def read(count: int, asked: Asked, _: Any) -> Collection:
    """Scenes to train on, and a third as many to validate on."""
    from .demo_scenes import demo_scenes

    return demo_scenes(count, -(-count // 3), asked.seed)


READER = Reader(
    name="demo",
    source=Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="Number of scenes to draw for training; N/3 more are drawn for the split val.",
        ),
    ],
    read=read,
    takes=(),
    drawn=True,
)
