"""train-aff --method irn: boundaries between objects, and displacements to their centres."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ...options.training import MAX_SIDE
from ...training.affinities import Learner, Relating, count_cells
from ...training.lesson import TrainingCard

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from ...artifacts import DatasetReader
    from ...nets.affinity import IRNet
    from ...training.compute import Compute
    from ...training.data import Sample


class BoundaryLesson(Relating):
    """IRNet, whose two heads train, on the label at each cell's centre.

    At the end it learns its mean displacement.
    """

    def learner(self, reader: DatasetReader, ids: Sequence[str]) -> Learner:
        from ...nets.affinity import IRNet
        from ...training.losses import Loss, nearest_labels

        radius = self.task.radius
        model = IRNet(self.task.body.build())
        prepare = partial(count_cells, nearest_labels, model.stride, radius)
        return Learner(
            model,
            Loss(prepare, partial(boundary_loss, radius)),
            {"method": CARD.name},
            # the boundary head trains at --lr itself, as in IRN's code
            {"bias_doubling": False, "pretrained": [model.edge]},
            partial(centre_displacement, reader, ids),
        )


def boundary_loss(
    radius: int, outputs: tuple[Tensor, Tensor], labels: Tensor, counts: Tensor
) -> Tensor:
    """IRNet's losses."""
    from ...core.affinity import boundary_loss_irn

    edge, displacement = outputs
    return boundary_loss_irn(edge.sigmoid(), displacement, labels, radius, counts=counts).total


def centre_displacement(
    reader: DatasetReader, ids: Sequence[str], model: nn.Module, compute: Compute
) -> None:
    """Store the mean displacement over the training images, whole and each counting the same.

    Source: IRNet (Ahn, Cho and Kwak, CVPR 2019), section 4.2; the code takes 512 x 512 corners,
    padding included.
    """
    import torch

    from ...nets.affinity import IRNet
    from ...training.compute import predictions
    from ...training.data import Samples, in_order

    assert isinstance(model, IRNet)
    model.set_mean_displacement(torch.zeros(2))
    total = torch.zeros(2)
    samples = Samples(partial(load_whole, reader), ids)
    keys = compute.team.mine(in_order(len(ids), 1))
    for outputs, _ in predictions(model, compute.batches(samples, keys), compute):
        total += outputs[1].mean(dim=(0, 2, 3)).cpu()
    model.set_mean_displacement(torch.stack(compute.team.gather(total)).sum(0) / len(ids))


def load_whole(reader: DatasetReader, image_id: str, rng: np.random.Generator) -> Sample:
    """A whole image (3, H, W) at its working size."""
    from ...core.images import to_input
    from ...core.views import resize_image, working_size

    image = reader.image(image_id)
    size = working_size((image.shape[0], image.shape[1]), MAX_SIDE)
    return {"image": to_input(resize_image(image, size))}


def network(config: Mapping[str, Any], _: int) -> IRNet:
    """The network that weights of this method hold, untrained."""
    from ...nets.affinity import IRNet
    from ...nets.rebuild import backbone_of

    return IRNet(backbone_of(config))


# As published, but for the rate and the batches: see psa.
CARD = TrainingCard(
    name="irn",
    said="IRNet's boundaries and displacements",
    lesson=BoundaryLesson,
    learns=(),
    network=network,
    source="IRNet: Ahn, Cho and Kwak, CVPR 2019, and its code",
    usual={
        "radius": 10,
        "output_stride": 16,
        "dilated": False,
        "epochs": 8,
        "batch_size": 16,
        "lr": 1e-2,
        "weight_decay": 1e-4,
        "crop": 512,
        "rescale": "0.5,1.5",
    },
)
