"""What predict makes of photographs, and where it goes: an artifact or a folder of PNGs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..artifacts.supervision import TAGS
from ..errors import UsageError, WsssError
from ..options.looking import MAX_SIDE, Views
from ..options.refine import recorded

if TYPE_CHECKING:
    import typer

    from ..artifacts import DatasetReader, Shard, Weights, Writer
    from ..core.presence import PresenceRule
    from ..core.refine import Refinement
    from ..formats.png_folder import PngFolder
    from ..machine.place import Place
    from .images import ImageFiles

NAME = "predict"


@dataclass(frozen=True)
class PredictSetting:
    """All that changes the numbers, beside the network.

    Attributes:
        views: how the network looks at an image.
        restrict_to_tags: no class that the data set does not tag.
        min_confidence: less probable labels become 255.
        crf: the CRF, or PAMR in its place; None for nothing.
        rule: of networks that tell themselves which classes there are.
    """

    views: Views
    restrict_to_tags: bool
    min_confidence: float
    crf: Refinement | None
    rule: PresenceRule | None = None

    def record(self, place: Place) -> dict[str, Any]:
        """For the artifact: plain values."""
        fusion = {"fusion": "mean of logits"}
        if self.rule is not None:
            fusion = {"fusion": "mean of probabilities", **asdict(self.rule)}
        return {
            **self.views.record(),
            "restrict_to_tags": self.restrict_to_tags,
            "min_confidence": self.min_confidence,
            **recorded(self.crf),
            **place.record(),
            **fusion,
        }


def check_classes(trained: Weights) -> None:
    """Refuse a network of more classes than label maps hold.

    Raises:
        WsssError: naming the weights.
    """
    from ..core.labels import MAX_CLASSES

    if len(trained.classes) > MAX_CLASSES:
        raise WsssError(
            f"{trained.path}: has {len(trained.classes)} classes; "
            f"label maps hold {MAX_CLASSES} at most"
        )


def trained_side(trained: Weights) -> int:
    """The longest side that the network was trained to look through images at.

    Raises:
        WsssError: not a number of pixels.
    """
    side = trained.params.get("max_side", MAX_SIDE)
    if isinstance(side, int) and side >= 0:
        return side
    raise WsssError(
        f"{trained.path}: damaged (max_side {side!r:.40})",
        "give --max-side, or take other weights",
    )


def refuse_beside_files(ctx: typer.Context, split: str | None, restrict: bool) -> None:
    """Refuse options that need a data set where image files are named.

    Raises:
        UsageError: naming the option. WSSS_DATA in the environment is no such option.
    """
    source = ctx.get_parameter_source("data")
    given = {
        "--data": source is not None and source.name == "COMMANDLINE",
        "--split": split is not None,
        "--restrict-to-tags": restrict,
    }
    for option, is_given in given.items():
        if is_given:
            raise UsageError(
                f"{option}: needs a data set, and image files are named",
                "without IMAGE arguments the data set's images are taken",
            )


@dataclass(frozen=True)
class Task:
    """What is to be written, and from what."""

    source: DatasetReader | ImageFiles
    trained: Weights
    params: dict[str, Any]
    ids: Sequence[str]
    shard: Shard
    force: bool

    def labels(self, path: Path) -> Writer:
        """A label artifact begun, or gone on with."""
        from ..artifacts import LABEL, create

        return create(
            path,
            LABEL,
            classes=self.trained.classes,
            params=self.params,
            inputs=[self.source, self.trained],
            ids=self.ids,
            shard=self.shard,
            learns=(TAGS,) if self.params.get("restrict_to_tags") else (),
            force=self.force,
        )

    def pngs(self, path: Path) -> PngFolder:
        """A folder of PNGs begun, or gone on with."""
        from ..artifacts.provenance import run_digest
        from ..formats.png_folder import PngFolder

        if path.exists() and not path.is_dir():
            raise UsageError(f"{path}: is a file, --png names a folder")
        inputs = [self.source, self.trained]
        run = run_digest("png", 1, self.params, None, self.trained.classes, inputs, self.ids)
        return PngFolder(
            path,
            ".png",
            self.ids,
            run,
            shard=self.shard,
            force=self.force,
            inputs=self._files,
        )

    @property
    def _files(self) -> list[Path]:
        """The image files that this is made from, if it is."""
        return getattr(self.source, "paths", [])
