"""The classifier asked again, with parts of its photographs taken away as its maps say."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ..console import track
from ..errors import UsageError, WsssError
from ..options.faithfulness import CPU_BATCH, Faithfulness, Settings
from .curves import Grounds, answers
from .feed import GPU_BYTES, PIXEL_BYTES, Feed, threads
from .views import enough_memory, network_inputs, not_finite, view_copies

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..artifacts import Artifact, DatasetReader, Weights
    from ..machine.place import Place
    from ..nets.classifier import Classifier
    from ..options.machine import Machine
    from .origins import Asked


class Loaded(NamedTuple):
    """A photograph as the classifier takes it, and what the maps say of it.

    Attributes:
        copies: one (3, H, W) uint8; none where there is no map.
        classes: (K,) class indices.
        maps: (K, H, W) float32 in [0, 1], at the copy's size.
    """

    copies: list[Tensor]
    classes: np.ndarray
    maps: np.ndarray


def load(reader: DatasetReader, maps: Artifact, max_side: int, image_id: str) -> Loaded:
    """One photograph, decoded and shrunk, and its maps."""
    import torch
    import torch.nn.functional as F

    from ..artifacts.maps import cam_stride, checked_item
    from ..core.cam import enlarge

    item, size = checked_item(maps, image_id)
    classes = item["classes"]
    if not len(classes):
        return Loaded([], classes, item["cam"])
    copies = view_copies(reader.image(image_id), (1,), max_side)
    large = torch.from_numpy(enlarge(item["cam"], size, cam_stride(maps)))
    seen = (copies[0].shape[1], copies[0].shape[2])
    if seen != size:
        large = F.interpolate(large[None], size=seen, mode="bilinear", align_corners=False)[0]
    return Loaded(copies, classes, large.numpy())


def with_maps(maps: Artifact, images: Sequence[str]) -> list[str]:
    """Those of some images that have a map.

    Raises:
        WsssError: there is none.
    """
    having = [i for i in images if (found := maps.field(i, "classes")) is not None and len(found)]
    if not having:
        raise WsssError(f"{maps.path}: none of the {len(images)} images to score has a map")
    return having


def drawn_images(images: Sequence[str], limit: int | None, seed: int) -> list[str]:
    """All images, or `limit` of them drawn at random; in their order."""
    import numpy as np

    if limit is None or limit >= len(images):
        return list(images)
    drawn = np.random.default_rng(seed).choice(len(images), limit, replace=False)
    return [images[index] for index in sorted(drawn.tolist())]


def measured(
    maps: Artifact,
    reader: DatasetReader,
    images: Sequence[str],
    asked: Asked,
    place: Place,
    settings: Settings,
    seed: int,
    quiet: bool,
) -> Iterator[dict[str, Any]]:
    """What the classifier answers of each map, as rows of `scoring.faithfulness`.

    Raises:
        WsssError: no memory, or scores that are not finite.
    """
    import numpy as np

    feed = Feed(place, threads(None, place), 1, settings.max_side)
    take: Callable[[str], Loaded] = partial(load, reader, maps, settings.max_side)
    batches = feed.batches(take, images, reader)
    for batch in track(batches, "faithfulness", total=len(images), quiet=quiet):
        for image_id, loaded in batch:
            if not loaded.copies:
                continue
            rng = np.random.default_rng([seed, zlib.crc32(image_id.encode())])
            with enough_memory([image_id]):
                found = _answers(loaded, asked, place, settings, rng)
            for index, row in zip(loaded.classes.tolist(), found, strict=True):
                if not all(map(np.isfinite, row.values())):
                    raise not_finite(asked.weights.path, "scores", image_id)
                yield {"id": image_id, "class": maps.classes[index], **row}


def at_once(batch_size: int | None, place: Place, pixels: int) -> int:
    """How many pictures of so many pixels make a batch: those asked for, or what suits."""
    if batch_size is not None:
        return batch_size
    on_cuda = place.device.type == "cuda"
    return max(1, GPU_BYTES // (pixels * PIXEL_BYTES)) if on_cuda else CPU_BATCH


def _answers(
    loaded: Loaded, asked: Asked, place: Place, settings: Settings, rng: np.random.Generator
) -> list[dict[str, Any]]:
    """What the classifier answers of an image's maps."""
    image = network_inputs([loaded])[0]
    substrates = settings.deletion_substrate.value, settings.insertion_substrate.value
    return answers(
        Grounds.of(image, *substrates),
        loaded.maps,
        loaded.classes.tolist(),
        settings.steps,
        asked.probabilities,
        asked.stride,
        place,
        at_once(settings.batch_size, place, image[0, 0].numel()),
        rng,
    )


@dataclass(frozen=True)
class Inquiry:
    """What is asked of a file of maps.

    Attributes:
        options: which games are played, and how.
        maps, truth: the maps, and the data set with its masks.
        seed: of the random numbers.
        place, asked: the classifier, where it is asked.
    """

    options: Faithfulness
    maps: Artifact
    truth: DatasetReader
    seed: int
    place: Place | None = None
    asked: Asked | None = None

    def report(self, images: Sequence[str], quiet: bool) -> dict[str, Any]:
        """`pointing` and `faithfulness` for the JSON of eval, as far as they are asked for.

        Raises:
            WsssError: no map has its class in a mask, or there is none; as `measured`.
        """
        from ..scoring.faithfulness import report
        from ..scoring.pointing import Pointing
        from .origins import SCORES

        options, found = self.options, {}
        if options.points:
            game = Pointing(
                self.maps,
                self.truth,
                options.within,
            )
            for image_id in track(images, "pointing", quiet=quiet):
                game.add(image_id)
            if not options.faithfulness:
                game.check()
            found["pointing"] = game.report()
        if self.asked is not None and self.place is not None:
            having = with_maps(self.maps, images)
            drawn = drawn_images(having, options.limit, self.seed)
            settings = options.settings()
            rows = measured(
                self.maps, self.truth, drawn, self.asked, self.place, settings, self.seed, quiet
            )
            found["faithfulness"] = report(
                list(rows),
                self.maps.classes,
                {**settings.record(), "seed": self.seed, **self.place.record()},
                SCORES[self.asked.score],
                self.asked.record(),
                len(drawn),
                len(having),
            )
        return found


def inquiry(
    options: Faithfulness,
    maps: Artifact,
    truth: DatasetReader,
    machine: Machine,
    ours: Callable[[Weights, Place], Classifier],
    seed: int,
) -> Inquiry:
    """What is asked of a file of maps, ready; of labels, nothing may be asked.

    Args:
        options: which games are played, and how.
        maps: or labels.
        truth: the data set.
        machine: what the classifier computes on.
        ours: builds a classifier of train-cls.
        seed: of the random numbers.

    Raises:
        UsageError: labels are asked about.
        WsssError: no classifier is found, or it does not fit.
    """
    if options.points and maps.kind == "wsss/label":
        option = "--faithfulness" if options.faithfulness else "--pointing"
        raise UsageError(f"{option}: {maps.path} holds labels, which point at nothing")
    if not options.faithfulness:
        return Inquiry(options, maps, truth, seed)
    from .origins import asked

    place = machine.place()
    return Inquiry(options, maps, truth, seed, place, asked(maps, options.weights, place, ours))
