"""The methods of train-cls: their defaults, and the options that only one of them has."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ...options.groups import Due, refuse


class Method(str, enum.Enum):
    """The plain classifier, or one of those that are trained for their maps."""

    cam = "cam"
    seam = "seam"
    oaa = "oaa"
    iam = "iam"


# Longer side over crop: SEAM's 448..768 with 448. The others see whole images: OAA, so that what is
# accumulated does not depend on the crop, and all of them for better maps (docs/results.md).
RELATIVE_SIDES: dict[Method, tuple[float, float]] = {
    Method.cam: (1, 1),
    Method.seam: (1, 12 / 7),
    Method.oaa: (1, 1),
    Method.iam: (1, 1),
}
WHOLE = 500  # pixels; VOC's photographs as they are
JITTER = "0.3,0.3,0.3,0.1"


def layered(method: Method, layers: int) -> bool:
    """Whether there are layers that start at random between backbone and classifier."""
    return method in (Method.oaa, Method.iam) and layers > 0


def starts_as_probe(probe: bool | None, weights: str, method: Method, layers: int) -> bool:
    """Whether the head starts as a linear probe: as --probe says, else where one can be fitted."""
    return weights != "random" and not layered(method, layers) if probe is None else probe


def _if_probed(probed: Any, other: Any) -> Due:
    def of(options: Mapping[str, Any]) -> Any:
        names = ("probe", "weights", "method", "layers")
        return probed if starts_as_probe(*(options[name] for name in names)) else other

    return Due(of, f"{probed} with a probe, else {other}")


def _attention(rate: float) -> dict[str, Any]:
    """As published (Jiang et al., ICCV 2019, and its code) with --layers, but for the images' size.

    Without them the head starts as a probe and trains like the plain classifier's.
    """

    def either(deep: Any, probed: Any) -> Due:
        return Due(
            lambda given: deep if given["layers"] else probed,
            f"{deep} if --layers, else {probed}",
        )

    return {
        "output_stride": either(8, 16),
        "dropout": 0.0,
        "epochs": either(15, 5),
        "batch_size": either(5, 16),
        "lr": either(rate, 3e-3),
        "head_multiplier": either(10.0, 100.0),
        "weight_decay": 5e-4,
        "crop": either(320, WHOLE),
        "jitter": JITTER,
    }


# seam: as published (Wang et al., CVPR 2020, and its code), but for a tenth of its rate, since
# that goes without momentum. A probe's head is no random one: channels dropped from it, and a rate
# too low to find its offset, send that error to the backbone. iam's rate is five times the
# published one, which adds up what five images lose.
DEFAULTS: dict[Method, dict[str, Any]] = {
    Method.cam: {
        "output_stride": 16,
        "dropout": 0.0,
        "epochs": _if_probed(3, 5),
        "batch_size": 16,
        "lr": 3e-3,
        "head_multiplier": 100.0,
        "weight_decay": 1e-4,
        "crop": WHOLE,
        "jitter": None,
    },
    Method.seam: {
        "output_stride": 8,
        "dropout": _if_probed(0.0, 0.5),
        "epochs": 8,
        "batch_size": 8,
        "lr": 1e-3,
        "head_multiplier": _if_probed(100.0, 10.0),
        "weight_decay": 5e-4,
        "crop": 448,
        "jitter": JITTER,
    },
    Method.oaa: _attention(1e-3),
    Method.iam: _attention(5e-3),
}


@dataclass(frozen=True, kw_only=True)
class Seam:
    """What only SEAM has."""

    pair_scale: Annotated[
        float, typer.Option(min=0.05, max=0.95, help="seam: side of the small copy over --crop.")
    ] = 0.3
    er_weight: Annotated[
        float, typer.Option(min=0, help="seam: of the equivariance loss, between the two copies.")
    ] = 1.0
    ecr_weight: Annotated[
        float, typer.Option(min=0, help="seam: of the loss between maps and refined maps.")
    ] = 1.0
    min_weight: Annotated[
        float, typer.Option(min=0, help="seam: of the min-pooling loss; 0 in the paper.")
    ] = 1.0
    suppress: Annotated[
        bool,
        typer.Option(
            "--suppress/--no-suppress", help="seam: refine each cell's strongest class alone."
        ),
    ] = True
    detach: Annotated[
        bool,
        typer.Option(
            "--detach/--no-detach", help="seam: refining does not train the backbone (as the code)."
        ),
    ] = True


@dataclass(frozen=True, kw_only=True)
class Attention:
    """What only accumulated attention has."""

    layers: Annotated[
        int,
        typer.Option(
            min=0, max=8, help="oaa, iam: 3x3 layers before the classifier (published: 3)."
        ),
    ] = 0
    maps: Annotated[
        Path | None,
        typer.Option(
            "--maps", metavar="FILE", help="oaa: maps to write. Default: --out, as .cam.h5."
        ),
    ] = None
    attention_stride: Annotated[
        int, typer.Option(min=1, max=256, help="oaa: image pixels per cell of these maps.")
    ] = 8
    attention_from: Annotated[
        int, typer.Option(min=0, help="oaa: epochs to let pass before maps count.")
    ] = 1
    gate: Annotated[
        bool,
        typer.Option("--gate/--no-gate", help="oaa: take maps of classes that score highest only."),
    ] = True
    drop: Annotated[
        float,
        typer.Option(
            "--attention-drop",
            min=0,
            max=1,
            metavar="SHARE",
            help="oaa: images that lose what was attended to lately (OAA-drop: 0.5).",
        ),
    ] = 0.0
    drop_above: Annotated[
        float, typer.Option(min=0, max=1, help="oaa: attention at which pixels are lost.")
    ] = 0.6
    subtract_min: Annotated[
        bool,
        typer.Option(
            "--subtract-min/--no-subtract-min", help="oaa: stretch the maps written to 0..1."
        ),
    ] = False
    targets: Annotated[
        Path | None, typer.Option("--targets", metavar="FILE", help="iam: maps to learn from.")
    ] = None


def refuse_others(method: Method, seam: Seam, attention: Attention) -> None:
    """Raise UsageError for an option that only other methods have."""
    usual = Attention()
    if method is not Method.seam:
        refuse(method, [seam], [Seam()])
    if method is Method.iam:
        attention = replace(attention, layers=usual.layers, targets=usual.targets)
    if method is not Method.oaa:
        refuse(method, [attention], [usual])
