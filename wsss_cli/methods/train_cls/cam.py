"""train-cls --method cam: the plain classifier, whose maps start the chain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...training.classifying import WHOLE, Classifying, if_probed, probes_tags
from ...training.lesson import TrainingCard

if TYPE_CHECKING:
    from ...nets.classifier import Classifier


def network(config: Mapping[str, Any], n_classes: int) -> Classifier:
    """The network that weights of this method hold, untrained."""
    from ...nets.classifier import Classifier
    from ...nets.rebuild import backbone_of

    return Classifier(backbone_of(config), n_classes)


CARD = TrainingCard(
    name="cam",
    said="a plain classifier",
    lesson=Classifying,
    network=network,
    probes=probes_tags,
    source="CAM: Zhou et al., CVPR 2016; trained as in IRNet's code (Ahn, Cho and Kwak, CVPR 2019)",
    usual={
        "output_stride": 16,
        "dropout": 0.0,
        "epochs": if_probed(3, 5),
        "batch_size": 16,
        "lr": 3e-3,
        "head_multiplier": 100.0,
        "weight_decay": 1e-4,
        "crop": WHOLE,
        "jitter": None,
    },
)
