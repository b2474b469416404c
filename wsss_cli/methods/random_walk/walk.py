"""random-walk --method walk: the walk that the weights were trained for, psa's or irn's."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ...core.walk_defaults import (
    AUTO,
    IRN_STRIDE,
    IRN_THRESHOLD,
    PSA_ALPHA,
    PSA_STRIDE,
    PUBLISHED_SIZE,
    PUBLISHED_STEPS,
    RADIUS,
    Auto,
)
from ...errors import UsageError, WsssError
from ...inference.walking import PAD, Exponent, Spread, WalkCard, features
from ...options.annotations import typed
from ...options.cards import Due, plain

if TYPE_CHECKING:
    from torch import Tensor

    from ...core.pseudo import WalkParams
    from ...machine.place import Place

HEIGHT, WIDTH = PUBLISHED_SIZE
LARGEST = 4096  # side that images are padded to, pixels


class Border(str, enum.Enum):
    """Which pairs there are near the image's border."""

    full = "full"
    reference = "reference"


@dataclass(frozen=True, kw_only=True)
class WalkOptions(Exponent):
    """How the walk goes and what labels it leaves; None where the weights' method decides."""

    steps: Annotated[
        str,
        typer.Option(
            metavar="N|auto",
            help=f"Steps of the walk; auto: {PUBLISHED_STEPS} at {WIDTH}x{HEIGHT}, by area.",
        ),
    ] = AUTO
    radius: Annotated[int, typer.Option(help="Radius of the neighbourhood, in cells.")] = RADIUS
    alpha: Annotated[
        float | None, typer.Option(help="psa weights: exponent of the background score.")
    ] = None
    border: Annotated[
        Border | None,
        typer.Option(
            help="psa weights: pairs of cells that count: all (full), or fewer near the border "
            "as in the published code (reference)."
        ),
    ] = None
    threshold: Annotated[
        float | None,
        typer.Option(help="irn weights: part of the image's strongest score that a class exceeds."),
    ] = None
    flip: Annotated[
        bool | None,
        typer.Option(
            "--flip/--no-flip", help="irn weights: find boundaries in the mirror image too."
        ),
    ] = None
    pad_to: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            help="irn weights: side that smaller images are padded to for the network; 0: to "
            f"multiples of {PAD} alone.",
        ),
    ] = None

    def __post_init__(self) -> None:
        """Raises UsageError for steps that are none."""
        steps_of(self.steps)


def steps_of(text: str) -> int | Auto:
    """The value of --steps.

    Raises:
        UsageError: neither a number nor auto.
    """
    if text == AUTO:
        return AUTO
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"--steps {text}: needs a number of steps, or {AUTO}") from None


@dataclass(frozen=True)
class PsaWalk:
    """Background and classes walk along the affinities of features, and the strongest wins."""

    walk: WalkParams
    alpha: float = PSA_ALPHA
    border: Literal["full", "reference"] = "full"
    threshold: float | None = None
    has_background: bool = True
    stride: int = PSA_STRIDE
    pad_to: int = 0

    def __post_init__(self) -> None:
        """Raises UsageError for an exponent out of range."""
        if not 0 < self.alpha < math.inf:
            raise UsageError(f"--alpha {self.alpha}: must be above 0, and finite")

    def see(self, model: Any, x: Tensor, place: Place) -> Tensor:
        """(D, h, w) features of a padded image."""
        return features(model, x, place)

    def __call__(self, cam: Tensor, seen: Tensor, size: tuple[int, int], stride: int) -> Tensor:
        """(K + 1, h, w) scores of an image of (H, W), background first, cam being of `stride`."""
        from ...core.pseudo import walk_psa

        return walk_psa(
            cam, seen, size, stride, alpha=self.alpha, params=self.walk, border=self.border
        )

    def scores_record(self) -> dict[str, Any]:
        """All that the scores depend on, for provenance."""
        own = {"method": "psa", "stride": self.stride, "alpha": self.alpha, "border": self.border}
        return {**own, **asdict(self.walk)}

    def labels_record(self) -> dict[str, Any]:
        """What the labels depend on besides."""
        return {}


@dataclass(frozen=True)
class IrnWalk:
    """Classes walk within boundaries; one wins above a share of the image's strongest score."""

    walk: WalkParams
    threshold: float = IRN_THRESHOLD
    flip: bool = True
    has_background: bool = False
    stride: int = IRN_STRIDE
    pad_to: int = 0

    def __post_init__(self) -> None:
        """Raises UsageError for a value out of range."""
        if not 0 <= self.threshold <= 1:
            raise UsageError(f"--threshold {self.threshold}: must lie in 0..1")
        if not 0 <= self.pad_to <= LARGEST:
            raise UsageError(f"--pad-to {self.pad_to}: must lie in 0..{LARGEST}")

    def see(self, model: Any, x: Tensor, place: Place) -> Tensor:
        """(h, w) boundary of a padded image, averaged before the sigmoid with its mirror's.

        The mirror image is padded on the left, so that its cells lie on those of the image.
        """
        import torch

        views = [x, x.flip(-1)] if self.flip else [x]
        if place.device.type != "cpu":  # a CPU gains nothing by it but twice the memory
            views = [torch.cat(views)]
        with place.autocast():
            seen = [
                model.edge_logits(view.contiguous(memory_format=torch.channels_last))
                for view in views
            ]
        logits = torch.cat(seen)[:, 0]
        if self.flip:
            logits = torch.stack([logits[0], logits[1].flip(-1)])
        return logits.mean(dim=0).sigmoid()

    def __call__(self, cam: Tensor, seen: Tensor, size: tuple[int, int], stride: int) -> Tensor:
        """(K, h, w) scores of an image of (H, W), cam being of `stride`."""
        from ...core.pseudo import walk_irn

        return walk_irn(cam, seen, size, stride, params=self.walk)

    def scores_record(self) -> dict[str, Any]:
        """All that the scores depend on, for provenance."""
        own = {"method": "irn", "stride": self.stride, "flip": self.flip, "pad_to": self.pad_to}
        return {**own, **asdict(self.walk)}

    def labels_record(self) -> dict[str, Any]:
        """What the labels depend on besides."""
        return {"threshold": self.threshold}


# The walks by the method that trained the weights, and the options that only one of them has.
WALKS: Mapping[str, type] = {"psa": PsaWalk, "irn": IrnWalk}
OWNERS = {"alpha": "psa", "border": "psa", "threshold": "irn", "flip": "irn", "pad_to": "irn"}


def spread(trained_by: str, options: WalkOptions, crop: int = 0) -> Spread:
    """The walk as the options have it, or else the weights' method.

    Args:
        trained_by: the method that trained the weights.
        options: the method's own.
        crop: side of the crops that they trained on; irn's images are padded to it unless the
            options say otherwise, since group norms take means over the whole of what is seen.

    Raises:
        UsageError: a value out of range, or one that the weights' walk has no use for.
        WsssError: there is no such walk.
    """
    from ...core import pseudo

    if trained_by not in WALKS:
        raise WsssError(
            f"the weights are of a method {trained_by!r} that random-walk does not know"
        )
    given = {name: value for name, value in plain(options).items() if value is not None}
    for name, owner in OWNERS.items():
        if name in given and owner != trained_by:
            spelled = typed(name)
            raise UsageError(f"{spelled}: is of {owner} weights, and these are {trained_by}")
    given["steps"] = steps_of(options.steps)
    if trained_by == "irn":
        given.setdefault("pad_to", max(0, min(crop, LARGEST)))
    usual = asdict(pseudo.WALKS[trained_by])
    try:
        walk = pseudo.WalkParams(**{name: given.pop(name, usual[name]) for name in usual})
    except ValueError as err:
        raise UsageError(str(err)) from None
    found: Spread = WALKS[trained_by](walk, **given)
    return found


def _by_weights(said: str) -> Due:
    return Due(lambda _: None, said)


CARD = WalkCard(
    name="walk",
    said="walk along affinities, as psa or irn weights were trained for",
    options=WalkOptions,
    usual={
        "alpha": _by_weights(f"{PSA_ALPHA:g}"),
        "border": _by_weights(Border.full.value),
        "threshold": _by_weights(f"{IRN_THRESHOLD:g}"),
        "flip": _by_weights("flip"),
        "pad_to": _by_weights("the --crop of train-aff"),
    },
    spread=spread,
    source="AffinityNet: Ahn and Kwak, CVPR 2018; IRNet: Ahn, Cho and Kwak, CVPR 2019",
)
