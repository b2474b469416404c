"""make-cam: class activation maps of a trained classifier."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ..console import log
from ..errors import UsageError
from ..inference.classifiers import Network
from ..inference.feed import Feed, threads
from ..inference.images import wanted_ids
from ..inference.maps import NAME, Drawing, load_image, map_items
from ..inference.writing import write
from ..methods.make_cam import CARDS
from ..methods.rebuild import classifier
from ..options.cards import Chosen, Due
from ..options.files import Reads, Writes
from ..options.groups import Help, grouped
from ..options.looking import Looking
from ..options.machine import Machine
from ..options.select import Select
from ..options.shared import Data, Force, Ids, Quiet, ShardOption, Split

METHOD = Due(
    lambda options: "gradcam" if options["network"] else "cam", "cam; gradcam of a --network"
)
LOOKING, DRAWING, NETWORK, MACHINE = Looking(), Drawing(), Network(), Machine()

__all__ = ["NAME", "run"]


def refused(spelled: str, method: str, owners: Sequence[str]) -> UsageError:
    """The error of another method's option."""
    return UsageError(
        f"{spelled}: --method {method} has no use for it", f"{', '.join(owners)} have"
    )


@grouped()
def run(
    method: Annotated[Chosen, Select(CARDS, "Rule that makes the maps.", METHOD, refusal=refused)],
    weights: Annotated[
        Path,
        typer.Option(
            "--weights",
            "-w",
            metavar="FILE",
            help="Weights, from `wsss train-cls`, or those that --network names.",
        ),
        Reads(),
    ] = Path("cls.pt"),
    data: Data = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="File of maps to write."), Writes()
    ] = Path("cam.h5"),
    network: Network = NETWORK,
    split: Split = None,
    ids: Ids = None,
    looking: Looking = LOOKING,
    drawing: Drawing = DRAWING,
    machine: Annotated[
        Machine, Help(workers="Number of threads that load images. Default: as fits.")
    ] = MACHINE,
    shard: ShardOption = "1/1",
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Draw where each class of an image was recognised.

    Takes all images of the data set unless --split or --ids says otherwise. Maps of the scaled and
    mirrored copies are summed and divided by their maximum. cam reads them off the network that
    train-cls trained; the other methods take gradients, so any classifier serves, torchvision's by
    --network. Interrupted, the same command goes on.

    Example: wsss make-cam --weights cls.pt -o cam.h5
    """
    from ..artifacts import CAM, Shard, create, open_dataset

    network.check(method.card)
    views, place, part = looking.views(), machine.place(), Shard.parse(shard)
    trained = network.weights(weights)
    with open_dataset(data, trained) as reader:
        wanted = wanted_ids(reader, split, ids)
        model, looked = network.model(trained, method, reader, place, classifier)
        if "found" in looked:
            log(f"{NAME}: {trained.path}: {looked['found']}", quiet)
        with create(
            out,
            CAM,
            classes=reader.classes,
            params={**views.record(), **drawing.record(), **place.record(), **looked},
            inputs=[reader, trained],
            ids=wanted,
            shard=part,
            learns=(*drawing.learns, *method.card.learns),
            force=force,
        ) as target:
            load = partial(load_image, reader, views, drawing)
            feed = Feed(place, threads(machine.workers, place), looking.batch_size, views.max_side)
            batches = feed.batches(load, target.todo, reader)
            items = map_items(model, place, views.flip, drawing, batches, trained.path)
            write(target, items, NAME, quiet)
        log(f"{NAME}: {len(target)} items -> {out}", quiet)
