"""What the methods of train-seg share: the network, its validation, what is recorded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from wsss_cli.artifacts import open_dataset
from wsss_cli.core.metrics import confusion_matrix, scores
from wsss_cli.training import segmenting as _segmenting
from wsss_cli.training.compute import Compute


def test_validation_scores_whole_images_at_their_own_size(tiny_data: Path) -> None:
    """The figure is eval's: every mask pixel against the network's label there."""

    class Painter(torch.nn.Module):
        """Sees the strongest colour; knows nothing of sizes."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            strength = x - x.mean(1, keepdim=True)
            return torch.cat([torch.full_like(x[:, :1], 0.5), strength], 1)

    with open_dataset(tiny_data) as data:
        compute, ids = Compute(torch.device("cpu")), data.ids
        found = _segmenting.validate(data, ids, 1024, Painter(), compute)
        total = np.zeros((4, 5), np.int64)
        for image_id in ids:
            batch = _segmenting.load_whole(data, 1024, image_id, np.random.default_rng(0))
            label = Painter()(batch["image"][None])[0].argmax(0).numpy().astype(np.uint8)
            total += confusion_matrix(data.mask(image_id), label, 4)
        expected = scores(total)
        assert found == {
            "val_miou": expected.miou,
            "val_pixel_accuracy": expected.pixel_accuracy,
        }
        assert found["val_miou"] > 0.9
        small = _segmenting.validate(data, ids, 24, Painter(), compute)  # logits enlarged again
        assert 0.7 < small["val_miou"] < found["val_miou"]
