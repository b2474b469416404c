"""train-seg's seeded losses: their options, the samples they need, what seeds have grown to."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...errors import UsageError
from ...options.crf import NONE, CrfOptions
from ...options.files import Writes
from ...training.inputs import checked_label
from ...training.supervision import Supervision

if TYPE_CHECKING:
    import numpy as np

    from ...artifacts import Artifact, DatasetReader
    from ...training.augment import Augment
    from ...training.data import Sample
    from ...training.seeded import SeededLoss

UNKNOWN = 256  # a pixel of the image without a label, while IGNORE marks padding
SIDES = 4, 16  # of a cell, pixels
PUBLISHED = {"sec": ("seed", "expand", "constrain"), "dsrg": ("balanced", "boundary")}


class LossName(str, enum.Enum):
    """What a network learns from label maps by."""

    ce = "ce"
    sec = "sec"
    dsrg = "dsrg"


class Scores(str, enum.Enum):
    """Whose scores let seeds grow."""

    crf = "crf"
    network = "network"


class Unary(str, enum.Enum):
    """What a CRF in training starts from."""

    log = "log"
    prob = "prob"


@dataclass(frozen=True, kw_only=True)
class Seeded:
    """The loss; and what sec and dsrg are made of, None being as published."""

    loss: Annotated[
        LossName,
        typer.Option(
            help="Cross-entropy (ce), or from seeds: sec (seed, expand, constrain) or dsrg (seeds "
            "that grow)."
        ),
    ] = LossName.ce
    terms: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="sec, dsrg: sum of seed, balanced, expand, constrain, boundary. Default: "
            "seed,expand,constrain (sec), balanced,boundary (dsrg).",
        ),
    ] = None
    grow: Annotated[
        bool | None,
        typer.Option("--grow/--no-grow", help="Have seeds grow in each step. Default: with dsrg."),
    ] = None
    grow_fg: Annotated[
        float | None, typer.Option(help="Score above which a class grows. Default: 0.85.")
    ] = None
    grow_bg: Annotated[
        float | None, typer.Option(help="Score above which background grows. Default: 0.99.")
    ] = None
    grow_scores: Annotated[
        Scores | None,
        typer.Option(help="Whose scores these are. Default: crf, where there is one."),
    ] = None
    decay_fg: Annotated[
        float | None,
        typer.Option(help="expand: 0 pools a class by its maximum, 1 by its mean. Default: 0.996."),
    ] = None
    decay_bg: Annotated[
        float | None, typer.Option(help="expand: the same of the background. Default: 0.999.")
    ] = None
    unary: Annotated[
        Unary | None,
        typer.Option(
            help="The CRF starts from the log of probabilities, or, as DSRG's code has it, from "
            "these. Default: log."
        ),
    ] = None
    grid_stride: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS", help="sec, dsrg, rrm: side of a cell of their grid. Default: 8."
        ),
    ] = None
    supervision: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="sec, dsrg, rrm: after each epoch N that is validated, write the seeds, or what "
            "is mined, as they are by then to FILE-N, for `eval`.",
        ),
        Writes(),
    ] = None

    def chosen(self, crf: CrfOptions, crop: int, aux_weight: float) -> SeededLoss | None:
        """The loss that the options ask for; None for cross-entropy.

        Raises:
            UsageError: options that it does not have, or out of range.
        """
        from ...training.seeded import OF_CRF, SeededLoss

        given = {name: value for name, value in asdict(self).items() if value is not None}
        del given["loss"]
        if self.loss is LossName.ce:
            given |= {name: value for name, value in asdict(crf).items() if value is not None}
            if given:
                option = f"--{next(iter(given)).replace('_', '-')}"
                raise UsageError(f"{option}: --loss ce has no such thing", "sec and dsrg have")
            return None
        given.pop("supervision", None)
        given = {k: v.value if isinstance(v, enum.Enum) else v for k, v in given.items()}
        terms = self._terms(given.pop("terms", None))
        grow = given.pop("grow", self.loss is LossName.dsrg)
        stride = given.pop("grid_stride", SeededLoss.stride)
        params = crf.chosen("sec-train")
        if params is None and (found := set(terms) & set(OF_CRF)):
            raise UsageError(f"--terms {min(found)}: needs a CRF", f"--crf {NONE} leaves none")
        if params is None and given.get("grow_scores") == Scores.crf.value:
            raise UsageError("--grow-scores crf: needs a CRF", f"--crf {NONE} leaves none")
        for name in given:
            if name.startswith("grow") and not grow:
                raise UsageError(f"--{name.replace('_', '-')}: nothing grows", "--grow has it grow")
            if name.startswith("decay") and "expand" not in terms:
                raise UsageError(f"--{name.replace('_', '-')}: no term is expand", "see --terms")
        _check(given, stride, crop)
        return SeededLoss(terms, grow, crf=params, stride=stride, aux_weight=aux_weight, **given)

    def _terms(self, text: str | None) -> tuple[str, ...]:
        from ...training.seeded import TERMS

        if text is None:
            return PUBLISHED[self.loss.value]
        names = tuple(name.strip() for name in text.split(","))
        if len(set(names)) < len(names) or not set(names) <= set(TERMS):
            raise UsageError(f"--terms {text}: need names of {', '.join(TERMS)}, each once")
        return names


def _check(given: dict[str, Any], stride: int, crop: int) -> None:
    for name in ("decay_fg", "decay_bg", "grow_fg", "grow_bg"):
        value = given.get(name, 0.5)
        if not math.isfinite(value) or value < 0 or (name.startswith("decay") and value > 1):
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} {value}: must lie in 0..1")
    check_cells(stride, crop, SIDES)


def check_cells(stride: int, crop: int, sides: tuple[int, int]) -> None:
    """Raise UsageError for a --grid-stride out of `sides`, or too fine for a CRF in each step."""
    from ...core.grid import grid_size
    from ...core.meanfield import MAX_CELLS

    if not sides[0] <= stride <= sides[1]:
        raise UsageError(f"--grid-stride {stride}: must lie in {sides[0]}..{sides[1]}")
    h, w = grid_size(crop, crop, stride)
    if h * w > MAX_CELLS:
        raise UsageError(
            f"--grid-stride {stride}: {h}x{w} cells are too many for a CRF in each step",
            "raise it, or lower --crop",
        )


def seeded_crop(
    data: DatasetReader,
    labels: Artifact,
    augment: Augment,
    stride: int,
    image_id: str,
    rng: np.random.Generator,
) -> Sample:
    """An augmented image (3, crop, crop), and what `training.seeded.SeededLoss` wants of it.

    A cell's label is that of the pixel at its centre.

    Raises:
        WsssError: labels of another size than the image, or of no class.
    """
    image, label = checked_label(data, labels, image_id)
    crop, target = augment(image, marked(label), rng)
    assert target is not None
    return {
        "image": crop,
        "present": present_classes(data, labels, image_id, label),
        **on_grid(crop, target, stride),
    }


def marked(label: np.ndarray) -> np.ndarray:
    """int16 labels where pixels without one are UNKNOWN, so that padding can be told from them."""
    import numpy as np

    from ...core.labels import IGNORE

    return np.where(label == IGNORE, np.int16(UNKNOWN), label.astype(np.int16))


def on_grid(image: Any, target: Any, stride: int) -> Sample:
    """Label, seen and thumb of an image (3, H, W) uint8 and its `marked` labels (H, W)."""
    import torch

    from ...core.labels import IGNORE
    from ...training.losses import nearest_labels
    from ...training.seeded import thumbnail

    cells = nearest_labels(target[None], stride)[0]
    return {
        "label": torch.where(cells == UNKNOWN, IGNORE, cells).to(torch.uint8),
        "seen": cells != IGNORE,
        "thumb": thumbnail(image, stride),
    }


def present_classes(data: DatasetReader, labels: Artifact, image_id: str, label: np.ndarray) -> Any:
    """(C,) bool: what the label file says an image holds, else its tags; and what is labelled."""
    import numpy as np
    import torch

    from ...core.labels import IGNORE, class_of_label

    found = labels.field(image_id, "present")
    if found is None or not len(found):
        found = data.tags(image_id)
    labelled = np.unique(label)
    labelled = labelled[(labelled > 0) & (labelled != IGNORE)]
    present = torch.zeros(len(labels.classes), dtype=torch.bool)
    present[torch.from_numpy(np.union1d(found, class_of_label(labelled)).astype(np.int64))] = True
    return present


def supervision(
    path: Path,
    loss: SeededLoss,
    data: DatasetReader,
    labels: Artifact,
    ids: Sequence[str],
    side: int,
) -> Supervision:
    """Writes what the seeds have grown to.

    Args:
        path: see `Supervision`.
        loss: by which they grow.
        data, labels, ids: training images.
        side: of the longer side of the images as the network gets to see them here.
    """

    def present(image_id: str) -> np.ndarray:
        label = labels.field(image_id, "label")
        assert label is not None
        found = present_classes(data, labels, image_id, label)
        return found.nonzero()[:, 0].numpy().astype("u2")

    return Supervision(
        path,
        data,
        [data, labels],
        ids,
        loss.stride,
        {"side": side, **asdict(loss)},
        load=partial(load_seeded, data, labels, side, loss.stride),
        cells=loss.supervision,
        present=present,
    )


def load_seeded(
    data: DatasetReader,
    labels: Artifact,
    side: int,
    stride: int,
    image_id: str,
    rng: np.random.Generator,
) -> Sample:
    """As `seeded_crop`, of the whole image, its longer side scaled to `side`."""
    import torch

    from ...core.images import as_tensor
    from ...core.views import resize_image, scaled_size
    from ...training.augment import Window, cut_label

    image, label = checked_label(data, labels, image_id)
    size = scaled_size((image.shape[0], image.shape[1]), side / max(image.shape[:2]))
    small = as_tensor(resize_image(image, size))
    target = torch.from_numpy(
        cut_label(marked(label), Window(size, (0, 0), size, (0, 0), max(size)))
    )
    return {
        "image": small,
        "present": present_classes(data, labels, image_id, label),
        **on_grid(small, target, stride),
    }
