"""The random walk of one image, from its maps and a trained network to scores and labels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ...artifacts.maps import cam_stride, checked_item, fitting_image
from ...errors import UsageError, WsssError
from ...inference import feed as shared
from ...options.crf import fitting_crf
from .nearest import NearestSettings

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ...artifacts import Artifact, DatasetReader
    from ...core.pseudo import Unary, WalkParams
    from ...core.refine import Refinement
    from ...training.compute import Compute

PAD = 16  # images are padded to a multiple of this, as PSA (8) and IRN (16) do
# The options that only one method has, by the names of `Settings`.
OWNERS = {"alpha": "psa", "border": "psa", "threshold": "irn", "flip": "irn"}


@dataclass(frozen=True)
class Settings:
    """What decides the walk and its labels; None where the method has no such thing."""

    method: str
    walk: WalkParams
    alpha: float | None = None
    border: str | None = None
    threshold: float | None = None
    flip: bool | None = None

    @property
    def has_background(self) -> bool:
        """Whether the background walks along."""
        return self.method == "psa"

    @property
    def stride(self) -> int:
        """Of the grid that scores walk on."""
        from ...core import pseudo

        return pseudo.PSA_STRIDE if self.method == "psa" else pseudo.IRN_STRIDE

    def walk_params(self) -> dict[str, Any]:
        """All that the walked maps depend on, for provenance."""
        own = ("alpha", "border") if self.method == "psa" else ("flip",)
        chosen = {name: getattr(self, name) for name in own}
        return {"method": self.method, "stride": self.stride, **asdict(self.walk), **chosen}

    def label_params(self) -> dict[str, Any]:
        """What the labels depend on besides."""
        return {} if self.threshold is None else {"threshold": self.threshold}


def resolve(method: str, given: Mapping[str, Any]) -> Settings:
    """The settings as given or else by the method's defaults.

    Raises:
        UsageError: a value out of range, or one that the method has no use for.
        WsssError: there is no such method.
    """
    from ...core import pseudo

    if method not in pseudo.WALKS:
        raise WsssError(f"the weights are of a method {method!r} that random-walk does not know")
    chosen = {name: value for name, value in given.items() if value is not None}
    for name, owner in OWNERS.items():
        if name in chosen and owner != method:
            raise UsageError(f"--{name}: is of {owner} weights, and these are {method}")
    defaults = asdict(pseudo.WALKS[method])
    try:
        walk = pseudo.WalkParams(**{name: chosen.pop(name, defaults[name]) for name in defaults})
    except ValueError as err:
        raise UsageError(str(err)) from None
    if method == "psa":
        settings = Settings(method, walk, **{"alpha": pseudo.PSA_ALPHA, "border": "full", **chosen})
    else:
        own = {"threshold": pseudo.IRN_THRESHOLD, "flip": True, **chosen}
        settings = Settings(method, walk, **own)
    if settings.alpha is not None and not 0 < settings.alpha < math.inf:
        raise UsageError(f"--alpha {settings.alpha}: must be above 0, and finite")
    if settings.threshold is not None and not 0 <= settings.threshold <= 1:
        raise UsageError(f"--threshold {settings.threshold}: must lie in 0..1")
    return settings


class Loaded(NamedTuple):
    """An image and its maps as the walk takes them.

    Attributes:
        copies: its pixels at their working size, (3, h, w) uint8; none where it has no class.
        cam: (K, h', w') float32 on the grid of the image itself.
        size: (H, W) of the image.
    """

    copies: list[Tensor]
    cam: Tensor
    size: tuple[int, int]


@dataclass(frozen=True)
class Walker:
    """Runs the network and the walk, in this process: torch has threads of its own for them.

    Attributes:
        max_side: longer images are looked at, and walked over, at this size.
    """

    maps: Artifact
    data: DatasetReader
    model: Any
    compute: Compute
    settings: Settings | NearestSettings
    max_side: int

    def load(self, image_id: str) -> Loaded:
        """One image and its maps.

        Raises:
            WsssError: maps and image do not fit.
        """
        from ...core.cam import dequantise
        from ...core.images import as_tensor
        from ...core.views import resize_image, working_size

        item, size = checked_item(self.maps, image_id)
        image = fitting_image(self.data, self.maps, image_id, size)
        copies = [as_tensor(resize_image(image, working_size(size, self.max_side)))]
        return Loaded(copies if len(item["classes"]) else [], dequantise(item["cam"]), size)

    def walked(self, ids: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
        """Walked scores (n, h, w) float32 of images: with background for psa, else without.

        Raises:
            WsssError: maps and image do not fit, or there is no memory for them.
        """
        import torch

        from ...core.grid import grid_size

        feed = shared.Feed(self.compute, shared.threads(None, self.compute), 1, self.max_side)
        for batch in feed.batches(self.load, ids, self.data):
            for image_id, loaded in batch:
                if loaded.copies:
                    yield image_id, self._scores(image_id, loaded)
                    continue
                channels = 1 if self.settings.has_background else 0
                grid = grid_size(*loaded.size, self.settings.stride)
                yield image_id, torch.ones(channels, *grid).numpy()

    def _scores(self, image_id: str, loaded: Loaded) -> np.ndarray:
        import torch

        from ...core.grid import pad_to_multiple
        from ...core.images import batch_to_input

        stride, settings = cam_stride(self.maps), self.settings
        work = (loaded.copies[0].shape[-2], loaded.copies[0].shape[-1])
        with torch.no_grad(), enough_memory(image_id):
            x = pad_to_multiple(batch_to_input(loaded.copies), PAD)
            x = x.contiguous(memory_format=torch.channels_last)
            cam = loaded.cam.to(self.compute.device)  # before the network, which it would wait for
            seen = self._boundary(x) if settings.method == "irn" else self._features(x)
            finite = torch.isfinite(seen).all()  # asked at the end, when a GPU is waited for anyway
            if work != loaded.size:
                finer = min(stride, settings.stride)
                cam, stride = _moved(cam, loaded.size, stride, work, finer), finer
            scores = self._spread(cam, seen, work, stride)
            if work != loaded.size:
                scores = _moved(scores, work, settings.stride, loaded.size, settings.stride)
            walked = scores.cpu().numpy()
        if not finite:
            raise WsssError(f"{image_id}: the network gives values that are not finite")
        return walked

    def _spread(self, cam: Tensor, seen: Tensor, size: tuple[int, int], stride: int) -> Tensor:
        """Scores on the settings' grid of an image of (H, W), cam being of `stride`."""
        from ...core.nearest import assign_nearest
        from ...core.pseudo import walk_irn, walk_psa

        settings = self.settings
        if isinstance(settings, NearestSettings):
            return assign_nearest(cam, seen, size, stride, params=settings.params)
        if settings.method == "irn":
            return walk_irn(cam, seen, size, stride, params=settings.walk)
        assert settings.alpha is not None
        return walk_psa(
            cam,
            seen,
            size,
            stride,
            alpha=settings.alpha,
            params=settings.walk,
            border="reference" if settings.border == "reference" else "full",
        )

    def _features(self, x: Tensor) -> Tensor:
        """(D, h, w) features of a padded image."""
        with self.compute.autocast():
            return self.model(x)[0]

    def _boundary(self, x: Tensor) -> Tensor:
        """(h, w) boundary of a padded image, averaged before the sigmoid with its mirror's.

        The mirror image is padded on the left, so that its cells lie on those of the image.
        """
        import torch

        assert isinstance(self.settings, Settings)
        views = [x, x.flip(-1)] if self.settings.flip else [x]
        if self.compute.device.type != "cpu":  # a CPU gains nothing by it but twice the memory
            views = [torch.cat(views)]
        with self.compute.autocast():
            seen = [
                self.model.edge_logits(view.contiguous(memory_format=torch.channels_last))
                for view in views
            ]
        logits = torch.cat(seen)[:, 0]
        if self.settings.flip:
            logits = torch.stack([logits[0], logits[1].flip(-1)])
        return logits.mean(dim=0).sigmoid()


def _moved(
    maps: Tensor, size: tuple[int, int], stride: int, to: tuple[int, int], to_stride: int
) -> Tensor:
    """Maps of an image on the grid of its copy of another size."""
    from ...core.cam import View, fuse_views

    return fuse_views([View(maps, size, stride)], to, to_stride)


@contextmanager
def enough_memory(image_id: str) -> Iterator[None]:
    """Turn a lack of memory into one clear line."""
    try:
        yield
    except (MemoryError, RuntimeError) as err:
        if isinstance(err, RuntimeError) and "memory" not in str(err).lower():
            raise
        raise WsssError(
            f"{image_id}: not enough memory for it",
            "a lower --max-side needs less; what is finished is kept",
        ) from err


@dataclass(frozen=True)
class Labeller:
    """Makes labels of walked scores; sent to worker processes where there is a CRF."""

    maps: Artifact
    data: DatasetReader
    settings: Settings | NearestSettings
    crf: Refinement | None
    unary: Unary = "scores"

    def __call__(self, image_id: str, walked: np.ndarray) -> dict[str, np.ndarray]:
        """The fields of a `wsss/label` item."""
        import torch

        from ...core.pseudo import score_stack, stack_labels

        item, size = checked_item(self.maps, image_id)
        image = None
        if self.crf is not None and len(item["classes"]):
            image = fitting_image(self.data, self.maps, image_id, size)
        stack = score_stack(
            torch.from_numpy(walked), size, self.settings.stride, self.settings.threshold
        )
        with fitting_crf(image_id):
            label = stack_labels(
                stack,
                item["classes"],
                image=image,
                crf=self.crf,
                unary=self.unary,
            )
        return {"label": label, "present": item["classes"]}


def stored(walker: Walker, image_id: str, walked: np.ndarray) -> dict[str, np.ndarray | None]:
    """The fields of a `wsss/cam` item: classes, and the background where it walked along."""
    import torch

    from ...core.cam import quantise

    item = walker.maps[image_id]
    # irn: a cell between pixels may exceed the greatest pixel, by which scores are divided
    values = quantise(torch.from_numpy(walked).clamp(0, 1), "float16")
    first = len(values) - len(item["classes"])
    return {
        "cam": values[first:],
        "classes": item["classes"],
        "size": item["size"],
        "background": values[0] if first else None,
    }
