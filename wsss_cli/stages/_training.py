"""What the three training stages share: options, set-up, and the run itself."""

from __future__ import annotations

import enum
import hashlib
import itertools
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..console import log, track
from ..errors import UsageError, WsssError
from ..nets.names import BACKBONES, OUTPUT_STRIDES
from ..options import Precision, free_cores, resolve_device
from ..training.config import Recipe

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from ..artifacts import Artifact, DatasetReader
    from ..artifacts.provenance import Source
    from ..nets.base import Backbone
    from ..training.augment import Augment
    from ..training.data import Load, Sample
    from ..training.loop import Compute, LossFn


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


@dataclass(frozen=True)
class Setting:
    """Options of a run that leave its numbers alone."""

    out: Path
    force: bool
    quiet: bool
    device: str
    workers: int | None
    checkpoint_every: float


@dataclass
class Job:
    """A training run, all but the machine it runs on.

    Attributes:
        name: of the command.
        kind: of the weights it makes.
        model: on the CPU, initialised.
        groups: of the optimiser.
        config: what the network is rebuilt from.
        classes: names.
        params: all options that change the numbers, beside the recipe's.
        inputs: artifacts that are read.
        ids: training images.
        load: makes the sample of an id.
        loss: of outputs and batch.
        recipe, precision: how it trains.
        measure: figures of the model after an epoch.
        val_every: epochs between two measurements; 0 for none.
        finish: last touches to the trained model.
    """

    name: str
    kind: str
    model: nn.Module
    groups: list[dict[str, Any]]
    config: dict[str, Any]
    classes: Sequence[str]
    params: Mapping[str, Any]
    inputs: Sequence[Source]
    ids: Sequence[str]
    load: Load
    loss: LossFn
    recipe: Recipe
    precision: Precision
    measure: Callable[[nn.Module, Compute], dict[str, float]] | None = None
    val_every: int = 1
    finish: Callable[[nn.Module, Compute], None] | None = None


def begin(setting: Setting, recipe: Recipe) -> None:
    """Refuse early what would fail late, and make initial weights a matter of the seed."""
    import torch

    from ..artifacts.writer import check_target

    recipe.check()
    resolve_device(setting.device)
    check_target(setting.out, setting.force)
    torch.manual_seed(recipe.seed)


def held_out_split(data: DatasetReader, val_split: str | None) -> str | None:
    """The split to validate on, and so not to train on: `val` where none is named.

    Raises:
        WsssError: the split that is named does not exist.
    """
    if val_split is not None:
        data.split(val_split)
        return val_split
    return "val" if "val" in data.splits else None


def tagged_ids(data: DatasetReader, split: str | None, held_out: str | None) -> list[str]:
    """Ids of the images to train on, all of which have tags.

    Without a split: the split `train`; in a data set without one, all that are not held out.

    Raises:
        WsssError: no such split, or nothing in it.
    """
    if split is None and "train" in data.splits:
        split = "train"
    return _chosen(data, data.path, data.ids, split, held_out)


def labelled_ids(
    data: DatasetReader, labels: Artifact, split: str | None, held_out: str | None
) -> list[str]:
    """Ids to train on that have labels: those of a split, or all but the split `held_out`.

    Args:
        data: the data set.
        labels: artifact of kind label, of the same classes.
        split: its images are taken; None for all.
        held_out: where `split` is None, leave out this split's images.

    Raises:
        WsssError: labels of images that the data set does not have, or nothing is left.
    """
    known = set(data.ids)
    unknown = [image_id for image_id in labels.ids if image_id not in known]
    if unknown:
        raise WsssError(
            f"{labels.path}: {len(unknown)} of its {len(labels)} images are not in {data.path}, "
            f"first {unknown[0]!r}",
            "name the data set that the labels were made from with --data",
        )
    return _chosen(data, labels.path, labels.ids, split, held_out)


def _chosen(
    data: DatasetReader, source: Path, ids: Sequence[str], split: str | None, held_out: str | None
) -> list[str]:
    if split is not None:
        wanted = set(data.split(split))
        chosen = [image_id for image_id in ids if image_id in wanted]
        where = f"in split {split!r}"
    else:
        left_out = set(data.split(held_out)) if held_out is not None else set()
        chosen = [image_id for image_id in ids if image_id not in left_out]
        where = f"outside split {held_out!r}" if held_out is not None else "at all"
    if not chosen:
        raise WsssError(f"{source}: no images to train on {where}", "see --split, --val-split")
    return chosen


def labelled_crop(
    data: DatasetReader,
    labels: Artifact,
    augment: Augment,
    image_id: str,
    rng: np.random.Generator,
) -> Sample:
    """An augmented image (3, crop, crop) and its labels (crop, crop) uint8.

    Raises:
        WsssError: labels of another size than the image, or of no class.
    """
    from ..core.labels import IGNORE

    image, label = data.image(image_id), labels.field(image_id, "label")
    assert label is not None
    if label.shape != image.shape[:2]:
        height, width = image.shape[:2]
        raise WsssError(
            f"{labels.path}: labels of {image_id!r} are {label.shape[0]}x{label.shape[1]}, "
            f"the image in {data.path} is {height}x{width}"
        )
    if ((label > len(labels.classes)) & (label != IGNORE)).any():
        raise WsssError(f"{labels.path}: {image_id!r} has labels of no class")
    crop, target = augment(image, label, rng)
    assert target is not None
    return {"image": crop, "label": target}


def train(job: Job, setting: Setting) -> list[dict[str, Any]]:
    """Run a job to the end, from wherever an earlier attempt was stopped.

    Returns:
        the history, as it stands in the weights.
    """
    import torch

    from ..artifacts.weights import read_torch, save_weights, weights_run, write_torch
    from ..artifacts.writer import partial_path
    from ..training.checkpoint import Checkpoint
    from ..training.data import Plan, Samples
    from ..training.loop import Compute, fit
    from ..training.schedule import Poly

    recipe = job.recipe
    device = resolve_device(setting.device)
    compute = Compute(
        device,
        bf16=job.precision is Precision.bf16,
        accumulate=recipe.accumulate,
        clip=recipe.clip_grad,
        workers=default_workers(device) if setting.workers is None else setting.workers,
    )
    _repeatable(device)
    params = {**job.params, **asdict(recipe), "precision": job.precision.value}
    identity: dict[str, Any] = {
        "kind": job.kind,
        "params": params,
        "seed": recipe.seed,
        "classes": job.classes,
        "inputs": job.inputs,
        "ids": job.ids,
    }
    plan = Plan(len(job.ids), recipe.batch_size, recipe.epochs, recipe.seed)
    samples = Samples(job.load, job.ids, recipe.seed)
    model = job.model.to(device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(job.groups, lr=recipe.lr, momentum=recipe.momentum)
    with (
        Checkpoint(
            partial_path(setting.out),
            weights_run(**identity),
            read_torch,
            write_torch,
            setting.checkpoint_every,
            restart=setting.force,
        ) as checkpoint,
        _Talk(job.name, plan.steps, plan.steps_per_epoch, recipe.epochs, setting) as talk,
    ):
        history = fit(
            model,
            job.loss,
            lambda start: compute.batches(samples, plan.batches(start)),
            optimizer,
            schedule=Poly(plan.steps, warmup=recipe.warmup),
            epochs=recipe.epochs,
            compute=compute,
            seed=recipe.seed,
            checkpoint=checkpoint,
            report=talk,
            measure=_measure_each(job, compute),
        )
        if job.finish is not None:
            job.finish(model, compute)
        weights = {name: t.contiguous() for name, t in model.state_dict().items()}
        save_weights(
            setting.out, **identity, config=job.config, state_dict=weights, history=history
        )
        checkpoint.remove()
    log(
        f"{job.name}: {len(job.ids)} images, {recipe.epochs} epochs -> {setting.out}", setting.quiet
    )
    return history


def default_workers(device: Any) -> int:
    """Loading keeps up with a CPU's training from one process; a GPU needs more."""
    return 1 if device.type == "cpu" else min(8, free_cores())


def _measure_each(job: Job, compute: Compute) -> Callable[[nn.Module, int], dict[str, Any]] | None:
    """`job.measure` at the epochs it is due, undefined figures as None."""
    measure = job.measure
    if measure is None or not job.val_every:
        return None

    def figures(model: nn.Module, epoch: int) -> dict[str, Any]:
        if epoch % job.val_every and epoch != job.recipe.epochs:
            return {}
        found = measure(model, compute)
        return {name: None if math.isnan(value) else value for name, value in found.items()}

    return figures


def _repeatable(device: Any) -> None:
    """Have CUDA choose kernels that give the same sums each time."""
    import torch

    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
        torch.use_deterministic_algorithms(True, warn_only=True)


class _Talk:
    """Tells the user how training goes: a bar over the steps, a line for each epoch."""

    def __init__(
        self, name: str, steps: int, per_epoch: int, epochs: int, setting: Setting
    ) -> None:
        self._name, self._steps, self._per_epoch, self._epochs = name, steps, per_epoch, epochs
        self._out, self._quiet = setting.out, setting.quiet
        self._bar: Iterator[int] = iter(())
        self._since = time.monotonic()
        self._loss = math.nan

    def __enter__(self) -> _Talk:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        close = getattr(self._bar, "close", None)
        if close is not None:
            close()
        if kind is KeyboardInterrupt:
            log(
                f"{self._name}: interrupted; the same command goes on from {self._out}.partial",
                self._quiet,
            )

    def start(self, step: int) -> None:
        if step:
            epoch = min(step // self._per_epoch + 1, self._epochs)
            log(f"{self._name}: going on at step {step}/{self._steps}, epoch {epoch}", self._quiet)
        self._bar = track(itertools.count(), self._name, self._steps, step, self._quiet)
        next(self._bar)
        self._since = time.monotonic()

    def step(self, step: int, loss: float) -> None:
        next(self._bar)

    def epoch(self, row: dict[str, Any]) -> None:
        now = time.monotonic()
        figures = "".join(
            f", {name.replace('_', ' ')} {'undefined' if value is None else format(value, '.3f')}"
            for name, value in row.items()
            if name not in ("epoch", "loss")
        )
        log(
            f"{self._name}: epoch {row['epoch']}/{self._epochs}: loss {row['loss']:.4f}{figures} "
            f"({now - self._since:.0f} s)",
            self._quiet,
        )
        self._since = now
