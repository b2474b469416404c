"""The files that stages exchange: HDF5 artifacts and `.pt` weights.

What it offers is imported where it is first asked for: commands note their files in `ledger` as
they start, and h5py and numpy would take longer to load than `--help` to print.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .dataset import DatasetReader
    from .opening import open_dataset
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
    "dataset": ("DatasetReader",),
    "opening": ("open_dataset",),
    "schema": ("CAM", "DATASET", "LABEL", "Schema"),
    "shards": ("Shard",),
    "store": ("Artifact", "open_artifact"),
    "weights": ("Weights", "load_weights", "save_weights"),
    "writer": ("Writer", "create"),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
