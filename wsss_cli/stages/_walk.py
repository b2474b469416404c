"""The random walk of one image, from its maps and a trained network to scores and labels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..errors import UsageError, WsssError
from ._crf import fitting_crf
from ._maps import cam_stride, checked_item, fitting_image
from ._nearest import NearestSettings

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..artifacts import Artifact, DatasetReader, Weights
    from ..core.pseudo import Unary, WalkParams
    from ..core.refine import Refinement
    from ..nets.affinity import AffinityNet, IRNet
    from ..training.compute import Compute

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
        from ..core import pseudo

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
    from ..core import pseudo

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


def network(trained: Weights, compute: Compute) -> AffinityNet | IRNet:
    """The trained network on its device.

    Raises:
        WsssError: config or tensors make no such network.
    """
    import torch

    from ..nets.rebuild import rebuild_affinity

    try:
        model = rebuild_affinity(trained.config, trained.state_dict)
    except ValueError as err:
        raise WsssError(
            f"{trained.path}: damaged ({err})", "train again, or take other weights"
        ) from None
    return model.to(compute.device).to(memory_format=torch.channels_last)


@dataclass(frozen=True)
class Walker:
    """Runs the network and the walk, in this process: torch has threads of its own for them."""

    maps: Artifact
    data: DatasetReader
    model: Any
    compute: Compute
    settings: Settings | NearestSettings

    def __call__(self, image_id: str) -> np.ndarray:
        """Walked scores (n, h, w) float32 of one image: with background for psa, else without.

        Raises:
            WsssError: maps and image do not fit, or there is no memory for them.
        """
        import torch

        from ..core.cam import dequantise
        from ..core.grid import grid_size

        item, size = checked_item(self.maps, image_id)
        image = fitting_image(self.data, self.maps, image_id, size)
        if not len(item["classes"]):
            channels = 1 if self.settings.has_background else 0
            background = torch.ones(channels, *grid_size(*size, self.settings.stride))
            return background.numpy()
        cam = dequantise(item["cam"]).to(self.compute.device)
        with torch.no_grad(), enough_memory(image_id):
            walked = self._walk(image_id, image, cam, size)
        return walked.cpu().numpy()

    def _walk(self, image_id: str, image: np.ndarray, cam: Tensor, size: tuple[int, int]) -> Tensor:
        import torch

        from ..core.grid import pad_to_multiple
        from ..core.images import to_input
        from ..core.nearest import assign_nearest
        from ..core.pseudo import walk_irn, walk_psa

        x = pad_to_multiple(to_input(image), PAD).to(self.compute.device)[None]
        seen = self._boundary(x) if self.settings.method == "irn" else self._features(x)
        if not bool(torch.isfinite(seen).all()):
            raise WsssError(f"{image_id}: the network gives values that are not finite")
        stride, settings = cam_stride(self.maps), self.settings
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


@contextmanager
def enough_memory(image_id: str) -> Iterator[None]:
    """Turn a lack of memory into one clear line."""
    try:
        yield
    except (MemoryError, RuntimeError) as err:
        if isinstance(err, RuntimeError) and "memory" not in str(err).lower():
            raise
        raise WsssError(
            f"{image_id}: not enough memory for it", "what is finished is kept"
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

        from ..core.pseudo import score_stack, stack_labels

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

    from ..core.cam import quantise

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
