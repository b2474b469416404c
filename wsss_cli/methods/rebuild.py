"""Trained networks built again from what their weights files keep: each as its method's card says.

The one place that goes from a config to a network, for every command.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import WsssError, shortage

if TYPE_CHECKING:
    from torch import Tensor

    from ..artifacts import Weights
    from ..machine.place import Place
    from ..nets.affinity import AffinityNet, IRNet
    from ..nets.classifier import Classifier
    from ..nets.segmentation import Segmenter
    from ..training.lesson import TrainingCard

TRAINING_ONLY = ("aux_head.", "tag_head.")  # tensors of segmentation networks that only train


def rebuild_classifier(
    config: Mapping[str, Any], n_classes: int, state_dict: Mapping[str, Tensor]
) -> Classifier:
    """A trained classifier in eval mode, on the CPU.

    Args:
        config: `backbone`, `output_stride` and `dilated`, as `build_backbone` takes them; `method`
            where it is not the plain one, and what that method's network is built of.
        n_classes: C.
        state_dict: the classifier's tensors.

    Raises:
        ValueError: config or tensors are not those of such a network.
    """
    from ..nets.rebuild import entry
    from .train_cls import CARDS

    return _filled(CARDS, entry(config, "method", str, "cam"), config, n_classes, state_dict)


def rebuild_affinity(
    config: Mapping[str, Any], state_dict: Mapping[str, Tensor]
) -> AffinityNet | IRNet:
    """A trained affinity network in eval mode, on the CPU.

    Args:
        config: as for `rebuild_classifier`.
        state_dict: the network's tensors.

    Raises:
        ValueError: config or tensors are not those of such a network.
    """
    from ..nets.rebuild import entry
    from .train_aff import CARDS

    return _filled(CARDS, entry(config, "method", str), config, 0, state_dict)


def rebuild_segmenter(
    config: Mapping[str, Any], n_labels: int, state_dict: Mapping[str, Tensor]
) -> Segmenter:
    """A trained segmentation network in eval mode, on the CPU, without what only training needs.

    Args:
        config: as for `rebuild_classifier`, and `model` and `norm` as `build_segmenter` takes
            them; `method` where it is one that predicts in its own way.
        n_labels: background included.
        state_dict: the network's tensors.

    Raises:
        ValueError: config or tensors are not those of such a network.
    """
    from ..nets.rebuild import entry
    from .train_seg import CARDS

    kept = {k: t for k, t in state_dict.items() if not k.startswith(TRAINING_ONLY)}
    method = entry(config, "method", str, CARDS[0].name)
    return _filled(CARDS, method, config, n_labels, kept)


def presence_tellers() -> list[str]:
    """The methods of train-seg whose networks tell which classes an image holds."""
    from .train_seg import CARDS

    return [card.name for card in CARDS if card.presence]


def _filled(
    cards: Sequence[TrainingCard],
    method: Any,
    config: Mapping[str, Any],
    outputs: int,
    state_dict: Mapping[str, Tensor],
) -> Any:
    from ..nets.rebuild import fill

    found = [card for card in cards if card.name == method]
    if not found:
        raise ValueError(f"its config has the unknown method {method!r}")
    model = found[0].network(config, outputs)
    fill(model, state_dict)
    return model


def classifier(weights: Weights, place: Place) -> Classifier:
    """The trained classifier of a weights file, on its device.

    Raises:
        WsssError: config or tensors make no such network.
    """
    outputs = len(weights.classes)
    return _placed(weights, place, lambda c, t: rebuild_classifier(c, outputs, t), folded=True)


def segmenter(weights: Weights, place: Place) -> Segmenter:
    """The trained segmentation network of a weights file, on its device.

    Raises:
        WsssError: config or tensors make no such network.
    """
    labels = len(weights.classes) + 1
    return _placed(weights, place, lambda c, t: rebuild_segmenter(c, labels, t), folded=True)


def affinity(weights: Weights, place: Place) -> AffinityNet | IRNet:
    """The trained affinity network of a weights file, on its device.

    Raises:
        WsssError: config or tensors make no such network.
    """
    return _placed(weights, place, rebuild_affinity, folded=False)


def _placed(
    weights: Weights,
    place: Place,
    rebuild: Callable[[Mapping[str, Any], Mapping[str, Tensor]], Any],
    folded: bool,
) -> Any:
    """A network on its device; `folded`: with fixed batch norms absorbed by convolutions."""
    import torch

    from ..nets.folding import fold_batchnorm

    try:
        model = rebuild(weights.config, weights.state_dict)
    except ValueError as err:
        raise WsssError(
            f"{weights.path}: damaged ({err})", "train again, or take other weights"
        ) from None
    except (MemoryError, RuntimeError) as err:
        short = shortage(err)
        if short is None:
            raise
        raise WsssError(f"{weights.path}: {short} for its network", short.hint) from err
    model = fold_batchnorm(model) if folded else model
    return model.to(place.device).to(memory_format=torch.channels_last)
