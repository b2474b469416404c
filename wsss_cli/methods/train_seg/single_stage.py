"""train-seg's method single-stage: a network that tags alone teach to segment."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...errors import UsageError, WsssError
from ...nets.names import has_linear_head
from ...options.groups import given
from ...options.training import Crops, interval
from ...training.inputs import tagged_ids
from ...training.job import Job
from ...training.segmenting import KIND, NAME, Task
from ...training.tagged import classifier_head, probe_masks, tagged_crop
from .labels import longest, looked_at, scaled, schedule_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from ...artifacts import DatasetReader
    from ...nets.segmentation import Segmenter
    from ...nets.single_stage import SingleStageNet
    from ...training.augment import Augment
    from ...training.compute import Compute
    from ...training.schedule import Schedule
    from ...training.single_stage import SingleStageLoss
    from ...training.team import Team

MODELS = ("gated", "deeplabv1", "deeplabv2")
AREA = "0.9,1"


@dataclass(frozen=True, kw_only=True)
class SingleStage:
    """The options of its own, None being as published."""

    tag_epochs: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="single-stage: first epochs, in which only tags teach. Default: 5.",
        ),
    ] = None
    mask_weight: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="single-stage: of the loss on labels that the network gives itself. Default: 1.",
        ),
    ] = None
    gate: Annotated[
        float | None,
        typer.Option(
            help="single-stage, gated: share of shallow features, 0 or more, below 1. Default: 0.3."
        ),
    ] = None
    focal_power: Annotated[
        float | None,
        typer.Option(help="single-stage: power of the penalty of small masks. Default: 3."),
    ] = None
    focal_offset: Annotated[
        float | None,
        typer.Option(
            help="single-stage: the logarithm of this is the penalty of no mask. Default: 0.01."
        ),
    ] = None
    sure_fg: Annotated[
        float | None,
        typer.Option(
            help="single-stage: a pixel is sure of a class above this part of the class's highest "
            "probability in the image. Default: 0.6."
        ),
    ] = None
    sure_bg: Annotated[
        float | None,
        typer.Option(help="single-stage: the same of background. Default: 0.7."),
    ] = None
    sure_least: Annotated[
        float | None,
        typer.Option(help="single-stage: the least probability for both. Default: 0.2."),
    ] = None
    pamr_iterations: Annotated[
        int | None,
        typer.Option(metavar="N", help="single-stage: averagings of its masks. Default: 10."),
    ] = None
    area: Annotated[
        str | None,
        typer.Option(
            metavar="LO,HI",
            help="single-stage: stretch a part of this share of an image's area to the crop. "
            f"Default: {AREA}, unless there is --rescale or --long-side.",
        ),
    ] = None

    def loss(self, stride: int) -> SingleStageLoss:
        """The loss that the options ask for.

        Raises:
            UsageError: options out of range.
        """
        from ...core.single_stage_labels import SelfLabels
        from ...core.single_stage_pooling import Pooling
        from ...training.single_stage import SingleStageLoss

        pooling = {"power": self.focal_power, "offset": self.focal_offset}
        rule = {"top_fg": self.sure_fg, "top_bg": self.sure_bg, "lowest": self.sure_least}
        own = {"tag_epochs": self.tag_epochs, "mask_weight": self.mask_weight}
        try:
            return SingleStageLoss(
                stride,
                Pooling(**given(pooling)),
                SelfLabels(**given({**rule, "iterations": self.pamr_iterations})),
                **given(own),
            )
        except ValueError as err:
            raise UsageError(f"--method single-stage: {err}") from None


@dataclass(frozen=True)
class SelfTaught:
    """A network that learns from tags by the single-stage method.

    Attributes:
        task, options, stairs: what was asked for.
        probe: start a head of one layer from class maps, of a linear probe (True), or of a
            classifier where there is one (None, where it helps).

    Raises:
        UsageError: options that contradict or are out of range.
    """

    task: Task
    options: SingleStage
    stairs: str | None
    probe: bool | None
    augment: Augment = field(init=False)
    schedule: Callable[[int, int], Schedule] = field(init=False)

    def __post_init__(self) -> None:
        head, gate = self.task.head, self.options.gate
        object.__setattr__(self, "task", replace(self.task, crops=self._crops()))
        if head.model not in MODELS:
            names = ", ".join(MODELS)
            raise UsageError(f"--model {head.model}: --method single-stage trains one of {names}")
        if head.aux_weight:
            raise UsageError("--aux-weight: --method single-stage has no such thing")
        body = self.task.body.backbone
        if self.probe and not has_linear_head(head.model, body):
            raise UsageError(f"--probe: the head of {head.model} on {body} has several layers")
        if gate is not None and head.model != "gated":
            raise UsageError(f"--gate: --model {head.model} has no gate")
        if gate is not None and not 0 <= gate < 1:
            raise UsageError(f"--gate {gate}: must be 0 or more, below 1")
        self.options.loss(1)
        stairs = self.stairs
        object.__setattr__(self, "augment", self._augment())
        object.__setattr__(self, "schedule", _constant if stairs is None else schedule_of(stairs))

    def _crops(self) -> Crops:
        """What was asked for, images looked at no larger than they are trained on."""
        crops = self.task.crops
        if crops.rescale is None and crops.long_side is None:
            return looked_at(crops, longest(crops))
        if self.options.area is not None:
            raise UsageError("--area: goes with neither --rescale nor --long-side")
        return scaled(crops, dense=False)

    def _augment(self) -> Augment:
        from ...training.stretch import Stretch

        crops, area = self.task.crops, self.options.area
        if crops.rescale is not None or crops.long_side is not None:
            return crops.augment()
        span = interval("--area", area or AREA)
        assert span is not None
        if span[1] > 1:
            raise UsageError(f"--area {area}: no part is larger than the image, 1")
        return Stretch(**asdict(crops.augment()), area=span)

    def job(self, team: Team, files: ExitStack) -> Job:
        from ...artifacts import open_dataset
        from ...core.labels import MAX_CLASSES
        from ...nets.segmentation_gated import SHALLOW
        from ...nets.single_stage import SINGLE_STAGE, SingleStageNet
        from ...training.losses import Loss, count_images

        task = self.task
        reader = files.enter_context(open_dataset(task.data or Path("data.h5")))
        if len(reader.classes) > MAX_CLASSES:
            raise WsssError(
                f"{reader.path}: has {len(reader.classes)} classes; "
                f"labels tell {MAX_CLASSES} apart at most"
            )
        ids = tagged_ids(reader, task.split, task.held_out(reader))
        measure = task.measure(reader, ids, team)
        plain, pretrained = task.network(len(reader.classes) + 1, team)
        loss = self.options.loss(plain.head.stride)
        gate = None
        if task.head.model == "gated":
            gate = SHALLOW if self.options.gate is None else self.options.gate
        own = {
            "method": SINGLE_STAGE,
            "focal_power": loss.pooling.power,
            "focal_offset": loss.pooling.offset,
            **({} if gate is None else {"gate": gate}),
        }
        stairs = {} if self.stairs is None else {"stairs": self.stairs}
        return Job(
            name=NAME,
            kind=KIND,
            out=task.out,
            model=SingleStageNet(plain, loss.pooling, gate),
            config={**task.config, **own},
            params={
                **task.params,
                **asdict(self.augment),
                **own,
                **asdict(loss),
                **stairs,
                "starts_from_maps": self.probes,
            },
            classes=reader.classes,
            inputs=[reader],
            ids=ids,
            load=partial(tagged_crop, reader, self.augment),
            loss=Loss(count_images, loss.share),
            grouping={"pretrained": pretrained},
            start=self._start(reader, ids, plain, loss, team) if self.probes else None,
            measure=measure,
            val_every=task.val_every,
            schedule=self.schedule,
            keyed=True,
        )

    @property
    def fewest_epochs(self) -> int:
        """Masks that are maps make a network too."""
        return 0 if self.probes else 1

    @property
    def probes(self) -> bool:
        """Whether the head starts from class maps."""
        head, body = self.task.head, self.task.body
        usual = has_linear_head(head.model, body.backbone) and body.weights != "random"
        return usual if self.probe is None else self.probe

    def _start(
        self,
        reader: DatasetReader,
        ids: list[str],
        net: Segmenter,
        loss: SingleStageLoss,
        team: Team,
    ) -> Callable[[SingleStageNet, Compute], None]:
        """First touch to the network: its masks are class maps."""
        task, weight = self.task, None
        if not self.probe:
            weight = classifier_head(task, net, reader.classes, team)
        return partial(probe_masks, reader, ids, longest(task.crops), loss.pooling, weight)


def _constant(steps: int, warmup: int) -> Schedule:
    from ...training.schedule import Schedule

    return Schedule(steps, warmup)
