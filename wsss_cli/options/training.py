"""The options that the three training commands share, in groups (see `groups`)."""

from __future__ import annotations

import enum
import hashlib
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..artifacts.inputs import contents as contents_of
from ..errors import UsageError, WsssError
from ..machine.devices import TrainPrecision
from ..nets.names import BACKBONES, OUTPUT_STRIDES, TIMM, facts_of
from .files import Reads
from .looking import MAX_SIDE, MaxSide
from .shared import Device, Force, Quiet, Seed, Workers, any_of, one_of

if TYPE_CHECKING:
    from ..nets.base import Backbone

__all__ = [
    "MAX_SIDE",
    "BatchNorm",
    "Body",
    "Crops",
    "Recipe",
    "Setting",
    "ValEvery",
    "ValSplit",
    "interval",
]

ValSplit = Annotated[
    str | None,
    typer.Option(
        "--val-split",
        metavar="NAME",
        help="Split to validate on. Default: val, if the data set has one.",
    ),
]
ValEvery = Annotated[
    int,
    typer.Option(
        "--val-every", min=0, metavar="N", help="Validate after every N epochs; 0: never."
    ),
]


def known_backbone(value: str) -> str:
    """A callback for --backbone."""
    if value.startswith(TIMM):
        try:
            facts_of(value)
        except ValueError as err:
            raise typer.BadParameter(str(err)) from None
        return value
    return one_of(BACKBONES)(value)


class BatchNorm(str, enum.Enum):
    """What pretrained batch norms do: nothing new, train scale and shift, or train altogether."""

    frozen = "frozen"
    affine = "affine"
    train = "train"


@dataclass(frozen=True, kw_only=True)
class Body:
    """Which pretrained network, and what of it trains."""

    backbone: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            callback=known_backbone,
            autocompletion=any_of(BACKBONES),
            help=f"Network whose features are used, one of {', '.join(BACKBONES)}; or "
            f"{TIMM}NAME, a network of timm's.",
        ),
    ] = "resnet50"
    weights: Annotated[
        str,
        typer.Option(
            "--backbone-weights",
            metavar="SOURCE",
            help="Weights that the backbone starts from: imagenet (torchvision's or timm's, "
            "downloaded), random, or a FILE of torchvision, timm or wsss.",
        ),
        Reads(but=("imagenet", "random")),
    ] = "imagenet"
    output_stride: Annotated[
        int,
        typer.Option(
            callback=one_of(OUTPUT_STRIDES), help="Image pixels per cell of the features."
        ),
    ] = 16
    dilated: Annotated[
        bool,
        typer.Option(
            "--dilated/--no-dilated", help="Dilate the convolutions that follow a removed stride."
        ),
    ] = False
    freeze_stages: Annotated[
        int,
        typer.Option(min=0, max=5, help="Number of the backbone's first stages that do not train."),
    ] = 2
    batchnorm: Annotated[
        BatchNorm,
        typer.Option(
            help="Which batch-norm parameters are trained: none (frozen), scale and shift "
            "(affine), or these and the running statistics (train)."
        ),
    ] = BatchNorm.frozen

    def build(self, multi_grid: Sequence[int] = ()) -> Backbone:
        """The backbone, pretrained and frozen as asked for; `multi_grid` as `build_backbone`'s."""
        from ..nets.backbones import build_backbone, freeze_batchnorm, load_backbone_weights

        backbone = build_backbone(self.backbone, self.output_stride, self.dilated, multi_grid)
        load_backbone_weights(backbone, self.weights)
        if self.batchnorm is not BatchNorm.train:
            freeze_batchnorm(backbone, affine=self.batchnorm is BatchNorm.frozen)
        return backbone.freeze_stages(self.freeze_stages)

    def config(self) -> dict[str, Any]:
        """What the backbone's architecture is rebuilt from."""
        names = ("backbone", "output_stride", "dilated")
        found = {name: getattr(self, name) for name in names}
        return found | facts_of(self.backbone).recorded

    def params(self) -> dict[str, Any]:
        """For provenance: a file of weights is known by its contents, not by where it lies."""
        values = asdict(self)
        values["batchnorm"] = self.batchnorm.value
        if self.weights not in ("imagenet", "random"):
            path = Path(self.weights)
            try:
                contents = hashlib.sha256(contents_of(path)).hexdigest()[:16]
            except OSError as err:
                reason = err.strerror or err
                raise WsssError(
                    f"{path}: cannot be read ({reason})",
                    "--backbone-weights takes imagenet, random or a file",
                ) from None
            values["weights"] = f"{path.name} sha256:{contents}"
        return values


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything about a run's optimisation that changes its numbers."""

    epochs: Annotated[int, typer.Option(help="Number of passes over the training images.")]
    batch_size: Annotated[int, typer.Option(help="Number of images per update.")]
    accumulate: Annotated[
        int, typer.Option(help="Number of parts that a batch is split into, to save memory.")
    ] = 1
    lr: Annotated[float, typer.Option(help="Learning rate of the pretrained weights at the start.")]
    head_multiplier: Annotated[
        float, typer.Option(help="Learning rate of new layers, as a multiple of --lr.")
    ] = 10.0
    momentum: Annotated[float, typer.Option(help="Momentum of SGD.")] = 0.9
    weight_decay: Annotated[float, typer.Option(help="Weight decay of SGD.")] = 1e-4
    warmup: Annotated[
        int,
        typer.Option(help="Number of steps in which the learning rate rises to its full value."),
    ] = 0
    clip_grad: Annotated[
        float | None,
        typer.Option(
            help="Largest norm of the gradient; a larger gradient is scaled down to it. Default: "
            "no limit."
        ),
    ] = None

    def check(self, fewest: int = 1) -> None:
        """Raise UsageError for numbers that make no recipe, or fewer than `fewest` epochs."""
        rules = (
            ("--epochs", self.epochs >= fewest, f"at least {fewest}"),
            ("--batch-size", self.batch_size >= 1, "at least 1"),
            ("--lr", self.lr > 0, "above 0"),
            ("--head-multiplier", self.head_multiplier > 0, "above 0"),
            ("--momentum", 0 <= self.momentum < 1, "0 or more, below 1"),
            ("--weight-decay", self.weight_decay >= 0, "at least 0"),
            ("--warmup", self.warmup >= 0, "at least 0"),
            ("--accumulate", 1 <= self.accumulate <= self.batch_size, "1 to --batch-size"),
            ("--clip-grad", self.clip_grad is None or self.clip_grad > 0, "above 0"),
        )
        for option, holds, need in rules:
            if not holds:
                raise UsageError(f"{option}: must be {need}")


@dataclass(frozen=True, kw_only=True)
class Crops:
    """How an image becomes a training crop."""

    crop: Annotated[int, typer.Option(min=16, help="Side of the training crops, in pixels.")] = 320
    long_side: Annotated[
        str | None,
        typer.Option(
            metavar="LO,HI", help="Range of the longer side that images are scaled to, in pixels."
        ),
    ] = None
    rescale: Annotated[
        str | None,
        typer.Option(metavar="LO,HI", help="Range of the factor that images are scaled by."),
    ] = None
    max_side: MaxSide = 0
    jitter: Annotated[
        str | None,
        typer.Option(
            metavar="B,C,S,H",
            help="Largest random changes of brightness, contrast, saturation and hue, as parts "
            "(0.3: 30%; hue: of a full turn).",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Where a run takes place and what it starts from."""

    precision: Annotated[
        TrainPrecision, typer.Option(help="Number type that the network's convolutions compute in.")
    ] = TrainPrecision.f32
    device: Device = "auto"
    workers: Workers = None
    seed: Seed = 0
    checkpoint_every: Annotated[
        float,
        typer.Option(
            min=0, metavar="SECONDS", help="Seconds between two saves of the training state."
        ),
    ] = 60.0
    keep_pixels: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="GIB",
            help="Memory for decoded images, in GiB; 0: decode images in every epoch.",
        ),
    ] = 1.0
    compiled: Annotated[
        bool,
        typer.Option(
            "--compile/--no-compile",
            help="Compile the network first; this takes minutes and makes steps faster.",
        ),
    ] = False
    force: Force = False
    quiet: Quiet = False


def numbers(option: str, text: str | None, form: str) -> tuple[float, ...] | None:
    """The numbers of an option such as LO,HI.

    Raises:
        UsageError: not as many finite numbers of 0 or more as `form` has names.
    """
    if text is None:
        return None
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = ()
    if len(found) != form.count(",") + 1 or not all(0 <= n < math.inf for n in found):
        raise UsageError(f"{option} {text}: need {form}")
    return found


def interval(option: str, text: str | None) -> tuple[float, float] | None:
    """The range of an option LO,HI, with 0 < LO <= HI."""
    found = numbers(option, text, "LO,HI")
    if found is None:
        return None
    if not 0 < found[0] <= found[1]:
        raise UsageError(f"{option} {text}: need 0 < LO <= HI")
    return found[0], found[1]
