"""train-seg --method single-stage: a network that tags alone teach to segment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....artifacts.supervision import TAGS
from ....errors import UsageError, WsssError
from ....nets.names import has_linear_head
from ....options.segmenter import bearable
from ....options.training import Crops, interval
from ....training.inputs import tagged_ids
from ....training.job import Job
from ....training.probes import probes_head
from ....training.scaling import augmentation, longest, looked_at, scaled
from ....training.segmenting import KIND, NAME, SegmentingCard, Task
from ....training.segmenting import network as plain_network
from ....training.stairs import schedule_of
from ....training.tagged import classifier_head, tagged_crop
from .options import MODELS, OWN, SingleStage
from .start import probe_masks

if TYPE_CHECKING:
    from contextlib import ExitStack

    from ....artifacts import DatasetReader
    from ....nets.segmentation import Segmenter
    from ....nets.single_stage import SingleStageNet
    from ....training.augment import Augment
    from ....training.compute import Compute
    from ....training.schedule import Schedule
    from ....training.team import Team
    from .loss import SingleStageLoss


@dataclass(frozen=True)
class SelfTaught:
    """A network that learns from tags by the single-stage method.

    Attributes:
        task, options: what was asked for; the crops are settled.
        augment, schedule: what images become, and how the rates change.

    Raises:
        UsageError: options that contradict or are out of range.
    """

    task: Task
    options: SingleStage
    augment: Augment = field(init=False)
    schedule: Callable[[int, int], Schedule] = field(init=False)

    def __post_init__(self) -> None:
        head, options = self.task.head, self.options
        object.__setattr__(self, "task", replace(self.task, crops=self._crops()))
        if head.model not in MODELS:
            names = ", ".join(MODELS)
            raise UsageError(f"--model {head.model}: --method single-stage trains one of {names}")
        if head.aux_weight:
            raise UsageError("--aux-weight: --method single-stage has no such thing")
        body = self.task.body.backbone
        if options.probe and not has_linear_head(head.model, body):
            raise UsageError(f"--probe: the head of {head.model} on {body} has several layers")
        options.check(head.model)
        stairs = options.stairs
        object.__setattr__(self, "augment", self._augment())
        object.__setattr__(self, "schedule", _constant if stairs is None else schedule_of(stairs))

    def _crops(self) -> Crops:
        """What was asked for, images looked at no larger than they are trained on."""
        crops = self.task.crops
        if crops.rescale is None and crops.long_side is None:
            return looked_at(crops, longest(crops))
        if self.options.area is not None:
            raise UsageError("--area: goes with neither --rescale nor --long-side")
        return scaled(crops)

    def _augment(self) -> Augment:
        from ....training.stretch import Stretch

        crops, area = self.task.crops, self.options.area
        span = interval("--area", area)
        if span is None:
            return augmentation(crops)
        if span[1] > 1:
            raise UsageError(f"--area {area}: no part is larger than the image, 1")
        return Stretch(**asdict(augmentation(crops)), area=span)

    def job(self, team: Team, files: ExitStack) -> Job:
        """What there is to train; `files` closes what it opens."""
        from ....artifacts import open_dataset
        from ....core.labels import MAX_CLASSES
        from ....nets.single_stage import SingleStageNet
        from ....training.losses import Loss, count_tags

        task = self.task
        reader = files.enter_context(open_dataset(task.data or Path("data.h5")))
        if len(reader.classes) > MAX_CLASSES:
            raise WsssError(
                f"{reader.path}: has {len(reader.classes)} classes; "
                f"labels tell {MAX_CLASSES} apart at most"
            )
        ids = tagged_ids(reader, task.split, task.held_out(reader), team.leads)
        measure = task.measure(reader, ids, team)
        plain, pretrained = task.network(len(reader.classes) + 1, team)
        loss = self.options.loss(plain.head.stride)
        gate = self.options.gate
        own = {
            "method": CARD.name,
            "focal_power": loss.pooling.power,
            "focal_offset": loss.pooling.offset,
            **({} if gate is None else {"gate": gate}),
        }
        stairs = {} if self.options.stairs is None else {"stairs": self.options.stairs}
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
            loss=Loss(count_tags, loss.share),
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
        given = {"probe": self.options.probe, "weights": body.weights}
        return probes_head({**given, "model": head.model, "backbone": body.backbone})

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
        if not self.options.probe:
            weight = classifier_head(task, net, reader.classes, team)
        return partial(probe_masks, reader, ids, longest(task.crops), loss.pooling, weight)


def _constant(steps: int, warmup: int) -> Schedule:
    from ....training.schedule import Schedule

    return Schedule(steps, warmup)


def network(config: Mapping[str, Any], n_labels: int) -> SingleStageNet:
    """The network that weights of this method hold, untrained.

    Raises:
        ValueError: a config without what it is built from.
    """
    from ....core.single_stage_pooling import Pooling
    from ....nets.gated import GatedHead
    from ....nets.rebuild import entry
    from ....nets.single_stage import SingleStageNet

    model = plain_network(config, n_labels)
    pooling = Pooling(entry(config, "focal_power", float), entry(config, "focal_offset", float))
    gate = entry(config, "gate", float) if isinstance(model.head, GatedHead) else None
    return SingleStageNet(model, pooling, gate)


CARD = SegmentingCard(
    name="single-stage",
    said="from image tags, by the network's own masks",
    options=SingleStage,
    lesson=SelfTaught,
    learns=(TAGS,),
    network=network,
    probes=probes_head,
    presence=True,
    source="Araslanov and Roth, CVPR 2020, and their code",
    page="single-stage",
    usual={
        "model": MODELS[0],
        "epochs": 24,
        "batch_size": 16,
        "lr": bearable(1e-3),
        "weight_decay": 5e-4,
        "rescale": None,
        "jitter": "0.3,0.3,0.3,0.1",
        **OWN,
    },
)
