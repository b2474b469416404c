"""Network weights as `.pt` files: plain tensors and plain values, never code."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import WsssError
from . import provenance, supervision
from .attributes import check_classes
from .placing import placed
from .torch_files import check_plain, read_torch

if TYPE_CHECKING:
    from torch import Tensor

VERSION = 1
LARGEST = 1e9  # number in a config: no network has a part of that size
LISTED = 16  # numbers in a list of a config
MADE_BY = {"wsss/cls": "train-cls", "wsss/aff": "train-aff", "wsss/seg": "train-seg"}


@dataclass
class Weights:
    """A loaded weights file.

    Attributes:
        path: where it lies.
        kind: wsss/cls, wsss/aff or wsss/seg.
        config: what `nets` needs to build the network again.
        classes: class names, by class index.
        params: every training option that changes the numbers.
        history: one dict of figures an epoch.
        seed, inputs, run, data, supervision: as in an artifact.
        state_dict: the network's tensors.
    """

    path: Path
    kind: str
    config: dict[str, Any]
    classes: list[str]
    params: dict[str, Any]
    seed: int | None
    inputs: list[dict[str, str]]
    run: str
    data: dict[str, str] | None
    state_dict: dict[str, Tensor] = field(repr=False)
    history: list[dict[str, Any]] = field(default_factory=list)
    created_by: str = ""
    command: list[str] = field(default_factory=list)
    supervision: list[dict[str, Any]] | None = None


def weights_run(
    kind: str,
    *,
    params: Mapping[str, Any],
    seed: int | None,
    classes: Sequence[str],
    inputs: Sequence[provenance.Source],
    ids: Sequence[str] = (),
) -> str:
    """The run digest of a training: what its checkpoint and its weights are known by."""
    return provenance.run_digest(kind, VERSION, params, seed, classes, inputs, ids)


def save_weights(
    path: str | Path,
    *,
    kind: str,
    config: Mapping[str, Any],
    classes: Sequence[str],
    params: Mapping[str, Any],
    seed: int | None,
    inputs: Sequence[provenance.Source],
    state_dict: Mapping[str, Tensor],
    history: Sequence[Mapping[str, Any]] = (),
    ids: Sequence[str] = (),
    taught: list[dict[str, Any]] | None = None,
) -> None:
    """Write weights whole: to a temporary name, then renamed.

    Args:
        path: where they will stand.
        ids: images that they were trained on.
        taught: what taught them, of `supervision.record_of`; None where they are to say that nobody
            said. The others are as in `Weights`.

    Raises:
        WsssError: the disk is full or not writable.
    """
    path = Path(path)
    run = weights_run(kind, params=params, seed=seed, classes=classes, inputs=inputs, ids=ids)
    if taught is None:
        taught = supervision.record_of(inputs, ids, None, trains=True, run=run)
    write_torch(
        path,
        {
            "kind": kind,
            "version": VERSION,
            "created_by": f"wsss {__version__}",
            "command": provenance.command(),
            "config": dict(config),
            "classes": list(classes),
            "params": dict(params),
            "seed": seed,
            "inputs": provenance.describe_inputs(inputs),
            "data": provenance.data_record(inputs, path),
            "run": run,
            "supervision": taught,
            "history": [dict(row) for row in history],
            "state_dict": {name: t.detach().cpu() for name, t in state_dict.items()},
        },
    )


def load_weights(path: str | Path, kind: str | None = None) -> Weights:
    """Read a weights file on the CPU; nothing in it can run code.

    Args:
        path: the file.
        kind: what it must be; None takes any of ours.

    Raises:
        WsssError: missing, damaged, not ours, of another kind, of a newer version, or as
            `read_torch`.
    """
    path = Path(path)
    found = read_torch(path)
    if not isinstance(found, dict) or found.get("kind") not in list(MADE_BY):
        raise WsssError(f"{path}: not weights of wsss's", "`wsss train-cls` writes such files")
    if kind is not None and found["kind"] != kind:
        raise WsssError(
            f"{path}: holds {found['kind']}, not {kind}", f"`wsss {MADE_BY[kind]}` writes {kind}"
        )
    version = found.get("version")
    if isinstance(version, int) and version > VERSION:
        raise WsssError(
            f"{path}: {found['kind']} version {found['version']}, this wsss reads {VERSION}",
            f"update wsss, or rerun `wsss {MADE_BY[found['kind']]}` with this one",
        )
    values = {key: value for key, value in found.items() if key != "version"}
    try:
        weights = Weights(path=path, **values)
        _check_types(weights, version)
        return weights
    except (TypeError, ValueError) as err:
        reason = str(err).replace("Weights.__init__() ", "")
        raise WsssError(
            f"{path}: damaged ({reason})", f"rerun `wsss {MADE_BY[found['kind']]}`"
        ) from None


def _check_types(weights: Weights, version: Any) -> None:
    """Raise ValueError where a value is of another type than `save_weights` writes."""
    kinds: dict[str, tuple[type, ...]] = {
        "config": (dict,),
        "classes": (list,),
        "params": (dict,),
        "seed": (int, type(None)),
        "run": (str,),
        "created_by": (str,),
        "command": (list,),
        "history": (list,),
        "state_dict": (dict, OrderedDict),
    }
    for name, kind in kinds.items():
        value = getattr(weights, name)
        if type(value) not in kind:
            raise ValueError(f"{name} is no {kind[0].__name__}")
        if name != "state_dict":
            check_plain(name, value)
    if type(version) is not int or version < 1:
        raise ValueError("version is no number")
    check_classes(weights.classes)
    check_config(weights.config)
    check_state("state_dict", weights.state_dict)
    if not all(isinstance(row, dict) for row in weights.history):
        raise ValueError("history is no list of figures")
    if not all(isinstance(word, str) for word in weights.command):
        raise ValueError("command is no list of words")
    provenance.check_records(weights.inputs, weights.data)
    supervision.check(weights.supervision)


def check_config(config: Mapping[str, Any]) -> None:
    """Raise ValueError where a network's config is not made of words, numbers and yes or no.

    Or of short lists of numbers.
    """
    for name, value in config.items():
        listed = isinstance(value, list) and len(value) <= LISTED
        parts = value if listed and all(type(part) in (int, float) for part in value) else [value]
        for part in parts:
            number = isinstance(part, int | float) and -LARGEST < part < LARGEST  # NaN is not
            if not number and not isinstance(part, str | None):
                raise ValueError(f"config: {name} is no word and no number")


def check_state(name: str, state: Any) -> None:
    """Raise ValueError where a state dict is no dict of tensors by name."""
    from torch import Tensor

    if not isinstance(state, dict):
        raise ValueError(f"{name} is no dict")
    for key, tensor in state.items():
        if type(key) is not str or not isinstance(tensor, Tensor):
            raise ValueError(f"{name} holds more than tensors by name")


def write_torch(path: Path, value: Any) -> None:
    """`torch.save` to a temporary name beside `path`, synced, then renamed into place.

    Raises:
        WsssError: the disk is full or not writable.
    """
    import torch

    outer = sys.exc_info()[1]  # an interrupted run is saved while its interruption is dealt with
    with placed(path) as stream:
        try:
            torch.save(value, stream)
        except (OSError, RuntimeError) as err:
            if _interrupted(err, outer):
                raise KeyboardInterrupt from None
            raise


def _interrupted(error: BaseException, outer: BaseException | None) -> bool:
    """Whether an error came of a signal: `torch.save`, when stopped, complains of its own file."""
    cause = error.__context__
    if cause is None or cause is outer:
        return False
    return isinstance(cause, KeyboardInterrupt) or _interrupted(cause, outer)
