"""The files that stages exchange: HDF5 artifacts and `.pt` weights."""

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
