"""train-aff --method psa: its network, loss and own option, without a run."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import nn

from wsss_cli.artifacts import open_dataset
from wsss_cli.core.affinity import affinity_loss_psa
from wsss_cli.methods.train_aff import CARDS, irn, psa
from wsss_cli.nets.affinity import AffinityNet
from wsss_cli.options.training import Body, Crops, Recipe, Setting
from wsss_cli.training.affinities import AffinityTask, Learner

TASK = AffinityTask(
    out=Path("aff.pt"),
    seeds=Path("seeds.h5"),
    data=None,
    split=None,
    radius=2,
    body=Body(backbone="tiny", weights="random", output_stride=8),
    recipe=Recipe(epochs=1, batch_size=1, lr=0.5),
    crops=Crops(),
    setting=Setting(),
)


def learner(data: Path, backbone: str = "tiny", group_norm: bool | None = None) -> Learner:
    task = dataclasses.replace(TASK, body=dataclasses.replace(TASK.body, backbone=backbone))
    with open_dataset(data) as reader:
        lesson = psa.AffinityLesson(task, psa.Projections(group_norm=group_norm))
        return lesson.learner(reader, ["a/0"])


def test_the_lesson_is_affinitynet_on_the_commonest_labels(tiny_data: Path) -> None:
    found = learner(tiny_data)
    assert isinstance(found.model, AffinityNet)
    assert (found.grouping, found.finish) == ({}, None)
    label = torch.zeros(1, 8, 16, dtype=torch.uint8)
    label[0, :, 8:] = 1
    label[0, :3, :] = 2  # 24 of 64 pixels of either cell
    labels, counts = found.loss.prepare({"label": label})
    assert labels.tolist() == [[[0, 1]]]
    assert counts.tolist() == [0, 0, 1]


@pytest.mark.usefixtures("thin_vgg")
@pytest.mark.parametrize(
    ("backbone", "given", "expected"),
    [
        ("tiny", None, False),
        ("tiny", True, True),
        ("vgg16", None, True),  # which has no batch norm
        ("vgg16", False, False),
    ],
)
def test_projections_are_normalised_where_the_backbone_is_not(
    backbone: str, given: bool | None, expected: bool, tiny_data: Path
) -> None:
    found = learner(tiny_data, backbone, given)
    assert found.config == {"method": "psa", "group_norm": expected}
    kinds = {type(projection[1]) for projection in found.model.projections}
    assert kinds == {nn.GroupNorm if expected else nn.Identity}


def test_the_loss_is_affinitynets() -> None:
    labels = torch.tensor([[[0, 1, 1], [0, 0, 1]]], dtype=torch.uint8)
    features, counts = torch.randn(1, 4, 2, 3), torch.tensor([1, 2, 4])
    expected = affinity_loss_psa(features, labels, 2, counts=counts).total
    assert psa.affinity_loss(2, features, labels, counts) == expected
    assert psa.affinity_loss(3, features, labels, counts) != expected


@pytest.mark.parametrize("group_norm", [True, False])
def test_the_network_of_weights(group_norm: bool) -> None:
    config = {"backbone": "tiny", "output_stride": 8, "dilated": True, "group_norm": group_norm}
    net = psa.network(config, 0)
    assert type(net) is AffinityNet
    assert net.backbone.config == {"name": "tiny", "output_stride": 8, "dilated": True}
    assert isinstance(net.projections[0][1], nn.GroupNorm) is group_norm
    with pytest.raises(ValueError, match="its config lacks group_norm"):
        psa.network({k: v for k, v in config.items() if k != "group_norm"}, 0)


def test_the_card() -> None:
    assert CARDS == (irn.CARD, psa.CARD)
    card = psa.CARD
    assert (card.name, card.lesson, card.network) == ("psa", psa.AffinityLesson, psa.network)
    assert card.own == {"group_norm": None}
    # Ahn and Kwak: radius 5, crops of 448, no scales, decay 5e-4, stride 8 dilated
    published = {"radius": 5, "crop": 448, "rescale": None, "weight_decay": 5e-4}
    published |= {"output_stride": 8, "dilated": True}
    assert {name: card.usual[name] for name in published} == published
    assert card.usual.keys() == irn.CARD.usual.keys()
