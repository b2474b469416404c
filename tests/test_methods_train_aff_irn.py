"""train-aff --method irn: its network, loss, groups and last touch, without a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import CLASSES
from made import pack_like
from torch import Tensor, nn

from wsss_cli.artifacts import open_dataset
from wsss_cli.core.affinity import boundary_loss_irn
from wsss_cli.core.images import to_input
from wsss_cli.methods.train_aff import irn
from wsss_cli.nets.affinity import IRNet
from wsss_cli.options.cards import NoOptions
from wsss_cli.options.training import Body, Crops, Recipe, Setting
from wsss_cli.training.affinities import AffinityTask
from wsss_cli.training.compute import Compute

TASK = AffinityTask(
    out=Path("aff.pt"),
    seeds=Path("seeds.h5"),
    data=None,
    split=None,
    radius=3,
    body=Body(backbone="tiny", weights="random"),
    recipe=Recipe(epochs=1, batch_size=1, lr=0.5),
    crops=Crops(),
    setting=Setting(),
)


def test_the_lesson_is_irnet_on_labels_at_cell_centres(tiny_data: Path) -> None:
    with open_dataset(tiny_data) as reader:
        learner = irn.BoundaryLesson(TASK, NoOptions()).learner(reader, ["a/0"])
    assert isinstance(learner.model, IRNet)
    assert learner.config == {"method": "irn"}
    assert learner.grouping == {"bias_doubling": False, "pretrained": [learner.model.edge]}
    assert learner.finish is not None
    label = torch.zeros(1, 8, 12, dtype=torch.uint8)
    label[:, 1::4, 1::4] = 2  # the pixel that is nearest to each centre
    label[:, 1, 1] = 0
    labels, counts = learner.loss.prepare({"label": label})
    assert labels.tolist() == [[[0, 2, 2], [2, 2, 2]]]
    # of radius 3 in 2 x 3 cells: 6 pairs within a row, 7 between the rows; the first cell has 2 + 3
    assert counts.tolist() == [0, 10, 5]


def test_the_loss_takes_the_sigmoid_of_boundaries() -> None:
    labels = torch.tensor([[[0, 1, 1], [0, 0, 1]]], dtype=torch.uint8)
    edge, displacement = torch.randn(1, 1, 2, 3), torch.randn(1, 2, 2, 3)
    counts = torch.tensor([1, 2, 4])
    found = irn.boundary_loss(2, (edge, displacement), labels, counts)
    boundary = 1 / (1 + (-edge).exp())
    expected = boundary_loss_irn(boundary, displacement, labels, 2, counts=counts).total
    torch.testing.assert_close(found, expected)


class Drift(IRNet):
    """Displacements that are the mean colour of an image, less what is stored."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.mean = torch.full((2,), 9.0)

    def set_mean_displacement(self, mean: Tensor) -> None:
        self.mean = mean.clone()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        colour = x.mean((2, 3), keepdim=True)[:, :2]
        return colour, colour.expand(-1, -1, 3, 4) - self.mean[:, None, None]


def test_the_mean_displacement_counts_each_image_once(tmp_path: Path) -> None:
    images = {
        "small": np.full((4, 5, 3), 0, np.uint8),
        "large": np.full((40, 50, 3), 100, np.uint8),
        "other": np.full((9, 9, 3), 255, np.uint8),
    }
    path = pack_like(tmp_path / "data.h5", images, {}, {}, CLASSES)
    model = Drift()
    with open_dataset(path) as reader:
        irn.centre_displacement(reader, ["small", "large"], model, Compute(torch.device("cpu")))
    means = [to_input(images[name]).mean((1, 2))[:2] for name in ("small", "large")]
    torch.testing.assert_close(model.mean, (means[0] + means[1]) / 2)


@pytest.mark.parametrize(
    ("size", "expected"), [((6, 9), (6, 9)), ((10, 2048), (5, 1024)), ((1200, 600), (1024, 512))]
)
def test_whole_images_are_shrunk_to_the_working_size(
    size: tuple[int, int], expected: tuple[int, int], tmp_path: Path
) -> None:
    image = np.full((*size, 3), 128, np.uint8)
    path = pack_like(tmp_path / "data.h5", {"x": image}, {}, {}, CLASSES)
    with open_dataset(path) as reader:
        sample = irn.load_whole(reader, "x", np.random.default_rng(0))
    assert tuple(sample["image"].shape) == (3, *expected)
    flat = to_input(image[:1, :1])  # a flat image stays flat
    torch.testing.assert_close(sample["image"], flat.expand(-1, *expected))


def test_the_network_of_weights() -> None:
    config = {"backbone": "tiny", "output_stride": 16, "dilated": False, "method": "irn"}
    net = irn.network(config, 0)
    assert type(net) is IRNet
    assert net.backbone.config == {"name": "tiny", "output_stride": 16, "dilated": False}
    with pytest.raises(ValueError, match="its config lacks dilated"):
        irn.network({"backbone": "tiny", "output_stride": 16}, 0)


def test_the_card() -> None:
    card = irn.CARD
    assert (card.name, card.lesson, card.network) == ("irn", irn.BoundaryLesson, irn.network)
    assert card.own == {}
    # Ahn, Cho and Kwak: radius 10, crops of 512, scales 0.5 to 1.5
    published = {"radius": 10, "crop": 512, "rescale": "0.5,1.5", "weight_decay": 1e-4}
    assert {name: card.usual[name] for name in published} == published
