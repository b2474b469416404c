"""make-seeds from what others publish: SEC's cues, and saliency maps for the background."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...console import log, track, warn
from ...errors import UsageError, WsssError
from ...options.files import Reads
from ...options.ids import select_ids
from ...training.supervision import enlarge_cells

if TYPE_CHECKING:
    import numpy as np

    from ...artifacts import DatasetReader
    from ...formats.cues import Cues
    from ...formats.files import ImageFolder

BELOW = 0.06


@dataclass(frozen=True, kw_only=True)
class Published:
    """Files of others that seeds are made of."""

    cues: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="cues: SEC's pickle, gzipped or not."),
        Reads(),
    ] = None
    cues_list: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="cues: its list of images and their numbers."),
        Reads(),
    ] = None
    saliency: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Grey maps named like the images: background is where they are dark, in place of "
            "the method's own.",
        ),
        Reads(),
    ] = None
    saliency_below: Annotated[
        float | None,
        typer.Option(help=f"Background below this part of white. Default: {BELOW}."),
    ] = None

    def check(self, of_cues: bool, of_oaa: bool) -> None:
        """Raise UsageError for files that are missing, or of another method."""
        if of_oaa and self.saliency is None:
            raise UsageError("--method oaa: needs --saliency", "the other methods do without")
        if of_oaa and self.saliency_below is not None:
            raise UsageError("--saliency-below: --method oaa has its own rule")
        named = self.cues is not None, self.cues_list is not None
        if of_cues and not all(named):
            raise UsageError("--method cues: needs --cues and --cues-list")
        if not of_cues and any(named):
            raise UsageError("--cues: is of --method cues")
        if self.saliency is None and self.saliency_below is not None:
            raise UsageError("--saliency-below: there is no --saliency")
        if not 0 <= self.below <= 1:
            raise UsageError(f"--saliency-below {self.below}: must lie in 0..1")

    @property
    def below(self) -> float:
        """The threshold, as given or else by default."""
        return BELOW if self.saliency_below is None else self.saliency_below

    def ground(self) -> Ground | None:
        """What marks the background, if not the method."""
        if self.saliency is None:
            return None
        if not self.saliency.is_dir():
            raise WsssError(f"{self.saliency}: no such folder", "--saliency names one")
        return Ground(self.saliency, self.below)


@dataclass(frozen=True)
class Ground:
    """Marks background by saliency maps; sent to worker processes."""

    folder: Path
    below: float

    def __call__(self, image_id: str, label: np.ndarray) -> np.ndarray:
        """(H, W) labels with this background.

        Raises:
            WsssError: no map, or one that cannot be read or has another size.
        """
        from ...core.seeds import background_by_saliency

        with self._named(image_id):
            return background_by_saliency(label, self._grey(image_id), self.below)

    def masks(self, image_id: str, cam: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """OAA's pseudo masks (H, W) of maps (K, H, W).

        Raises:
            WsssError: as above.
        """
        from ...core.seeds import oaa_labels

        with self._named(image_id):
            return oaa_labels(cam, classes, self._grey(image_id))

    def params(self, ids: Sequence[str]) -> dict[str, Any]:
        """For provenance: the saliency of all images, by its bytes.

        Raises:
            WsssError: an image has none.
        """
        digest = hashlib.sha256()
        for image_id in ids:
            with self._named(image_id):
                digest.update(hashlib.sha256(self._images.find(image_id).read_bytes()).digest())
        return {"saliency": f"{self.folder.name} sha256:{digest.hexdigest()[:16]}"}

    def background(self, ids: Sequence[str]) -> dict[str, Any]:
        """The same where it marks the background."""
        return {**self.params(ids), "saliency_below": self.below}

    @cached_property
    def _images(self) -> ImageFolder:
        from ...formats.files import ImageFolder

        return ImageFolder(self.folder)

    def _grey(self, image_id: str) -> np.ndarray:
        from ...core.images import decode_image

        return decode_image(self._images.find(image_id).read_bytes())[..., 0]

    @contextmanager
    def _named(self, image_id: str) -> Iterator[None]:
        try:
            yield
        except (LookupError, OSError, ValueError) as err:
            reason = err.args[0] if isinstance(err, LookupError) else err
            raise WsssError(f"{self.folder}: {image_id}: {reason}") from None


def seeds_from_cues(
    published: Published,
    data: Path | None,
    out: Path,
    ids: str | None,
    shard: str,
    force: bool,
    quiet: bool,
) -> None:
    """Write SEC's cues of the data set's images as seeds, each pixel that of its cell."""
    from ...artifacts import LABEL, Shard, create, open_dataset
    from ...formats.cues import GRID, read_cues

    assert published.cues is not None
    assert published.cues_list is not None
    part, ground = Shard.parse(shard), published.ground()
    with open_dataset(data or Path("data.h5")) as reader:
        cues = read_cues(published.cues, published.cues_list)
        known = [image_id for image_id in reader.ids if image_id in cues]
        if not known:
            raise WsssError(
                f"{published.cues_list}: names none of the images in {reader.path}",
                "ids are file names without extension",
            )
        wanted = select_ids(known, ids, published.cues_list)
        _check_classes(cues, reader, wanted)
        params = {"method": "cues", "cues": f"{cues.path.name} sha256:{cues.digest}"}
        with create(
            out,
            LABEL,
            classes=reader.classes,
            params=params | (ground.background(wanted) if ground is not None else {}),
            inputs=[reader],
            ids=wanted,
            shard=part,
            force=force,
        ) as target:
            for image_id in track(
                target.todo, "make-seeds", target.total, len(target), quiet=quiet
            ):
                cells, size = cues.cells(image_id), reader.size(image_id)
                label = enlarge_cells(cells, (GRID, GRID), size, 1)
                if ground is not None:
                    label = ground(image_id, label)
                target.put(image_id, label=label, present=cues.present(image_id))
        log(f"make-seeds: {len(target)} items -> {out}", quiet)


def _check_classes(cues: Cues, data: DatasetReader, ids: Sequence[str]) -> None:
    """Refuse cues of other classes than the data set's, as far as its tags tell.

    Raises:
        WsssError: classes it does not have, or other tags on most images.
    """
    from ...core.labels import IGNORE

    other = 0
    for image_id in ids:
        present, cells = cues.present(image_id), cues.cells(image_id)
        highest = max([*(present + 1).tolist(), *cells[cells != IGNORE].tolist(), 0])
        if highest > len(data.classes):
            raise WsssError(
                f"{cues.path}: {image_id!r} has label {highest}, {data.path} has "
                f"{len(data.classes)} classes"
            )
        other += set(present.tolist()) != set(data.tags(image_id).tolist())
    if other > len(ids) / 2:
        raise WsssError(
            f"{cues.path}: names other classes than {data.path} for {other} of {len(ids)} images",
            "labels must number the data set's classes in their order",
        )
    if other:
        warn(f"{cues.path}: {other} of {len(ids)} images have other classes than their tags")
