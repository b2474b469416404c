"""Making seeds: what a method of make-seeds says of itself, and what all of them share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..artifacts.map_threshold import threshold_of
from ..artifacts.maps import cam_stride, check_maps, checked_item
from ..errors import UsageError
from ..options.cards import Card, Chosen, plain
from ..options.crf import NONE, fitting_crf
from ..options.ids import select_ids
from ..options.refine import Refine, RefineOptions, recorded
from ..options.thresholds import AUTO

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..artifacts import Artifact, DatasetReader
    from ..artifacts.provenance import Source
    from ..artifacts.supervision import Taught
    from ..core.refine import Refinement
    from .saliency import Saliency

NAME = "make-seeds"
Rule = Callable[..., Any]  # (scene, refinement, **settings) -> (H, W) uint8 labels
Make = Callable[[str], dict[str, Any]]


@dataclass(frozen=True)
class Scene:
    """An image as a rule sees it: its maps, and what it may ask for besides.

    Attributes:
        maps: (K, H, W) float32 in [0, 1], at image resolution.
        classes: (K,) class indices.
        image: gives the (H, W, 3) uint8 pixels.
        background: gives (H, W) float32, where the maps come with a background of their own.
        saliency: gives (H, W) uint8.
    """

    maps: Tensor
    classes: np.ndarray
    image: Callable[[], np.ndarray]
    background: Callable[[], Tensor | None]
    saliency: Callable[[], np.ndarray]

    @property
    def scores(self) -> np.ndarray:
        """The maps for numpy."""
        return self.maps.numpy()


@dataclass(frozen=True)
class SeedTask:
    """What every method is told."""

    cam: Path
    data: Path | None
    ids: str | None
    refinement: Refinement | None
    saliency: Saliency | None


@dataclass(frozen=True)
class Seeds:
    """Seeds that are ready to be made.

    Attributes:
        classes: names.
        inputs: what they are made from.
        ids: of their images.
        params: for provenance.
        make: the fields of an image's `wsss/label` item; sent to worker processes.
        learns: kinds of labels that they are made of beside what taught the inputs.
        travels: whether it is worth sending.
        said: what the maps chose, in words; empty where they chose nothing.
    """

    classes: Sequence[str]
    inputs: Sequence[Source]
    ids: Sequence[str]
    params: Mapping[str, Any]
    make: Make
    learns: Sequence[str | Taught] = ()
    travels: bool = True
    said: str = ""


def from_maps(task: SeedTask, method: Chosen, files: ExitStack) -> Seeds:
    """Seeds that a method's rule makes of class activation maps.

    Raises:
        UsageError: settings that the rule refuses.
        WsssError: maps and data set do not fit, or an image has no saliency map.
    """
    from ..artifacts import CAM, open_artifact, open_dataset

    card, saliency = method.card, task.saliency
    maps = files.enter_context(open_artifact(task.cam, CAM))
    data = files.enter_context(open_dataset(task.data, maps))
    settings = card.settings(method.options, maps.column("background").holds_values)
    settings, chosen = settled(card, settings, maps)
    check_settings(card, settings)
    wanted = select_ids(maps.ids, task.ids, maps.path)
    check_maps(maps, data, wanted)
    params = {"method": card.name, **settings, **chosen, **recorded(task.refinement)}
    if saliency is not None:
        params |= saliency.params(wanted)
        params |= {} if card.by_saliency else {"saliency_below": saliency.below}
    ruled = partial(card.rule, refinement=task.refinement, **settings)
    learns = (*card.learns, *([] if saliency is None else saliency.taught(params)))
    make = SeedMaker(maps, data, ruled, saliency, card.by_saliency)
    numbers = ", ".join(f"--{name} {settings[name]:g}" for name in card.auto) if chosen else ""
    said = f"the maps' threshold is {chosen['maps_threshold']:g}: {numbers}" if chosen else ""
    return Seeds(maps.classes, [data, maps], wanted, params, make, learns, said=said)


def settled(
    card: SeedCard, settings: Mapping[str, Any], maps: Artifact
) -> tuple[dict[str, Any], dict[str, float]]:
    """Settings whose auto is a number, and the maps' threshold if there was one.

    Raises:
        WsssError: maps that choose no threshold.
    """
    from ..core.thresholds import DIGITS  # loads numpy

    left = [name for name, value in settings.items() if value == AUTO]
    if not left:
        return dict(settings), {}
    threshold = threshold_of(maps)
    numbers = {name: round(min(1.0, card.auto[name] * threshold), DIGITS) for name in left}
    return {**settings, **numbers}, {"maps_threshold": threshold}


@dataclass(frozen=True, kw_only=True)
class SeedCard(Card):
    """A method of make-seeds.

    Attributes:
        rule: labels an image's pixels, of its `Scene`, what refines, and the settings by name.
            It reads the image only where it asks for it.
        crf: preset of its CRF; "none" where the method refines nothing.
        settings: of its options and of whether the maps come with a background of their own: what
            `rule` takes, as the artifact keeps it.
        auto: of its settings that may be "auto", how many times the maps' own threshold each is.
        by_saliency: it needs saliency maps, and reads them itself; elsewhere they mark the
            background, if there are any.
        begin: makes all ready; another than `from_maps` where seeds are made of something else.
    """

    rule: Rule | None = None
    crf: str = NONE
    settings: Callable[[Any, bool], dict[str, Any]] = lambda options, _: plain(options)
    auto: Mapping[str, float] = field(default_factory=dict)
    by_saliency: bool = False
    begin: Callable[[SeedTask, Chosen, ExitStack], Seeds] = from_maps

    def refinement(
        self, options: RefineOptions, device: str, refining: Sequence[str]
    ) -> Refinement | None:
        """The CRF or PAMR that the method uses.

        Args:
            options: which.
            device: of PAMR.
            refining: names of the methods that have a CRF.

        Raises:
            UsageError: it has none, or an option is out of range.
        """
        if self.crf == NONE:
            own, named = f"--method {self.name}", " and ".join(refining)
            if options.crf not in (None, NONE):
                raise UsageError(f"--crf {options.crf}: {own} has no CRF", f"{named} have one")
            if options.refine not in (None, Refine.none):
                raise UsageError(
                    f"--refine {options.refine.value}: {own} refines nothing", f"{named} do"
                )
        return options.refinement(self.crf, device)

    def check(self, saliency: Saliency | None) -> None:
        """Raise UsageError where saliency maps are missing."""
        if self.by_saliency and saliency is None:
            raise UsageError(
                f"--method {self.name}: needs --saliency", "the other methods do without"
            )


def check_settings(card: SeedCard, settings: Mapping[str, Any]) -> None:
    """Have the method's own rule judge its settings, on an image of one pixel and no class.

    Raises:
        UsageError: what it says.
    """
    import numpy as np
    import torch

    assert card.rule is not None
    for name, value in settings.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"--{name.replace('_', '-')} {value}: must be finite")
    pixel = Scene(
        torch.zeros(0, 1, 1),
        np.zeros(0, np.uint16),
        lambda: np.zeros((1, 1, 3), np.uint8),
        lambda: None,
        lambda: np.zeros((1, 1), np.uint8),
    )
    try:
        card.rule(pixel, refinement=None, **settings)
    except ValueError as err:
        raise UsageError(f"--method {card.name}: {err}") from None


@dataclass(frozen=True)
class SeedMaker:
    """Makes an image's seeds; sent to worker processes, each of which opens the files itself.

    Attributes:
        maps: the cam.
        data: its images.
        rule: of a `Scene` alone, all else being settled.
        saliency: maps of what catches the eye, if there are any.
        by_saliency: the rule reads these itself; else they mark the background.
    """

    maps: Artifact
    data: DatasetReader
    rule: Callable[[Scene], np.ndarray]
    saliency: Saliency | None = None
    by_saliency: bool = False

    def __call__(self, image_id: str) -> dict[str, np.ndarray]:
        """The fields of a `wsss/label` item."""
        item = checked_item(self.maps, image_id)
        with fitting_crf(image_id):
            label = self.rule(self._scene(image_id, *item))
        if self.saliency is not None and not self.by_saliency:
            label = self.saliency.background(image_id, label)
        return {"label": label, "present": item[0]["classes"]}

    def _scene(self, image_id: str, item: Mapping[str, np.ndarray], size: tuple[int, int]) -> Scene:
        from ..core.cam import dequantise
        from ..core.grid import upsample_grid

        stride = cam_stride(self.maps)

        def enlarged(field: str) -> Tensor:
            return upsample_grid(dequantise(item[field]), size, stride)

        def saliency() -> np.ndarray:
            assert self.saliency is not None
            return self.saliency.map(image_id, size)

        return Scene(
            enlarged("cam"),
            item["classes"],
            lambda: self.data.image(image_id),
            lambda: enlarged("background") if "background" in item else None,
            saliency,
        )
