"""torchvision's classifiers, filled from a state dict."""

from __future__ import annotations

import re
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
import torchvision.models as zoo
from torch import Tensor, nn

from ..core.normalisation import Normalisation
from .input import taking
from .states import State, find_state

# Ported from TensorFlow: torchvision builds them so for published weights, and otherwise only
# if told to. Heads that only training uses are in some of their files.
PORTED = {"transform_input": True, "aux_logits": False, "init_weights": False}
AUXILIARY = {"googlenet": ("aux1.", "aux2."), "inception_v3": ("AuxLogits.",)}
# DenseNet's layers as published files call them: norm.1 is norm1 since PyTorch 0.4.
DENSE_LAYER = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])\.")


def classifier_names() -> list[str]:
    """All that torchvision builds by name and that classifies images."""
    return list(zoo.list_models(module=zoo))


def state_of(found: Any, name: str) -> State:
    """A classifier's state dict in what a file holds.

    Args:
        found: what `torch.load` gave.
        name: one of `classifier_names()`.

    Raises:
        ValueError: there is none, or it is there twice.
    """
    return find_state(found, _shapes(name, 2))


def load_classifier(name: str, state: Mapping[str, Tensor]) -> tuple[nn.Module, int]:
    """A torchvision classifier of as many outputs as its state dict has.

    Args:
        name: one of `classifier_names()`.
        state: its tensors, with or without those of auxiliary heads, which are left out; half
            precision becomes float32.

    Returns:
        the network in eval mode on the CPU, and how many outputs it has. It takes what `to_input`
        gives, whatever normalisation torchvision's preset for its default weights has.

    Raises:
        ValueError: an unknown name, or tensors that are not such a network's.
    """
    if name not in classifier_names():
        raise ValueError(f"torchvision has no classifier {name!r}")
    state = {
        DENSE_LAYER.sub(r"\1\2.", key): value
        for key, value in state.items()
        if not key.startswith(AUXILIARY.get(name, ()))
    }
    one, other = (_shapes(name, outputs) for outputs in (2, 3))
    head = [key for key in one if one[key] != other[key] and key in state]
    outputs = len(state[head[-1]]) if head and state[head[-1]].dim() else 0
    if outputs < 1:
        last = next(key for key in one if one[key] != other[key]).rpartition(".")[0]
        strange = [key for key in state if key not in one]
        instead = f"; instead it has {strange[-1].rpartition('.')[0]}" if strange else ""
        raise ValueError(
            f"does not fit {name}: no tensor of its last layer, {last}, is there{instead}"
        )
    model = _build(name, outputs)
    wanted = model.state_dict()
    # files from before PyTorch 0.4.1 lack the batch counters, which nothing here reads
    keys = wanted.keys() | state.keys()
    keys -= {k for k in wanted if k.endswith("num_batches_tracked") and k not in state}
    wrong = sorted(
        key
        for key in keys
        if key not in state or key not in wanted or not _fits(state[key], wanted[key])
    )
    if wrong:
        raise ValueError(f"does not fit {name}: {len(wrong)} tensors, first {wrong[0]}")
    filled = OrderedDict(state)
    filled._metadata = wanted._metadata  # type: ignore[attr-defined]  # of versions: this one
    model.load_state_dict(filled, strict=False)
    _take_input(model, name)
    return model.eval(), outputs


@cache
def _shapes(name: str, outputs: int) -> dict[str, torch.Size]:
    """Of every tensor of such a network."""
    try:
        with torch.device("meta"):
            model = _build(name, outputs)
    except NotImplementedError:  # some look at their weights while they are initialised
        model = _build(name, outputs)
    return {key: value.shape for key, value in model.state_dict().items()}


def _build(name: str, outputs: int) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of how some will be initialised one day
        options = PORTED if name in AUXILIARY else {}
        return zoo.get_model(name, weights=None, num_classes=outputs, **options)


def _take_input(model: nn.Module, name: str) -> None:
    """Lets a network whose preset normalises images otherwise take those of `to_input`.

    By a hook, which leaves the paths of its layers and the keys of its tensors as they are. Into
    the first convolution it could not be folded, whose padding is 0 after normalisation.
    """
    preset = zoo.get_model_weights(name).DEFAULT.transforms()
    step = taking(Normalisation(tuple(preset.mean), tuple(preset.std)))
    if step is not None:
        model.register_forward_pre_hook(lambda module, inputs: step(*inputs))


def _fits(value: Tensor, like: Tensor) -> bool:
    return value.shape == like.shape and value.is_floating_point() == like.is_floating_point()
