"""Weights for backbones: from torchvision, from a file, or none."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ..artifacts.inputs import contents
from ..artifacts.supervision import Taught, foreign, of_contents, taught_by
from ..artifacts.torch_files import not_finite, read_torch
from ..artifacts.weights import MADE_BY
from ..core.normalisation import IMAGENET as OF_IMAGENET
from ..errors import WsssError
from .base import Backbone
from .input import recorded_normalisation
from .names import TIMM, facts_of
from .states import State, find_state

IMAGENET, RANDOM = "imagenet", "random"
FIRST = "IMAGENET1K_V1"  # torchvision's first published weights, which the papers used
HINT_FILE = "give --backbone-weights FILE with a state dict of torchvision or timm, or `random`"


def load_backbone_weights(backbone: Backbone, source: str | Path | Mapping[str, Tensor]) -> None:
    """Fill a backbone with pretrained weights.

    Args:
        backbone: changed in place.
        source: 'imagenet' for torchvision's first published weights (IMAGENET1K_V1, which the
            papers used), or those that timm has under the network's name, downloaded into the
            torch hub cache; 'random' to keep the initialisation; a path to a state dict of
            torchvision or timm, as it is or in a checkpoint (`states.find_state`), or to
            weights of ours; or what such a file holds. Half
            precision becomes float32. Keys of an ImageNet classifier are ignored; of a larger
            network only the backbone is taken. `backbone.origin` says where it was found.

    Raises:
        WsssError: unreadable file, one that needs code to run, download failed, or keys and
            shapes that are not exactly the backbone's.
    """
    if isinstance(source, Mapping):
        backbone.origin = _load(backbone, source, "the given weights")
    elif source == IMAGENET:
        _load(backbone, _imagenet(backbone.name), f"ImageNet weights of {backbone.name}")
        backbone.taught = taught_by(backbone.name, _published(backbone.name))
    elif source != RANDOM:
        found = _read(Path(source))
        backbone.origin = _load(backbone, found, str(source))
        backbone.taught = _taught(backbone.name, found, Path(source))


def _published(name: str) -> str:
    """What torchvision or timm calls the weights that are downloaded."""
    if not name.startswith(TIMM):
        return f"torchvision's {FIRST}"
    from .timm_zoo import published_as

    return f"timm's {published_as(name)}"


def _taught(name: str, found: Any, path: Path) -> tuple[Taught, ...]:
    """What taught the weights in a file: of torchvision's own, which is told by its checksum."""
    if isinstance(found, Mapping) and found.get("kind") in list(MADE_BY):
        try:
            return tuple(of_contents(found, path))
        except ValueError as error:
            raise WsssError(f"{path}: damaged ({error})", HINT_FILE) from None
    if not name.startswith(TIMM) and facts_of(name).published:
        from torchvision.models import get_model_weights

        digest = hashlib.sha256(contents(path)).hexdigest()
        for weights in get_model_weights(name):
            if f"-{digest[:8]}." in weights.url:
                return taught_by(name, f"torchvision's {weights.name} (file {path.name})")
    return (foreign(path.name),)


def all_entries(backbone: Backbone, source: str | Path | Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Every tensor that a source of weights holds, those of a classifier or head included.

    Args:
        backbone: of what network, for 'imagenet'.
        source: as for `load_backbone_weights`; 'random' holds none.

    Raises:
        WsssError: unreadable file, one that needs code to run, or download failed.
    """
    found: Any = source
    if source == RANDOM:
        return {}
    if source == IMAGENET:
        found = _imagenet(backbone.name)
    elif not isinstance(source, Mapping):
        found = _read(Path(source))
    return _found(backbone, found, "the given weights").everything


def _imagenet(name: str) -> Mapping[str, Tensor]:
    if not facts_of(name).published:
        raise WsssError(
            f"{name}: there are no ImageNet weights for it", "use --backbone-weights random"
        )
    if name.startswith(TIMM):
        from .timm_zoo import timm_weights

        return timm_weights(name)
    from torchvision.models import get_model_weights

    weights = get_model_weights(name)[FIRST]
    try:
        return weights.get_state_dict(
            progress=False, check_hash=True, map_location="cpu", weights_only=True
        )
    except (OSError, RuntimeError) as error:  # URLError is an OSError; a bad hash a RuntimeError
        raise WsssError(
            f"cannot download ImageNet weights of {name} from {weights.url}: {error}", HINT_FILE
        ) from error


def _read(path: Path) -> Any:
    try:
        return read_torch(path, others=True)
    except WsssError as err:
        raise WsssError(str(err), err.hint or HINT_FILE, err.exit_code) from None


def _found(backbone: Backbone, source: Any, label: str) -> State:
    """The backbone's tensors in what a file holds, with those of a classifier.

    Raises:
        WsssError: there are none, or they are there twice.
    """
    try:
        return find_state(source, _wanted(backbone))
    except ValueError as error:
        raise WsssError(f"{label}: {error}", HINT_FILE) from None


def _load(backbone: Backbone, source: Any, label: str) -> str:
    state = _found(backbone, source, label)
    given = {k: v for k, v in state.tensors.items() if not k.startswith(backbone.classifier)}
    wanted = _wanted(backbone)
    # files from before PyTorch 0.4.1 lack the batch counters, which nothing of ours reads
    missing = [k for k in wanted if k not in given and not k.endswith("num_batches_tracked")]
    unexpected = [k for k in given if k not in wanted]
    shape = [k for k in wanted if k in given and not _fits(given[k], wanted[k])]
    problems = [
        f"{len(keys)} {what}, first {keys[0]}"
        for what, keys in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("of other shape or type", shape),
        )
        if keys
    ]
    if problems:
        raise WsssError(
            f"{label}: does not fit {backbone.name}, which has {len(wanted)} tensors: "
            + "; ".join(problems),
            f"is it of another network than {backbone.name}? See --backbone",
        )
    lost = not_finite({key: given[key] for key in wanted if key in given})
    if lost:
        raise WsssError(
            f"{label}: {len(lost)} tensors hold NaN or infinity, first {lost[0]}", HINT_FILE
        )
    backbone.load_state_dict(
        {backbone.inside + key: given.get(key, value) for key, value in wanted.items()}
    )
    if not (isinstance(source, Mapping) and source.get("kind") in list(MADE_BY)):
        return state.said
    _check_normalisation(backbone, source, label)
    return ""


def _check_normalisation(backbone: Backbone, weights: Mapping[str, Any], label: str) -> None:
    """Refuse weights of ours that were trained on images of another normalisation."""
    config = weights.get("config")
    config = config if isinstance(config, Mapping) else {}
    try:
        found = recorded_normalisation(config) or OF_IMAGENET
    except ValueError as error:
        raise WsssError(f"{label}: {error}", HINT_FILE) from None
    if found != backbone.normalisation:
        raise WsssError(
            f"{label}: trained on images of mean {found.mean} and std {found.std}, which "
            f"{backbone.name} does not take",
            f"its backbone is {config.get('backbone')}: give that as --backbone",
        )


def _wanted(backbone: Backbone) -> dict[str, Tensor]:
    """A backbone's tensors by the names that they have in the network it was made from."""
    return {k.removeprefix(backbone.inside): t for k, t in backbone.state_dict().items()}


def _fits(value: Any, like: Tensor) -> bool:
    """Same shape, and a float for a float: integers would be quantised weights."""
    return (
        isinstance(value, Tensor)
        and not value.is_complex()
        and value.is_floating_point() == like.is_floating_point()
        and value.shape == like.shape
    )
