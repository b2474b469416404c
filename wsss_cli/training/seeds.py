"""Training a segmentation network from seeds: the options of sec and dsrg, and what both do."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import UsageError
from ..options.cards import Due
from ..options.crf import NONE, CrfOptions
from .labelled import Labelled, LabelOptions, usual
from .probes import starts_as_probe
from .seed_samples import seeded_crop, supervision
from .supervision import GridOptions, Supervision, check_cells

if TYPE_CHECKING:
    from ..artifacts import Artifact, DatasetReader
    from .augment import Augment
    from .data import Load
    from .losses import Loss
    from .seeded import SeededLoss

SIDES = 4, 16  # of a cell, pixels
CRF = "sec-train"


class Scores(str, enum.Enum):
    """Whose scores let seeds grow."""

    crf = "crf"
    network = "network"


class Unary(str, enum.Enum):
    """What a CRF in training starts from."""

    log = "log"
    prob = "prob"


@dataclass(frozen=True, kw_only=True)
class SeedOptions(LabelOptions, CrfOptions, GridOptions):
    """What losses of seeds are made of; None for what has no part in them."""

    terms: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="Terms whose sum is the loss, of seed, balanced, expand, constrain, boundary.",
        ),
    ] = "seed"
    grow: Annotated[bool, typer.Option("--grow/--no-grow", help="Let seeds grow in each step.")] = (
        False
    )
    grow_fg: Annotated[
        float | None, typer.Option(help="Score above which a class grows into a cell.")
    ] = None
    grow_bg: Annotated[
        float | None, typer.Option(help="Score above which background grows into a cell.")
    ] = None
    grow_scores: Annotated[
        Scores | None,
        typer.Option(help="Source of the scores by which seeds grow: the CRF or the network."),
    ] = None
    decay_fg: Annotated[
        float | None,
        typer.Option(
            help="Term expand: decay of the pooling of a class's cells; 0 takes their maximum, 1 "
            "their mean."
        ),
    ] = None
    decay_bg: Annotated[
        float | None, typer.Option(help="Term expand: the same decay for background.")
    ] = None
    unary: Annotated[
        Unary,
        typer.Option(
            help="What the CRF starts from: the logarithm of the probabilities (log) or, as in "
            "DSRG's code, the probabilities (prob)."
        ),
    ] = Unary.log


def usual_of(terms: str, grow: bool, **changes: Any) -> dict[str, Any]:
    """The defaults of a loss of seeds.

    Args:
        terms, grow: published.
        changes: other defaults that differ, by name.
    """
    return {
        **usual(**changes),
        "crf": CRF,
        "terms": terms,
        "grow": grow,
        "grow_fg": _where(lambda options: options["grow"], 0.85),
        "grow_bg": _where(lambda options: options["grow"], 0.99),
        "grow_scores": Due(
            lambda options: Scores.crf if options["grow"] and options["crf"] != NONE else None,
            "crf, where there is one",
        ),
        "decay_fg": _where(_expands, 0.996),
        "decay_bg": _where(_expands, 0.999),
    }


def _where(part: Callable[[Mapping[str, Any]], bool], value: float) -> Due:
    """A default of what has a part in the loss or none."""
    return Due(lambda options: value if part(options) else None, f"{value:g}")


def _expands(options: Mapping[str, Any]) -> bool:
    return "expand" in _names(options["terms"])


def _names(terms: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in terms.split(","))


def probes_if_asked(options: Mapping[str, Any]) -> bool:
    """Whether the head starts as a linear probe, of all of train-seg's options."""
    return starts_as_probe(options, usual=False)


def seeded_loss(options: SeedOptions, crop: int, aux_weight: float) -> SeededLoss:
    """The loss that the options ask for.

    Raises:
        UsageError: options that contradict or are out of range.
    """
    from .seeded import OF_CRF, TERMS, SeededLoss

    terms, params = _names(options.terms), options.chosen()
    if len(set(terms)) < len(terms) or not set(terms) <= set(TERMS):
        names = ", ".join(TERMS)
        raise UsageError(f"--terms {options.terms}: need names of {names}, each once")
    if params is None and (found := set(terms) & set(OF_CRF)):
        raise UsageError(f"--terms {min(found)}: needs a CRF", f"--crf {NONE} leaves none")
    if params is None and options.grow_scores is Scores.crf:
        raise UsageError("--grow-scores crf: needs a CRF", f"--crf {NONE} leaves none")
    parts = {name: getattr(options, name) for name in _PARTS}
    given = {name: value for name, value in parts.items() if value is not None}
    for name in given:
        if name.startswith("grow") and not options.grow:
            raise UsageError(f"--{name.replace('_', '-')}: nothing grows", "--grow has it grow")
        if name.startswith("decay") and "expand" not in terms:
            raise UsageError(f"--{name.replace('_', '-')}: no term is expand", "see --terms")
    _check(given)
    check_cells(options.grid_stride, crop, SIDES)
    return SeededLoss(
        terms,
        options.grow,
        crf=params,
        unary=options.unary.value,
        stride=options.grid_stride,
        aux_weight=aux_weight,
        **{k: v.value if isinstance(v, enum.Enum) else v for k, v in given.items()},
    )


_PARTS = ("grow_fg", "grow_bg", "grow_scores", "decay_fg", "decay_bg")


def _check(given: Mapping[str, Any]) -> None:
    for name in ("decay_fg", "decay_bg", "grow_fg", "grow_bg"):
        value = given.get(name, 0.5)
        if not math.isfinite(value) or value < 0 or (name.startswith("decay") and value > 1):
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} {value}: must lie in 0..1")


@dataclass(frozen=True)
class Seeding(Labelled):
    """A network that learns from seeds.

    Attributes:
        seeded: the loss.
    """

    seeded: SeededLoss = field(init=False)

    probes = False

    def check(self) -> None:
        task = self.task
        seeded = seeded_loss(self.options, task.crops.crop, task.head.aux)
        object.__setattr__(self, "seeded", seeded)

    def loss(self) -> Loss:
        from .losses import Loss, count_images

        return Loss(count_images, self.seeded.share)

    def params(self) -> dict[str, Any]:
        return asdict(self.seeded)

    def load(self, reader: DatasetReader, labels: Artifact, augment: Augment) -> Load:
        return partial(seeded_crop, reader, labels, augment, self.seeded.stride)

    def after(
        self, reader: DatasetReader, labels: Artifact, ids: Sequence[str]
    ) -> Supervision | None:
        path, side = self.options.supervision, self.task.crops.crop
        if path is None:
            return None
        written = supervision(path, self.seeded, reader, labels, ids, side)
        return written.refused_early(self.task)
