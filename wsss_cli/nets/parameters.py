"""Which parameters train at which rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from .base import Backbone


def parameter_groups(
    model: nn.Module,
    lr: float,
    weight_decay: float,
    head_multiplier: float = 10.0,
    bias_doubling: bool = True,
    pretrained: Sequence[nn.Module] | None = None,
    bias_decay: bool = False,
) -> list[dict[str, Any]]:
    """Optimiser groups: pretrained and new, weights and biases.

    | group             | rate                      | weight decay |
    |-------------------|---------------------------|--------------|
    | pretrained weight | lr                        | weight_decay |
    | pretrained bias   | 2 lr                      | 0            |
    | new weight        | head_multiplier * lr      | weight_decay |
    | new bias          | 2 * head_multiplier * lr  | 0            |

    As PSA (Ahn & Kwak, CVPR 2018), SEAM and the DeepLab recipes train; a norm's scale counts as a
    weight and its shift as a bias.

    Args:
        model: its parameters with requires_grad are each in exactly one group.
        lr: rate of pretrained weights.
        weight_decay: of weights.
        head_multiplier: rate of new over pretrained parameters; 1 when training from scratch.
        bias_doubling: False gives biases the rate and the decay of weights (IRN).
        pretrained: modules whose parameters are not new; by default every `Backbone` in the
            model. IRNet trains its edge head at lr and its displacement head at 10 lr:
            pass `[net.edge]`.
        bias_decay: decay biases as weights, at their doubled rates (OAA).

    Returns:
        Dicts with params, lr, weight_decay and name; empty groups left out.
    """
    if pretrained is None:
        pretrained = [module for module in model.modules() if isinstance(module, Backbone)]
    old = {id(parameter) for module in pretrained for parameter in module.parameters()}
    groups: dict[str, dict[str, Any]] = {}
    for age, age_rate in (("pretrained", 1.0), ("new", head_multiplier)):
        bias_rate = 2 * age_rate if bias_doubling else age_rate
        decayed = bias_decay or not bias_doubling
        for role, rate, decay in (
            ("weight", age_rate, weight_decay),
            ("bias", bias_rate, weight_decay if decayed else 0.0),
        ):
            name = f"{age} {role}"
            groups[name] = {"params": [], "lr": lr * rate, "weight_decay": decay, "name": name}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            age = "pretrained" if id(parameter) in old else "new"
            role = "bias" if name.rpartition(".")[2] == "bias" else "weight"
            groups[f"{age} {role}"]["params"].append(parameter)
    return [group for group in groups.values() if group["params"]]
