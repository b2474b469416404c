"""Network weights as `.pt` files: plain tensors and plain values, never code."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import WsssError, shortage
from . import foreign, ledger, provenance
from .placing import placed

if TYPE_CHECKING:
    from torch import Tensor

VERSION = 1
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
        seed, inputs, run, data: as in an artifact.
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
) -> None:
    """Write weights whole: to a temporary name, then renamed.

    Raises:
        WsssError: the disk is full or not writable.
    """
    path = Path(path)
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
            "run": weights_run(
                kind, params=params, seed=seed, classes=classes, inputs=inputs, ids=ids
            ),
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
        WsssError: missing, damaged, not ours, of another kind, of a newer version.
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
    from torch import Tensor

    kinds: dict[str, type] = {
        "config": dict,
        "classes": list,
        "params": dict,
        "run": str,
        "history": list,
        "state_dict": dict,
    }
    for name, kind in kinds.items():
        if not isinstance(getattr(weights, name), kind):
            raise ValueError(f"{name} is no {kind.__name__}")
    if not isinstance(version, int):
        raise ValueError("version is no number")
    if not all(isinstance(name, str) for name in weights.classes):
        raise ValueError("classes are no names")
    if not all(isinstance(tensor, Tensor) for tensor in weights.state_dict.values()):
        raise ValueError("state_dict holds more than tensors")
    if not all(isinstance(row, dict) for row in weights.history):
        raise ValueError("history is no list of figures")
    provenance.check_records(weights.inputs, weights.data)


def read_torch(path: Path, others: bool = False) -> Any:
    """`torch.load` restricted to tensors and plain values, with errors of one line.

    Args:
        path: the file.
        others: whether it may be of other people's making, with objects beside its tensors that
            are of no use here (`foreign.NAMES`).

    Raises:
        WsssError: it cannot be read, is of another kind, which is named, or needs code to load.
    """
    import pickle
    import warnings
    from contextlib import nullcontext

    import torch

    ledger.read(path)
    if not path.is_file():
        reason = "is a folder" if path.is_dir() else "no such file"
        raise WsssError(f"{path}: {reason}")
    try:
        if known := foreign.stranger(path):
            raise WsssError(f"{path}: {known[0]}", known[1])
        with warnings.catch_warnings(), foreign.stand_ins() if others else nullcontext():
            warnings.simplefilter("ignore")  # of odd pickles; what cannot be read is said below
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as err:
        name = foreign.forbidden(err)
        raise WsssError(
            f"{path}: holds more than tensors and plain values, and was not read"
            + (f": {name} would have to run code" if name else ""),
            foreign.WAY_OUT,
        ) from None
    except PermissionError:
        raise WsssError(f"{path}: permission denied") from None
    except WsssError:
        raise
    except Exception as err:  # torch raises many kinds for damaged files
        reason = (str(err).splitlines() or [type(err).__name__])[0]
        raise shortage(err) or WsssError(f"{path}: not a weights file ({reason})") from None


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
