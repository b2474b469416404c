"""The steps from an image to its predicted labels: load, look, label."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from ..core.presence import PresenceRule
from ..errors import UsageError
from ..options.annotations import Default
from ..options.crf import fitting_crf
from ..options.groups import given
from .views import looked_at, network_inputs, network_pass, not_finite, view_copies

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from torch import Tensor

    from ..artifacts import DatasetReader, Weights
    from ..core.refine import Refinement
    from ..machine.place import Place
    from ..nets.segmentation import Segmenter
    from .images import ImageFiles
    from .predicting import PredictSetting


@dataclass(frozen=True, kw_only=True)
class Presence:
    """The options of networks that tell themselves which classes an image holds."""

    min_class: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="single-stage: leave out a class if no copy of the image gives its presence a "
            "higher probability than this.",
        ),
        Default(PresenceRule.min_class),
    ] = None
    background_power: Annotated[
        float | None,
        typer.Option(
            min=0, help="single-stage: exponent that the background's probability is raised to."
        ),
        Default(PresenceRule.background_power),
    ] = None

    def rule(self, trained: Weights, tellers: Collection[str]) -> PresenceRule | None:
        """How the network predicts, if it is one of those.

        Args:
            trained: its weights.
            tellers: the methods of train-seg that train such networks.

        Raises:
            UsageError: options given for weights of another method.
        """
        chosen = given(asdict(self))
        if trained.config.get("method") not in tellers:
            if chosen:
                option, names = next(iter(chosen)).replace("_", "-"), " or ".join(tellers)
                raise UsageError(
                    f"--{option}: {trained.path} is not of `train-seg --method {names}`"
                )
            return None
        return PresenceRule(**chosen)


class Loaded(NamedTuple):
    """An image as the network takes it.

    Attributes:
        copies: (3, H_s, W_s) uint8, one for each scale; none where there is only background.
        size: (H, W) of the image.
        classes: (K,) uint16 class indices that it may hold, rising.
        work: (h, w) that its probabilities have.
        image: (h, w, 3) uint8 for the CRF or PAMR, where there is one.
    """

    copies: list[Tensor]
    size: tuple[int, int]
    classes: np.ndarray
    work: tuple[int, int]
    image: np.ndarray | None


def load_image(
    source: DatasetReader | ImageFiles, n_classes: int, setting: PredictSetting, image_id: str
) -> Loaded:
    """One image, decoded and scaled; not decoded where its tags say background only."""
    import numpy as np

    from ..core.views import resize_image, working_size

    classes = np.arange(n_classes, dtype=np.uint16)
    if setting.restrict_to_tags:
        classes = source.tags(image_id)  # type: ignore[union-attr]  # refused for files
        if not len(classes):
            size = source.size(image_id)
            return Loaded([], size, classes, size, None)
    image = source.image(image_id)
    size = (image.shape[0], image.shape[1])
    work = working_size(size, setting.views.max_side)
    copies = view_copies(image, setting.views.scales, setting.views.max_side)
    return Loaded(copies, size, classes, work, resize_image(image, work) if setting.crf else None)


def look(
    model: Segmenter,
    place: Place,
    setting: PredictSetting,
    batches: Iterable[list[tuple[str, Loaded]]],
    weights: Path,
) -> Iterator[tuple[Any, ...]]:
    """Run the network, of the file `weights`, over images.

    Yields:
        (id, probabilities (K + 1, h, w) float32 with background first, image as loaded): what
        `Labeller` takes. Of an image of background only, probabilities have no pixels.

    Raises:
        WsssError: probabilities that are not finite, or no memory.
    """
    import numpy as np

    seen = looked_at(batches, partial(probabilities, model, place, setting))
    for image_id, loaded, found in seen:
        chances = np.ones((1, 0, 0), np.float32) if found is None else found.cpu().numpy()
        if not np.isfinite(chances).all():
            raise not_finite(weights, "probabilities", image_id)
        yield image_id, chances, loaded._replace(copies=[])


def probabilities(
    model: Segmenter, place: Place, setting: PredictSetting, batch: Sequence[tuple[str, Loaded]]
) -> list[Tensor]:
    """(K + 1, h, w) of each of some images of one working size, on the device."""
    import numpy as np
    import torch

    from ..core.labels import label_of_class
    from ..nets.inference import label_probabilities

    images = [loaded for _, loaded in batch]
    labels = None
    if setting.restrict_to_tags:
        present = [
            np.concatenate([[0], label_of_class(loaded.classes)]).astype(np.int64)
            for loaded in images
        ]
        labels = [torch.from_numpy(one).to(place.device) for one in present]
    with network_pass(place):
        copies, work = network_inputs(images), images[0].work
        return label_probabilities(model, copies, setting.views.flip, work, labels, setting.rule)


@dataclass(frozen=True)
class Labeller:
    """Makes labels of probabilities; sent to worker processes where there is a CRF."""

    crf: Refinement | None
    min_confidence: float

    def __call__(
        self, image_id: str, probabilities: np.ndarray, loaded: Loaded
    ) -> dict[str, np.ndarray]:
        """The fields of a `wsss/label` item."""
        from ..core.prediction import prediction_labels

        with fitting_crf(image_id):
            label = prediction_labels(
                probabilities,
                loaded.classes,
                loaded.size,
                image=loaded.image,
                crf=self.crf,
                min_confidence=self.min_confidence,
            )
        return {"label": label, "present": loaded.classes}
