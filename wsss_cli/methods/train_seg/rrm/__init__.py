"""train-seg --method rrm: a network that mines its labels from what it makes of tags (RRM)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....artifacts.supervision import TAGS
from ....errors import UsageError
from ....machine.devices import resolve_precision
from ....nets.names import has_linear_head
from ....options.crf import NONE, CrfOptions
from ....options.looking import parse_scales
from ....training.inputs import tagged_ids
from ....training.job import Job
from ....training.probes import PROBE_DECAY, starts_as_probe
from ....training.scaling import augmentation, scaled, unless_sided
from ....training.segmenting import KIND, NAME, SegmentingCard, Task, head_learned
from ....training.supervision import Supervision, check_cells
from ....training.tagged import classifier_head, tagged_crop
from .options import CLASSIFY_FIRST, CLASSIFY_LR, Rrm
from .start import probe_segments, probe_tag_head, tagged_whole

if TYPE_CHECKING:
    from contextlib import AbstractContextManager, ExitStack

    import torch
    from torch import Tensor, nn

    from ....artifacts import DatasetReader
    from ....core.crf import CrfParams
    from ....core.rrm import Mining
    from ....nets.rrm import TaggedSegmenter
    from ....training.compute import Compute
    from ....training.team import Team
    from .loss import Energy, ReliableLoss

SIDES = 2, 16  # of a cell, pixels


@dataclass(frozen=True)
class Reliable:
    """A network that learns from tags, by RRM.

    Attributes:
        task, options: what was asked for; the crops are settled.
        mining, energy, scales: what of it the loss is made of.

    Raises:
        UsageError: options that contradict or are out of range.
    """

    task: Task
    options: Rrm
    mining: Mining = field(init=False)
    energy: Energy = field(init=False)
    scales: tuple[float, ...] = field(init=False)
    fewest_epochs: int = 1

    def __post_init__(self) -> None:
        options, crops = self.options, scaled(self.task.crops)
        object.__setattr__(self, "task", replace(self.task, crops=crops))
        options.check()
        crf = _chosen_crf(options, options.grid_stride, crops.crop)
        object.__setattr__(self, "mining", options.mining(crf))
        object.__setattr__(self, "energy", options.energy())
        scales = parse_scales(options.cam_scales, "--cam-scales")
        object.__setattr__(self, "scales", scales)

    def job(self, team: Team, files: ExitStack) -> Job:
        """What there is to train; `files` closes what it opens."""
        from ....artifacts import open_dataset
        from ....nets.rrm import TaggedSegmenter
        from ....training.losses import Loss
        from ....training.schedule import Restart

        task, options = self.task, self.options
        reader = files.enter_context(open_dataset(task.data or Path("data.h5")))
        augment = augmentation(task.crops)
        ids = tagged_ids(reader, task.split, task.held_out(reader), team.leads)
        measure = task.measure(reader, ids, team)
        net, pretrained = task.network(len(reader.classes) + 1, team)
        model = TaggedSegmenter(net, len(reader.classes), options.tag_dropout)
        head = classifier_head(task, net, reader.classes, team)
        taken = head is not None
        if head is not None:
            model.tag_head.load_state_dict({"weight": head})
        alone = self._alone(taken)
        self._refuse_unless(alone)
        learned = head_learned(pretrained)
        loss = self._loss(model, alone, team.device)
        return Job(
            name=NAME,
            kind=KIND,
            out=task.out,
            model=model,
            config=task.config,
            params={
                **task.params,
                **asdict(augment),
                **self._params(),
                "classify_epochs": alone,
                "probe": self._probes(taken),
                "probe_segments": self._probes_segments(alone, learned),
            },
            classes=reader.classes,
            inputs=[reader],
            ids=ids,
            load=partial(tagged_crop, reader, augment),
            schedule=partial(
                Restart,
                until=alone / task.recipe.epochs,
                first=options.classify_lr / task.recipe.lr,
                flat=task.recipe.lr if options.flat_restart and alone else None,
            ),
            loss=Loss(loss.prepare, loss.share),
            grouping={"pretrained": pretrained},
            start=self._start(reader, ids, loss, taken, learned),
            measure=None
            if measure is None
            else replace(measure, figures=partial(measure_segments, measure, loss.begun)),
            val_every=task.val_every,
            keyed=True,
            extra={"segmentation has begun": loss.begun},
            after=self._supervision(loss, reader, ids),
        )

    def _alone(self, taken: bool) -> int:
        """Epochs in which tags alone teach: at least one is left for the rest."""
        share = self.options.classify_first
        if share is None:
            share = 0.0 if taken else CLASSIFY_FIRST
        epochs = self.task.recipe.epochs
        return min(round(share * epochs), epochs - 1)

    def _refuse_unless(self, alone: int) -> None:
        """Refuse options of the epochs in which tags alone teach where there are none."""
        of_those = {
            "classify-lr": self.options.classify_lr != CLASSIFY_LR,
            "flat-restart": self.options.flat_restart,
        }
        for option, given in of_those.items():
            if given and not alone:
                raise UsageError(
                    f"--{option}: in no epoch tags alone teach", "--classify-first says in how many"
                )

    def _probes(self, taken: bool) -> bool:
        """Whether the head of tags starts as a probe: where no classifier's was taken."""
        given = {"probe": self.options.probe, "weights": self.task.body.weights}
        return starts_as_probe(given, not taken)

    def _probes_segments(self, alone: int, learned: bool) -> bool:
        """Whether the other head starts so, of what is mined: where both teach from the first."""
        body, asked = self.task.body, self.options.probe
        possible = has_linear_head(self.task.head.model, body.backbone)
        usual = possible and body.weights != "random" and not alone
        return usual and asked is not False and (not learned or asked is True)

    def _start(
        self,
        reader: DatasetReader,
        ids: list[str],
        loss: ReliableLoss,
        taken: bool,
        learned: bool,
    ) -> Callable[[Any, Compute], None] | None:
        """First touches to the network: its heads as linear probes."""
        side = self.task.crops.crop
        steps: list[Callable[[Any, Compute], None]] = []
        if self._probes(taken):
            steps.append(partial(probe_tag_head, reader, ids, side))
        if self._probes_segments(loss.alone, learned):
            steps.append(partial(probe_segments, reader, ids, loss, side, PROBE_DECAY))

        def start(model: TaggedSegmenter, compute: Compute) -> None:
            for step in steps:
                step(model, compute)

        return start if steps else None

    def _loss(self, model: TaggedSegmenter, alone: int, device: torch.device) -> ReliableLoss:
        from .loss import ReliableLoss

        return ReliableLoss(
            model,
            self.mining,
            self.energy,
            self.scales,
            self.options.grid_stride,
            self.task.head.aux,
            alone,
            _context(self.task, device),
        )

    def _params(self) -> dict[str, Any]:
        """What of the method's options changes the numbers."""
        return {
            "method": CARD.name,
            "mining": asdict(self.mining),
            "energy": asdict(self.energy),
            "cam_scales": list(self.scales),
            "grid_stride": self.options.grid_stride,
            "tag_dropout": self.options.tag_dropout,
            "classify_lr": self.options.classify_lr,
            "flat_restart": self.options.flat_restart,
        }

    def _supervision(
        self, loss: ReliableLoss, reader: DatasetReader, ids: list[str]
    ) -> Supervision | None:
        path = self.options.supervision
        if path is None:
            return None
        side = self.task.crops.crop
        return Supervision(
            path,
            reader,
            [reader],
            ids,
            self.options.grid_stride,
            {"side": side, **self._params()},
            load=partial(tagged_whole, reader, side),
            cells=lambda logits, batch: loss.mine(batch),
            present=reader.tags,
        ).refused_early(self.task)


def _chosen_crf(options: CrfOptions, stride: int, crop: int) -> CrfParams:
    """The CRF of the mining, in cells.

    Raises:
        UsageError: none, or too many cells for it.
    """
    check_cells(stride, crop, SIDES)
    params = options.chosen()
    if params is None:
        raise UsageError(f"--crf {NONE}: rrm needs one", "--crf-iterations 0 has it do nothing")
    try:
        return params.shrunk(stride)
    except ValueError as err:
        raise UsageError(f"--grid-stride {stride}: {err}") from None


def _context(task: Task, device: torch.device) -> Callable[[], AbstractContextManager[Any]]:
    """What the network runs in outside the training step."""
    import torch

    from ....machine.precision import autocast_type

    half = autocast_type(resolve_precision(task.setting.precision, device).value)
    return nullcontext if half is None else partial(torch.autocast, device.type, dtype=half)


def measure_segments(
    measure: Callable[[nn.Module, Compute], dict[str, float]],
    begun: Tensor,
    model: TaggedSegmenter,
    compute: Compute,
) -> dict[str, float]:
    """Validation of a network that has begun to segment; nothing of one that has not."""
    return measure(model, compute) if begun else {}


def _probes(options: Mapping[str, Any]) -> bool:
    """Whether a head starts as a linear probe, of all of train-seg's options: that of tags may."""
    return starts_as_probe(options, usual=True)


# As its code trains from ImageNet, but for a tenth of its rates, since that goes without momentum,
# and they spoil the maps that labels are mined from.
CARD = SegmentingCard(
    name="rrm",
    said="from image tags, by labels that are mined in each step",
    options=Rrm,
    lesson=Reliable,
    learns=(TAGS,),
    probes=_probes,
    source="RRM: Zhang et al., AAAI 2020, and its code",
    page="rrm",
    usual={
        "model": "deeplabv1",
        "epochs": 24,
        "batch_size": 8,
        "lr": 1e-4,
        "weight_decay": 5e-4,
        "rescale": unless_sided("0.5,1"),  # most of an image, no larger than `predict` looks at
        "jitter": None,
        "crf": "rrm-train",
    },
)
