"""Which parameters train at which rate and decay."""

from __future__ import annotations

import torch
from torch import nn

from wsss_cli.nets.backbones import build_backbone
from wsss_cli.nets.classifier import Classifier
from wsss_cli.nets.parameters import parameter_groups


def test_each_trainable_parameter_is_in_exactly_one_group() -> None:
    model = Classifier(build_backbone("vgg16").freeze_stages(1), 3)
    model.head = nn.Conv2d(512, 3, 1)  # with a bias, to have all four groups
    groups = parameter_groups(model, lr=0.1, weight_decay=5e-4)
    table = {g["name"]: (round(g["lr"], 9), g["weight_decay"], len(g["params"])) for g in groups}
    assert table == {
        "pretrained weight": (0.1, 5e-4, 9),  # 13 convolutions less conv1_1 .. conv2_2
        "pretrained bias": (0.2, 0.0, 9),
        "new weight": (1.0, 5e-4, 1),
        "new bias": (2.0, 0.0, 1),
    }
    listed = [id(p) for g in groups for p in g["params"]]
    assert sorted(listed) == sorted(id(p) for p in model.parameters() if p.requires_grad)
    torch.optim.SGD(groups, lr=0.1)


def test_biases_may_train_like_weights_and_empty_groups_go() -> None:
    model = Classifier(build_backbone("tiny"), 3)
    groups = parameter_groups(model, 0.5, 1e-4, head_multiplier=4, bias_doubling=False)
    assert [(g["name"], g["lr"], g["weight_decay"]) for g in groups] == [
        ("pretrained weight", 0.5, 1e-4),
        ("pretrained bias", 0.5, 1e-4),
        ("new weight", 2.0, 1e-4),
    ]


def test_the_caller_may_say_what_is_pretrained() -> None:
    model = nn.ModuleDict({"edge": nn.Conv2d(2, 2, 1), "displacement": nn.Conv2d(2, 2, 1)})
    groups = parameter_groups(model, 0.1, 0.0, bias_doubling=False, pretrained=[model["edge"]])
    rates = {id(p): g["lr"] for g in groups for p in g["params"]}
    assert rates[id(model["edge"].bias)] == 0.1
    assert rates[id(model["displacement"].weight)] == 1.0


def test_biases_that_decay_keep_their_doubled_rates() -> None:
    model = nn.ModuleDict({"old": nn.Conv2d(1, 1, 1), "new": nn.Conv2d(1, 1, 1)})
    model["old"].weight.requires_grad_(False)  # the group of it alone is left out
    groups = parameter_groups(
        model, 0.25, 0.5, head_multiplier=2, pretrained=[model["old"]], bias_decay=True
    )
    assert [(g["name"], g["lr"], g["weight_decay"]) for g in groups] == [
        ("pretrained bias", 0.5, 0.5),
        ("new weight", 0.5, 0.5),
        ("new bias", 1.0, 0.5),
    ]
