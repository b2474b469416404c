"""What a network learns from, written as labels after an epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from teaching import seg_task
from torch import Tensor, nn

from wsss_cli.artifacts import LABEL, DatasetReader, open_artifact, open_dataset
from wsss_cli.errors import UsageError, WsssError
from wsss_cli.options.training import Recipe, Setting
from wsss_cli.training.compute import Compute
from wsss_cli.training.supervision import GridOptions, Supervision, check_cells, enlarge_cells

IDS = ["a/4", "a/3"]


def test_a_grid_of_8_pixels_unless_told() -> None:
    assert (GridOptions().grid_stride, GridOptions().supervision) == (8, None)


def test_cells_within_bounds() -> None:
    check_cells(4, 16, (4, 16))
    check_cells(8, 872, (4, 16))  # 109 x 109 cells
    for stride, crop, said in (
        (3, 16, "--grid-stride 3: must lie in 4..16"),
        (17, 16, "--grid-stride 17: must lie in 4..16"),
        (8, 873, "--grid-stride 8: 110x110 cells are too many for a CRF in each step"),
    ):
        with pytest.raises(UsageError) as caught:
            check_cells(stride, crop, (4, 16))
        assert str(caught.value) == said


@pytest.mark.parametrize(
    ("scaled", "size", "stride"),
    [((8, 12), (8, 12), 4), ((7, 11), (15, 23), 4), ((9, 9), (5, 3), 3)],
)
def test_a_pixel_has_the_label_of_the_cell_it_lies_in(
    scaled: tuple[int, int], size: tuple[int, int], stride: int
) -> None:
    cells = np.arange(9, dtype=np.uint8).reshape(3, 3)
    found = enlarge_cells(cells, scaled, size, stride)
    assert found.shape == size
    for y, x in np.ndindex(*size):
        row = int((y + 0.5) * scaled[0] / size[0]) // stride
        column = int((x + 0.5) * scaled[1] / size[1]) // stride
        assert found[y, x] == cells[row, column]


class Brightness(nn.Module):
    """Logits that are an image itself."""

    def forward(self, x: Tensor) -> Tensor:
        return x


def load(image_id: str, rng: Any) -> dict[str, Tensor]:
    """A small image, of the number in its id."""
    return {"image": torch.full((3, 4, 6), float(image_id[-1]))}


def cells(logits: Tensor, batch: dict[str, Tensor]) -> Tensor:
    """(B, 2, 3) labels: that number less 3, in the first column less 2."""
    found = logits[:, 0, ::2, ::2] - 3
    found[..., 0] += 1
    return found.to(torch.uint8)


def supervision(data: DatasetReader, path: Path) -> Supervision:
    params = {"side": 6}
    present = lambda image_id: np.array([int(image_id[-1]) - 3], np.uint16)  # noqa: E731
    return Supervision(path, data, [data], IDS, 2, params, load, cells, present)


def test_cells_of_all_images_become_labels(tiny_data: Path) -> None:
    with open_dataset(tiny_data) as data:
        writes = supervision(data, tiny_data.with_name("sup.h5"))
        writes(Brightness(), Compute(torch.device("cpu")), 7)
    with open_artifact(tiny_data.with_name("sup-7.h5"), LABEL) as found:
        assert found.ids == sorted(IDS)
        assert found.params == {"epoch": 7, "side": 6}
        for number in (3, 4):
            item = found[f"a/{number}"]
            expected = np.full((32, 48), number - 3, np.uint8)
            expected[:, :16] = number - 2  # the first of three columns
            assert np.array_equal(item["label"], expected)
            assert item["present"].tolist() == [number - 3]
    assert not tiny_data.with_name("sup.h5").exists()


def test_files_of_all_epochs_are_checked_before_the_first(tiny_data: Path) -> None:
    folder = tiny_data.parent

    def early(val_every: int, epochs: int, force: bool = False, name: str = "sup.h5") -> None:
        recipe = Recipe(epochs=epochs, batch_size=1, lr=1.0)
        setting = Setting(force=force)
        task = seg_task(folder, val_every=val_every, recipe=recipe, setting=setting)
        with open_dataset(tiny_data) as data:
            one = supervision(data, folder / name)
            assert one.refused_early(task) is one

    early(2, 3)
    with pytest.raises(UsageError, match="--supervision: --val-every 0 leaves no epoch"):
        early(0, 3)
    for epoch in (2, 3):  # each second, and the last
        file = folder / f"sup-{epoch}.h5"
        file.write_text("mine")
        with pytest.raises(UsageError, match=rf"sup-{epoch}\.h5: exists already"):
            early(2, 3)
        early(2, 3, force=True)
        file.unlink()
    (folder / "sup-1.h5").write_text("mine")
    early(2, 3)
    with pytest.raises(WsssError, match="nowhere: no such folder"):
        early(2, 3, name="nowhere/sup.h5")
