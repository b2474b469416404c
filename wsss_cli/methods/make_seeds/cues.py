"""make-seeds --method cues: SEC's published localisation cues, in the place of maps."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...artifacts.supervision import CUES, Taught
from ...console import warn
from ...errors import UsageError, WsssError
from ...inference.seeding import SeedCard, Seeds, SeedTask
from ...options.cards import Chosen
from ...options.files import Reads
from ...options.ids import select_ids

if TYPE_CHECKING:
    import numpy as np

    from ...artifacts import DatasetReader
    from ...formats.cues import Cues
    from ...inference.saliency import Saliency


@dataclass(frozen=True, kw_only=True)
class CueFiles:
    """SEC's files."""

    cues: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="File of SEC's published cues, a pickle, gzipped or not."
        ),
        Reads(),
    ] = None
    cues_list: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="File that lists the images of --cues and their numbers."
        ),
        Reads(),
    ] = None


def begin(task: SeedTask, method: Chosen, files: ExitStack) -> Seeds:
    """The cues of the data set's images as seeds.

    Raises:
        UsageError: a file is not named.
        WsssError: files that are not as SEC writes them, or cues that do not fit the data set.
    """
    from ...artifacts import open_dataset
    from ...formats.cues import read_cues

    named: CueFiles = method.options
    if named.cues is None or named.cues_list is None:
        raise UsageError(f"--method {CARD.name}: needs --cues and --cues-list")
    data = files.enter_context(open_dataset(task.data or Path("data.h5")))
    cues = read_cues(named.cues, named.cues_list)
    known = [image_id for image_id in data.ids if image_id in cues]
    if not known:
        raise WsssError(
            f"{named.cues_list}: names none of the images in {data.path}",
            "ids are file names without extension",
        )
    wanted = select_ids(known, task.ids, named.cues_list)
    _check_classes(cues, data, wanted)
    params = {"method": CARD.name, "cues": f"{cues.path.name} sha256:{cues.digest}"}
    if task.saliency is not None:
        params |= task.saliency.params(wanted) | {"saliency_below": task.saliency.below}
    learns = [Taught(CUES, of=params["cues"])]
    if task.saliency is not None:
        learns += task.saliency.taught(params)
    make = CueLabels(cues, data, task.saliency)
    return Seeds(data.classes, [data], wanted, params, make, learns, travels=False)


@dataclass(frozen=True)
class CueLabels:
    """Gives each pixel the label of its cell."""

    cues: Cues
    data: DatasetReader
    saliency: Saliency | None

    def __call__(self, image_id: str) -> dict[str, np.ndarray]:
        """The fields of a `wsss/label` item."""
        from ...formats.cues import GRID
        from ...training.supervision import enlarge_cells

        cells, size = self.cues.cells(image_id), self.data.size(image_id)
        label = enlarge_cells(cells, (GRID, GRID), size, 1)
        if self.saliency is not None:
            label = self.saliency.background(image_id, label)
        return {"label": label, "present": self.cues.present(image_id)}


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
        may = set(data.not_said(image_id).tolist())
        other += set(present.tolist()) - may != set(data.tags(image_id).tolist())
    if other > len(ids) / 2:
        raise WsssError(
            f"{cues.path}: names other classes than {data.path} for {other} of {len(ids)} images",
            "labels must number the data set's classes in their order",
        )
    if other:
        warn(f"{cues.path}: {other} of {len(ids)} images have other classes than their tags")


CARD = SeedCard(
    name="cues",
    said="SEC's published cues, without maps",
    options=CueFiles,
    begin=begin,
    needs="SEC's cues (--cues, --cues-list) in place of maps",
    source="SEC: Kolesnikov and Lampert, ECCV 2016, and its published cues",
    page="sec",
)
