"""The files that stages exchange: HDF5 artifacts and `.pt` weights.

The names below are loaded, and h5py and numpy with them, when they are first asked for: commands
import light modules of this package when they start.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .dataset import DatasetReader, open_dataset
    from .schema import CAM, DATASET, LABEL, Schema
    from .shards import Shard
    from .store import Artifact, open_artifact
    from .weights import Weights, load_weights, save_weights
    from .writer import Writer, create

__all__ = [
    "CAM",
    "DATASET",
    "LABEL",
    "Artifact",
    "DatasetReader",
    "Schema",
    "Shard",
    "Weights",
    "Writer",
    "create",
    "load_weights",
    "open_artifact",
    "open_dataset",
    "save_weights",
]

_HOMES = {
    "dataset": ("DatasetReader", "open_dataset"),
    "schema": ("CAM", "DATASET", "LABEL", "Schema"),
    "shards": ("Shard",),
    "store": ("Artifact", "open_artifact"),
    "weights": ("Weights", "load_weights", "save_weights"),
    "writer": ("Writer", "create"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """One of the names above, from its module."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
