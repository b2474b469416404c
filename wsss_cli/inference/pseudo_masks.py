"""Pseudo masks of walked scores, and the two files that random-walk fills."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..artifacts.maps import checked_item
from ..options.crf import fitting_crf
from .walking import NAME, Spread, Walker
from .writing import workers_for, write_made

if TYPE_CHECKING:
    import numpy as np

    from ..artifacts import Artifact, DatasetReader, Shard, Writer
    from ..artifacts.provenance import Source
    from ..core.pseudo import Unary
    from ..core.refine import Refinement


@dataclass(frozen=True)
class Labeller:
    """Makes labels of walked scores; sent to worker processes where there is a CRF."""

    maps: Artifact
    data: DatasetReader
    spread: Spread
    crf: Refinement | None
    unary: Unary = "scores"

    def __call__(self, image_id: str, walked: np.ndarray) -> dict[str, np.ndarray]:
        """The fields of a `wsss/label` item."""
        import torch

        from ..core.pseudo import score_stack, stack_labels

        item, size = checked_item(self.maps, image_id)
        image = None
        if self.crf is not None and len(item["classes"]):
            image = self.data.image(image_id)
        scores = torch.from_numpy(walked)
        stack = score_stack(scores, size, self.spread.stride, self.spread.threshold)
        with fitting_crf(image_id):
            label = stack_labels(
                stack,
                item["classes"],
                image=image,
                crf=self.crf,
                unary=self.unary,
            )
        return {"label": label, "present": item["classes"]}


class Outputs:
    """The masks, and the walked maps where they are wanted and not yet complete.

    Attributes:
        labels: the masks.
        scores: the walked maps.
        todo: ids that either lacked at the start: a kill can fall between the two.
        total: ids of both.
    """

    def __init__(self, labels: Writer, scores: Writer | None, maps: Artifact) -> None:
        self.labels, self.scores, self._maps = labels, scores, maps
        lacking = set(labels.todo) | set(scores.todo if scores is not None else ())
        self.todo, self.total = sorted(lacking), labels.total
        self._walked: dict[str, np.ndarray] = {}  # of the images under way

    def __len__(self) -> int:
        """How many were complete at the start."""
        return self.total - len(self.todo)

    def under_way(
        self, walked: Iterator[tuple[str, np.ndarray]]
    ) -> Iterator[tuple[str, np.ndarray]]:
        """The same images, whose walked maps are kept until they are put."""
        for image_id, scores in walked:
            self._walked[image_id] = scores
            yield image_id, scores

    def put(self, image_id: str, **label: Any) -> None:
        """Write an image's walked maps, and its labels."""
        walked = self._walked.pop(image_id)
        if self.scores is not None:
            self.scores.put(image_id, **stored(self._maps[image_id], walked))
        self.labels.put(image_id, **label)


def fill(
    outputs: Outputs, walker: Walker, labeller: Labeller, workers: int | None, quiet: bool
) -> None:
    """Do every image that an output lacks."""
    jobs = outputs.under_way(walker.walked(outputs.todo))
    count = workers_for(labeller.crf, workers, len(outputs.todo))
    write_made(outputs, labeller, jobs, count, NAME, quiet, behind=True)


def stored(item: Mapping[str, np.ndarray], walked: np.ndarray) -> dict[str, np.ndarray | None]:
    """The fields of a `wsss/cam` item: classes, and the background where it walked along.

    Args:
        item: of the maps that walked.
        walked: (n, h, w) float32 scores.
    """
    import torch

    from ..core.cam import quantise

    # irn: a cell between pixels may exceed the greatest pixel, by which scores are divided
    values = quantise(torch.from_numpy(walked).clamp(0, 1), "float16")
    first = len(values) - len(item["classes"])
    return {
        "cam": values[first:],
        "classes": item["classes"],
        "size": item["size"],
        "background": values[0] if first else None,
    }


@dataclass(frozen=True)
class Task:
    """What is to be written, and from what; `learns` is of the method's card."""

    out: Path
    scores: Path | None
    maps: Artifact
    inputs: Sequence[Source]
    ids: Sequence[str]
    shard: Shard
    force: bool
    learns: Sequence[str] = ()

    @contextmanager
    def open(
        self, walk_params: Mapping[str, Any], label_params: Mapping[str, Any]
    ) -> Iterator[Outputs]:
        """Begin both outputs or go on with them; finish both at the end.

        Raises:
            UsageError: one exists and there is no --force.
        """
        from ..artifacts import CAM, LABEL, create
        from ..artifacts.writer import check_target

        scores = None if self._scores_complete(walk_params) else self.scores
        for path in (self.out, scores):
            if path is not None:
                check_target(path, self.force, goes_on=True)
        common: dict[str, Any] = {
            "classes": self.maps.classes,
            "inputs": self.inputs,
            "ids": self.ids,
            "shard": self.shard,
            "learns": self.learns,
            "force": self.force,
        }
        with ExitStack() as stack:
            params = {**walk_params, **label_params}
            labels = stack.enter_context(create(self.out, LABEL, params=params, **common))
            walked = None
            if scores is not None:
                walked = stack.enter_context(create(scores, CAM, params=walk_params, **common))
            yield Outputs(labels, walked, self.maps)

    def _scores_complete(self, params: Mapping[str, Any]) -> bool:
        """Whether a kill fell between the finishing of the two: the maps are there, as this very
        run makes them, and the masks are not.
        """
        from ..artifacts import CAM
        from ..artifacts.standing import is_begun, is_output

        if self.scores is None or not self.scores.exists() or not is_begun(self.out):
            return False
        if is_begun(self.scores):  # what is left of it is for `create` to judge, and to remove
            return False
        return is_output(
            self.scores,
            CAM,
            classes=self.maps.classes,
            params=params,
            inputs=self.inputs,
            ids=self.ids,
            shard=self.shard,
        )
