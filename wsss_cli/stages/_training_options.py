"""The options that the three training stages share, and what they say together."""

from __future__ import annotations

import enum
import hashlib
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import UsageError, WsssError
from ..nets.names import BACKBONES, OUTPUT_STRIDES

if TYPE_CHECKING:
    from ..nets.base import Backbone
    from ..training.augment import Augment


class BatchNorm(str, enum.Enum):
    """What pretrained batch norms do: nothing new, train scale and shift, or train altogether."""

    frozen = "frozen"
    affine = "affine"
    train = "train"


def _backbone_name(name: str) -> str:
    if name not in BACKBONES:
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(BACKBONES)}")
    return name


def check_output_stride(stride: int | None) -> int | None:
    """Callback of --output-stride; None where it has no default."""
    if stride is not None and stride not in OUTPUT_STRIDES:
        raise typer.BadParameter(f"{stride} is not one of 8, 16, 32")
    return stride


BackboneName = Annotated[
    str,
    typer.Option(
        "--backbone",
        metavar="NAME",
        callback=_backbone_name,
        autocompletion=lambda: list(BACKBONES),
        help=f"One of {', '.join(BACKBONES)}.",
    ),
]
BackboneWeights = Annotated[
    str,
    typer.Option(
        "--backbone-weights",
        metavar="SOURCE",
        help="imagenet (torchvision's, downloaded), random, or a FILE of torchvision's or ours.",
    ),
]
OutputStride = Annotated[
    int,
    typer.Option(
        "--output-stride", callback=check_output_stride, help="Pixels per cell of the features."
    ),
]
Dilated = Annotated[
    bool, typer.Option("--dilated/--no-dilated", help="Dilate what follows a removed stride.")
]
FreezeStages = Annotated[
    int, typer.Option("--freeze-stages", min=0, max=5, help="First stages that do not train.")
]
BatchNormOption = Annotated[
    BatchNorm, typer.Option("--batchnorm", help="What of the pretrained batch norms trains.")
]
ValSplit = Annotated[
    str | None,
    typer.Option("--val-split", metavar="NAME", help="Split to validate on. Default: val, if any."),
]
ValEvery = Annotated[
    int, typer.Option("--val-every", min=0, metavar="N", help="Validate each N epochs; 0 never.")
]
Epochs = Annotated[int, typer.Option("--epochs", help="Rounds through the images.")]
BatchSize = Annotated[int, typer.Option("--batch-size", help="Images per update.")]
Accumulate = Annotated[
    int, typer.Option("--accumulate", help="Parts to split a batch into, to save memory.")
]
Lr = Annotated[float, typer.Option("--lr", help="Learning rate of pretrained weights at start.")]
HeadMultiplier = Annotated[
    float, typer.Option("--head-multiplier", help="Rate of new layers over --lr.")
]
Momentum = Annotated[float, typer.Option("--momentum", help="Momentum of SGD.")]
WeightDecay = Annotated[float, typer.Option("--weight-decay", help="Weight decay.")]
Warmup = Annotated[int, typer.Option("--warmup", help="Steps until the full rate.")]
HeadEpochs = Annotated[
    int, typer.Option("--head-epochs", help="First epochs that train the new layers alone.")
]
ClipGrad = Annotated[
    float | None, typer.Option("--clip-grad", help="Largest gradient norm. Default: any.")
]
Crop = Annotated[int, typer.Option("--crop", min=16, help="Side of the training crops, pixels.")]
LongSide = Annotated[
    str | None,
    typer.Option(
        "--long-side", metavar="LO,HI", help="Scale images to a longer side in this range."
    ),
]
Rescale = Annotated[
    str | None,
    typer.Option("--rescale", metavar="LO,HI", help="Scale images by a factor in this range."),
]
MaxSide = Annotated[
    int,
    typer.Option(
        "--max-side",
        min=0,
        metavar="PIXELS",
        help="Shrink longer images to this before scaling; 0: never.",
    ),
]
MAX_SIDE = 1024  # as `predict` does
Jitter = Annotated[
    str | None,
    typer.Option(
        "--jitter",
        metavar="B,C,S,H",
        help="Change brightness, contrast, saturation and hue by up to these parts.",
    ),
]
CheckpointEvery = Annotated[
    float,
    typer.Option(
        "--checkpoint-every", min=0, metavar="SECONDS", help="Keep the training state this often."
    ),
]


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


def make_augment(
    crop: int,
    long_side: str | None = None,
    rescale: str | None = None,
    jitter: str | None = None,
    max_side: int = 0,
) -> Augment:
    """The augmentation that the options ask for.

    Raises:
        UsageError: options that contradict or are out of range.
    """
    from ..training.augment import Augment

    strength = numbers("--jitter", jitter, "B,C,S,H")
    if strength is not None and strength[3] > 0.5:
        raise UsageError(f"--jitter {jitter}: the hue turns by 0.5 at most")
    return Augment(
        crop=crop,
        long_side=interval("--long-side", long_side),
        factor=interval("--rescale", rescale),
        max_side=max_side,
        jitter=strength,  # type: ignore[arg-type]  # four, by the form
    )


@dataclass(frozen=True)
class BackboneOptions:
    """Which pretrained network, and what of it trains."""

    backbone: str
    weights: str
    output_stride: int
    dilated: bool
    freeze_stages: int
    batchnorm: BatchNorm

    def build(self) -> Backbone:
        """The backbone, pretrained and frozen as asked for."""
        from ..nets.backbones import build_backbone, freeze_batchnorm, load_backbone_weights

        backbone = build_backbone(self.backbone, self.output_stride, self.dilated)
        load_backbone_weights(backbone, self.weights)
        if self.batchnorm is not BatchNorm.train:
            freeze_batchnorm(backbone, affine=self.batchnorm is BatchNorm.frozen)
        return backbone.freeze_stages(self.freeze_stages)

    def config(self) -> dict[str, Any]:
        """What the backbone's architecture is rebuilt from."""
        names = ("backbone", "output_stride", "dilated")
        return {name: getattr(self, name) for name in names}

    def params(self) -> dict[str, Any]:
        """For provenance: a file of weights is known by its contents, not by where it lies."""
        values = asdict(self)
        values["batchnorm"] = self.batchnorm.value
        if self.weights not in ("imagenet", "random"):
            path = Path(self.weights)
            try:
                contents = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
            except OSError as err:
                reason = err.strerror or err
                raise WsssError(
                    f"{path}: cannot be read ({reason})",
                    "--backbone-weights takes imagenet, random or a file",
                ) from None
            values["weights"] = f"{path.name} sha256:{contents}"
        return values
