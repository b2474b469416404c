"""random-walk: pseudo masks, from maps spread along learned affinities."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..artifacts.maps import check_maps
from ..console import log
from ..errors import UsageError
from ..inference.pseudo_masks import Labeller, Task, fill
from ..inference.walking import NAME, Walker
from ..methods.random_walk import CARDS
from ..methods.rebuild import affinity as network
from ..options.annotations import Default
from ..options.cards import Chosen
from ..options.crf import NONE
from ..options.files import Reads, Writes
from ..options.groups import Help, Without, grouped
from ..options.ids import select_ids
from ..options.looking import Looking
from ..options.machine import Machine
from ..options.refine import RefineOptions, recorded
from ..options.select import Select
from ..options.shared import Data, Force, Ids, Quiet, ShardOption

if TYPE_CHECKING:
    from ..artifacts.provenance import Source
    from ..core.pseudo import Unary

REFINE, LOOKING, MACHINE = RefineOptions(crf=NONE), Looking(), Machine()

__all__ = ["NAME", "run"]


class CrfUnary(str, enum.Enum):
    """What the CRF is told about a pixel."""

    scores = "scores"
    labels = "labels"


def refused(spelled: str, method: str, owners: Sequence[str]) -> UsageError:
    """The error of another method's option."""
    if CARDS[0].name in owners:
        return UsageError(f"{spelled}: is of the {CARDS[0].name}, and --method is {method}")
    return UsageError(f"{spelled}: needs --method {' or '.join(owners)}")


@grouped()
def run(
    method: Annotated[
        Chosen, Select(CARDS, "Rule by which scores spread over the image.", refusal=refused)
    ],
    cam: Annotated[
        Path,
        typer.Option("--cam", metavar="FILE", help="File of maps, from `wsss make-cam`."),
        Reads(),
    ] = Path("cam.h5"),
    weights: Annotated[
        Path,
        typer.Option("--weights", "-w", metavar="FILE", help="Weights, from `wsss train-aff`."),
        Reads(),
    ] = Path("aff.pt"),
    data: Data = None,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="FILE", help="File of pseudo masks to write."),
        Writes(),
    ] = Path("pseudo.h5"),
    scores: Annotated[
        Path | None,
        typer.Option(
            "--scores",
            metavar="FILE",
            help="File to write the walked maps to as well, for `make-seeds --cam` and `eval`.",
        ),
        Writes(),
    ] = None,
    refinement: RefineOptions = REFINE,
    crf_unary: Annotated[
        CrfUnary | None,
        typer.Option(
            "--crf-unary",
            help="What the CRF or PAMR refines: the walked scores, or the labels that they give.",
        ),
        Default(CrfUnary.scores),
    ] = None,
    ids: Ids = None,
    looking: Annotated[
        Looking,
        Without("scales", "flip", "batch_size"),
        Help(
            max_side="Longest side of an image in pixels; longer images are looked at and walked "
            "over at this size. 0: no limit."
        ),
    ] = LOOKING,
    machine: Machine = MACHINE,
    shard: ShardOption = "1/1",
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Spread the maps of each image along the affinities of its pixels, and label it by them.

    The weights decide how: psa walks background and classes on a grid of stride 8, and the
    strongest wins; irn walks the classes within boundaries at stride 4, and a class wins above
    --threshold of the strongest score in the image. nearest does not walk: what the maps are unsure
    of takes the class whose sure pixels its psa features resemble most on average. Workers run
    the CRF, if there is one.
    The published 256 steps reach across a third of a 500x375 image, and across all of a small
    one; auto takes fewer there and more on large images, in powers of two.

    Example: wsss random-walk --cam cam.h5 --weights aff.pt -o pseudo.h5 --scores walk.h5
    """
    from ..artifacts import CAM, Shard, load_weights, open_artifact, open_dataset

    refine = refinement.refinement(device=machine.device)
    if refine is None and crf_unary is not None:
        raise UsageError("--crf-unary: there is no CRF", "--crf names one")
    unary: Unary = "labels" if crf_unary is CrfUnary.labels else "scores"
    part, place, max_side = Shard.parse(shard), machine.place(), looking.views().max_side
    trained = load_weights(weights, "wsss/aff")
    by, crop = str(trained.config.get("method")), trained.params.get("crop")
    spread = method.card.spread(by, method.options, crop if isinstance(crop, int) else 0)
    with open_artifact(cam, CAM) as maps, open_dataset(data, maps, trained) as reader:
        wanted = select_ids(maps.ids, ids, maps.path)
        check_maps(maps, reader, wanted)
        walker = Walker(maps, reader, network(trained, place), weights, place, spread, max_side)
        labeller = Labeller(maps, reader, spread, refine, unary)
        inputs: list[Source] = [reader, maps, trained]
        task = Task(out, scores, maps, inputs, wanted, part, force, method.card.learns)
        of_scores = {**spread.scores_record(), "max_side": max_side, **place.record()}
        of_labels = {**spread.labels_record(), **recorded(refine)}
        of_labels["crf_unary"] = unary if refine else None
        with task.open(of_scores, of_labels) as outputs:
            fill(outputs, walker, labeller, machine.workers, quiet)
        log(f"{NAME}: {len(outputs.labels)} items -> {out}", quiet)
        if scores is not None:
            log(f"{NAME}: walked maps -> {scores}", quiet)
