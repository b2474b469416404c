"""train-aff: which pixels belong together, learned from seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..methods.train_aff import CARDS
from ..options.cards import Chosen
from ..options.files import Reads, Writes
from ..options.groups import Help, Without, grouped
from ..options.select import Select
from ..options.shared import Data, Split
from ..options.training import Body, Crops, Recipe, Setting
from ..training.affinities import NAME, AffinityTask
from ..training.lesson import teach

BODY = Body(freeze_stages=2)
RECIPE = Recipe(epochs=8, batch_size=16, lr=1e-2)
CROPS = Crops()
SETTING = Setting()

__all__ = ["NAME", "run"]


@grouped()
def run(
    method: Annotated[Chosen, Select(CARDS, "What the network learns.")],
    seeds: Annotated[
        Path,
        typer.Option("--seeds", metavar="FILE", help="File of label maps to learn from."),
        Reads(),
    ] = Path("seeds.h5"),
    data: Data = None,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="FILE", help="File of weights to write."),
        Writes(),
    ] = Path("aff.pt"),
    radius: Annotated[
        int,
        typer.Option(
            min=2, help="Radius of the disk in which a pixel is paired with others, in cells."
        ),
    ] = 10,
    split: Split = None,
    body: Annotated[
        Body,
        Help(
            freeze_stages="psa: number of the backbone's first stages that do not train (irn: "
            "none of its stages trains)."
        ),
    ] = BODY,
    recipe: Annotated[
        Recipe,
        Help(
            lr="Learning rate at the start, of the backbone (psa) or of the boundary head (irn).",
            head_multiplier="Learning rate of the head (psa) or of the displacement head "
            "(irn), as a multiple of --lr.",
        ),
    ] = RECIPE,
    crops: Annotated[
        Crops,
        Without("long_side", "max_side"),
        Help(crop="Side of the training crops, in pixels."),
    ] = CROPS,
    setting: Setting = SETTING,
) -> None:
    """Train a network that tells which near pixels belong together, for `random-walk`.

    Learns from pairs of pixels that seeds label; 255 teaches nothing. Takes all seeds but those
    of a split `val`, unless --split says otherwise. Interrupted, the same command goes on.

    Example: wsss train-aff --seeds seeds.h5 --method irn --backbone resnet50 -o aff.pt
    """
    task = AffinityTask(out, seeds, data, split, radius, body, recipe, crops, setting)
    teach(method, task, out, recipe, setting)
