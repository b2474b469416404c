"""Feature maps brought from one stride to another."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from wsss_cli.nets.grids import to_stride


def test_to_stride_enlarges_by_the_factor_then_crops() -> None:
    maps = torch.arange(6.0).reshape(1, 1, 2, 3)  # stride 16 of 17..32 x 33..48
    fine = to_stride(maps, 16, 8, (20, 40))
    whole = F.interpolate(maps, scale_factor=2, mode="bilinear", align_corners=False)
    assert fine.shape == (1, 1, 3, 5)
    assert torch.equal(fine, whole[:, :, :3, :5])
    assert torch.equal(to_stride(maps, 16, 16, (20, 40)), maps)


def test_to_stride_averages_the_cells_there_are() -> None:
    maps = torch.tensor([[[[1.0, 3.0, 10.0], [5.0, 7.0, 20.0], [2.0, 4.0, 9.0]]]])
    coarse = to_stride(maps, 2, 4, (5, 6))
    assert torch.equal(coarse, torch.tensor([[[[4.0, 15.0], [3.0, 9.0]]]]))
    with pytest.raises(ValueError, match="cannot bring stride 3 to 4"):
        to_stride(maps, 3, 4, (5, 6))
