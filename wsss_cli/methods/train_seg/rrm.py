"""train-seg's method rrm: a network that mines its labels from what it makes of tags (RRM)."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import UsageError
from ...machine.devices import resolve_precision
from ...nets.names import has_linear_head
from ...options.crf import NONE, CrfOptions
from ...options.looking import parse_scales
from ...options.training import Crops
from ...training.inputs import tagged_ids
from ...training.job import Job
from ...training.probes import PROBE_DECAY
from ...training.segmenting import KIND, NAME, Task, head_learned
from ...training.supervision import Supervision
from ...training.tagged import (
    classifier_head,
    probe_segments,
    probe_tag_head,
    tagged_crop,
    tagged_whole,
)
from .labels import scaled
from .rrm_options import Rrm
from .seeded import Seeded, check_cells

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager, ExitStack

    import torch
    from torch import Tensor, nn

    from ...artifacts import DatasetReader
    from ...core.crf import CrfParams
    from ...core.rrm import Mining
    from ...nets.rrm import TaggedSegmenter
    from ...training.compute import Compute
    from ...training.reliable import Energy, ReliableLoss
    from ...training.team import Team

CRF = "rrm-train"
RESCALE = "0.5,1"  # up to the size that `predict` looks at, most of an image in a crop
CLASSIFY_FIRST, CLASSIFY_LR = 0.5, 1e-3
SIDES = 2, 16  # of a cell, pixels


@dataclass(frozen=True)
class FromTags:
    """A network that learns from tags, by RRM.

    Attributes:
        task, options, crf: what was asked for.
        seeded: of which the grid's stride counts, and where to write what is mined.
        probe: start the heads as linear probes; None where it helps.

    Raises:
        UsageError: options that contradict or are out of range.
    """

    task: Task
    options: Rrm
    crf: CrfOptions
    seeded: Seeded
    probe: bool | None
    mining: Mining = field(init=False)
    energy: Energy = field(init=False)
    scales: tuple[float, ...] = field(init=False)
    fewest_epochs: int = 1

    def __post_init__(self) -> None:
        from ...training.reliable import SCALES

        options, given = self.options, self.options.cam_scales
        crops = near_own_size(self.task.crops)
        object.__setattr__(self, "task", replace(self.task, crops=crops))
        for name in ("classify_first", "tag_dropout"):
            value = getattr(options, name)
            if value is not None and not 0 <= value < 1:
                raise UsageError(f"--{name.replace('_', '-')} {value}: must be 0 or more, below 1")
        rate = options.classify_lr
        if rate is not None and not 0 < rate < math.inf:
            raise UsageError(f"--classify-lr {rate}: must be above 0")
        crf = _chosen_crf(self.crf, self.stride, self.task.crops.crop)
        object.__setattr__(self, "mining", options.mining(crf))
        object.__setattr__(self, "energy", options.energy())
        object.__setattr__(
            self, "scales", SCALES if given is None else parse_scales(given, "--cam-scales")
        )

    @property
    def stride(self) -> int:
        """Pixels per cell of the mined labels."""
        from ...training.reliable import SIDE

        return SIDE if self.seeded.grid_stride is None else self.seeded.grid_stride

    def job(self, team: Team, files: ExitStack) -> Job:
        from ...artifacts import open_dataset
        from ...nets.rrm import TaggedSegmenter
        from ...training.losses import Loss
        from ...training.schedule import Restart

        task, options = self.task, self.options
        reader = files.enter_context(open_dataset(task.data or Path("data.h5")))
        augment = task.crops.augment()
        ids = tagged_ids(reader, task.split, task.held_out(reader))
        measure = task.measure(reader, ids, team)
        net, pretrained = task.network(len(reader.classes) + 1, team)
        model = TaggedSegmenter(net, len(reader.classes), options.tag_dropout or 0.0)
        head = classifier_head(task, net, reader.classes, team)
        taken = head is not None
        if head is not None:
            model.tag_head.load_state_dict({"weight": head})
        alone = self._alone(taken)
        if not alone and (options.classify_lr is not None or options.flat_restart is not None):
            option = "flat-restart" if options.classify_lr is None else "classify-lr"
            raise UsageError(
                f"--{option}: in no epoch tags alone teach", "--classify-first says in how many"
            )
        learned = head_learned(pretrained)
        loss = self._loss(model, alone, team.device)
        first = CLASSIFY_LR if options.classify_lr is None else options.classify_lr
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
                first=first / task.recipe.lr,
                flat=task.recipe.lr if options.flat_restart and alone else None,
            ),
            loss=Loss(loss.prepare, loss.share),
            grouping={"pretrained": pretrained},
            start=self._start(reader, ids, loss, taken, learned),
            measure=None if measure is None else partial(measure_segments, measure, loss.begun),
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

    def _probes(self, taken: bool) -> bool:
        usual = not taken and self.task.body.weights != "random"
        return usual if self.probe is None else self.probe

    def _probes_segments(self, alone: int, learned: bool) -> bool:
        """Whether the other head starts so, of what is mined: where both teach from the first."""
        task = self.task
        possible = has_linear_head(task.head.model, task.body.backbone)
        usual = possible and task.body.weights != "random" and not alone
        return usual and self.probe is not False and (not learned or self.probe is True)

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
        from ...training.reliable import ReliableLoss

        return ReliableLoss(
            model,
            self.mining,
            self.energy,
            self.scales,
            self.stride,
            self.task.head.aux,
            alone,
            _context(self.task, device),
        )

    def _params(self) -> dict[str, Any]:
        """What of the method's options changes the numbers."""
        return {
            "method": "rrm",
            "mining": asdict(self.mining),
            "energy": asdict(self.energy),
            "cam_scales": list(self.scales),
            "grid_stride": self.stride,
            "tag_dropout": self.options.tag_dropout or 0.0,
            "classify_lr": self.options.classify_lr or CLASSIFY_LR,
            "flat_restart": bool(self.options.flat_restart),
        }

    def _supervision(
        self, loss: ReliableLoss, reader: DatasetReader, ids: list[str]
    ) -> Supervision | None:
        path = self.seeded.supervision
        if path is None:
            return None
        side = self.task.crops.crop
        return Supervision(
            path,
            reader,
            [reader],
            ids,
            self.stride,
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
    params = options.chosen(CRF)
    if params is None:
        raise UsageError(f"--crf {NONE}: rrm needs one", "--crf-iterations 0 has it do nothing")
    try:
        return params.shrunk(stride)
    except ValueError as err:
        raise UsageError(f"--grid-stride {stride}: {err}") from None


def _context(task: Task, device: torch.device) -> Callable[[], AbstractContextManager[Any]]:
    """What the network runs in outside the training step."""
    import torch

    from ...machine.precision import autocast_type

    half = autocast_type(resolve_precision(task.setting.precision, device).value)
    return nullcontext if half is None else partial(torch.autocast, device.type, dtype=half)


def near_own_size(crops: Crops) -> Crops:
    """The crops, of images a little smaller than they are, if nothing is said."""
    if crops.rescale is None and crops.long_side is None:
        crops = replace(crops, rescale=RESCALE)
    return scaled(crops, dense=False)


def measure_segments(
    measure: Callable[[nn.Module, Compute], dict[str, float]],
    begun: Tensor,
    model: TaggedSegmenter,
    compute: Compute,
) -> dict[str, float]:
    """Validation of a network that has begun to segment; nothing of one that has not."""
    return measure(model, compute) if begun else {}
