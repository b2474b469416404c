"""make-seeds: confident partial labels from class activation maps."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from ..console import log
from ..errors import UsageError
from ..inference.saliency import SaliencyOptions
from ..inference.seeding import NAME, SeedTask
from ..inference.writing import workers_for, write_made
from ..methods.make_seeds import CARDS
from ..options.cards import Chosen
from ..options.crf import NONE
from ..options.files import Reads, Writes
from ..options.groups import Help, Without, grouped
from ..options.machine import Machine
from ..options.refine import RefineOptions
from ..options.select import Select
from ..options.shared import Data, Force, Ids, Quiet, ShardOption

REFINE, SALIENCY, MACHINE = RefineOptions(), SaliencyOptions(), Machine()
REFINING = [card.name for card in CARDS if card.crf != NONE]

__all__ = ["NAME", "run"]


def refused(spelled: str, method: str, owners: Sequence[str]) -> UsageError:
    """The error of another method's option."""
    return UsageError(f"{spelled}: is of --method {' or '.join(owners)}, not {method}")


@grouped()
def run(
    method: Annotated[Chosen, Select(CARDS, "Rule that turns maps into seeds.", refusal=refused)],
    cam: Annotated[
        Path,
        typer.Option(
            "--cam",
            metavar="FILE",
            help="File of maps, from `wsss make-cam` or `random-walk --scores`.",
        ),
        Reads(),
    ] = Path("cam.h5"),
    data: Data = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="File of seeds to write."), Writes()
    ] = Path("seeds.h5"),
    saliency: SaliencyOptions = SALIENCY,
    refinement: RefineOptions = REFINE,
    ids: Ids = None,
    machine: Annotated[
        Machine,
        Without("precision"),
        Help(device="Device that PAMR computes on: auto, cpu, cuda, cuda:N or mps."),
    ] = MACHINE,
    shard: ShardOption = "1/1",
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Label what the maps are sure of; the rest becomes 255.

    irn compares two thresholds, psa two strengths of background, each after a CRF of the same
    name, or PAMR; threshold refines nothing. Of maps that hold their own background (psa's random
    walk), threshold takes the classes' shares against it: 0.5 is where both are equal, and the
    default. oaa labels whole images, by maps against saliency. cues takes no maps but SEC's
    published cues.

    Example: wsss make-seeds --cam cam.h5 -o seeds.h5 --method irn --fg 0.3 --bg 0.05
    """
    from ..artifacts import LABEL, Shard, create

    card = method.card
    refine = card.refinement(refinement, machine.device, REFINING)
    salient = saliency.opened()
    card.check(salient)
    part = Shard.parse(shard)
    with ExitStack() as files:
        seeds = card.begin(SeedTask(cam, data, ids, refine, salient), method, files)
        if seeds.said:
            log(f"{NAME}: {seeds.said}", quiet)
        with create(
            out,
            LABEL,
            classes=seeds.classes,
            params=seeds.params,
            inputs=seeds.inputs,
            ids=seeds.ids,
            shard=part,
            learns=seeds.learns,
            force=force,
        ) as target:
            jobs = [(image_id,) for image_id in target.todo]
            count = workers_for(refine, machine.workers, len(jobs)) if seeds.travels else 0
            write_made(target, seeds.make, jobs, count, NAME, quiet)
        log(f"{NAME}: {len(target)} items -> {out}", quiet)
