"""What a network of train-seg learns from as it is after an epoch, written as labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import UsageError
from ..options.files import Writes
from .beside import check_beside

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from ..artifacts import DatasetReader
    from ..artifacts.provenance import Source
    from .compute import Compute
    from .data import Load, Sample
    from .segmenting import Task


@dataclass(frozen=True, kw_only=True)
class GridOptions:
    """The grid on which labels change while a network learns from them."""

    grid_stride: Annotated[
        int, typer.Option(metavar="PIXELS", help="Side of a cell of the grid of labels, in pixels.")
    ] = 8
    supervision: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File name for the labels that teach: after each validated epoch N, the seeds "
            "or mined labels of that time are written to FILE-N, for `eval`.",
        ),
        Writes(numbered=True),
    ] = None


def check_cells(stride: int, crop: int, sides: tuple[int, int]) -> None:
    """Raise UsageError for a --grid-stride out of `sides`, or too fine for a CRF in each step."""
    from ..core.grid import grid_size
    from ..core.meanfield import MAX_CELLS

    if not sides[0] <= stride <= sides[1]:
        raise UsageError(f"--grid-stride {stride}: must lie in {sides[0]}..{sides[1]}")
    h, w = grid_size(crop, crop, stride)
    if h * w > MAX_CELLS:
        raise UsageError(
            f"--grid-stride {stride}: {h}x{w} cells are too many for a CRF in each step",
            "raise it, or lower --crop",
        )


@dataclass(frozen=True)
class Supervision:
    """Writes the labels of cells that supervise; masks have no part in it.

    Attributes:
        path: `sup.h5` makes `sup-3.h5` after epoch 3.
        data: whose images they are of.
        inputs: what they are made from.
        ids: training images.
        stride: pixels of an image, as the network gets to see it here, per cell.
        params: what the file says of how they came to be.
        load: makes the sample of an image, whole.
        cells: of the network's logits for a batch, and the batch: (B, h, w) uint8.
        present: (K,) uint16 classes that an image may hold.
    """

    path: Path
    data: DatasetReader
    inputs: Sequence[Source]
    ids: Sequence[str]
    stride: int
    params: Mapping[str, Any]
    load: Load
    cells: Callable[[Tensor, Sample], Tensor]
    present: Callable[[str], np.ndarray]

    def refused_early(self, task: Task) -> Supervision:
        """Itself, unless a file of an epoch could not be written, or would replace another.

        Raises:
            UsageError, WsssError: as `check_beside`; or no epoch is validated.
        """
        if not task.val_every:
            raise UsageError("--supervision: --val-every 0 leaves no epoch to write it after")
        for epoch in range(task.recipe.epochs + 1):
            if epoch % task.val_every == 0 or epoch == task.recipe.epochs:
                is_own = partial(self._is_own, epoch)
                check_beside(
                    self._place(epoch), "--supervision", task.out, task.setting.force, is_own
                )
        return self

    def __call__(self, model: nn.Module, compute: Compute, epoch: int) -> None:
        """Write the file of an epoch."""
        from .compute import predictions
        from .data import Samples, in_order

        keys = compute.team.mine(in_order(len(self.ids), 1))
        found = {}
        batches = compute.batches(Samples(self.load, self.ids), keys)
        outputs = predictions(model, batches, compute)
        for ((_, index),), (logits, batch) in zip(keys, outputs, strict=True):
            cells = self.cells(logits, batch)[0].cpu().numpy()
            found[self.ids[index]] = cells, tuple(batch["image"].shape[-2:])
        shares = compute.team.gather(found)
        if compute.team.leads:
            self._write({name: one for share in shares for name, one in share.items()}, epoch)

    def _place(self, epoch: int) -> Path:
        return self.path.with_name(f"{self.path.stem}-{epoch}{self.path.suffix}")

    def _facts(self, epoch: int) -> dict[str, Any]:
        """What the file of an epoch is known by."""
        return {
            "classes": self.data.classes,
            "params": {"epoch": epoch, **self.params},
            "inputs": self.inputs,
            "ids": list(self.ids),
        }

    def _is_own(self, epoch: int) -> bool:
        from ..artifacts import LABEL
        from ..artifacts.standing import is_output

        return is_output(self._place(epoch), LABEL, **self._facts(epoch))

    def _write(self, found: Mapping[str, Any], epoch: int) -> None:
        from ..artifacts import LABEL, create

        with create(self._place(epoch), LABEL, **self._facts(epoch), force=True) as out:
            for image_id in out.todo:
                cells, scaled = found[image_id]
                size = self.data.size(image_id)
                out.put(
                    image_id,
                    label=enlarge_cells(cells, scaled, size, self.stride),
                    present=self.present(image_id),
                )


def enlarge_cells(
    cells: np.ndarray, scaled: tuple[int, int], size: tuple[int, int], stride: int
) -> np.ndarray:
    """(H, W) labels, each that of the cell in which the pixel lies.

    Args:
        cells: (h, w), of `stride` pixels each, over an image of the size `scaled`.
        size: (H, W) that the image was scaled from.
    """
    import numpy as np

    places = [
        ((np.arange(side) + 0.5) * (small / side)).astype(np.intp) // stride
        for side, small in zip(size, scaled, strict=True)
    ]
    return cells[places[0]][:, places[1]]
