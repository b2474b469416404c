"""The classifier behind a file of maps, for eval --faithfulness: found by what the maps record, and
built again to be asked again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..console import warn
from ..errors import WsssError
from .classifiers import Network, StateDict

if TYPE_CHECKING:
    from torch import Tensor

    from ..artifacts import Artifact, Weights
    from ..machine.place import Place
    from ..nets.classifier import Classifier

KINDS = ("wsss/cls", "torch/state-dict")  # of inputs of maps that are classifiers
HINT = "--weights names the classifier's weights"
SCORES = {  # which probability it is, by what it follows from
    "sigmoid": "sigmoid of the class's logit",
    "softmax": "softmax over the classes",
    "outputs": "softmax over all outputs of the network, summed over those of the class",
}


class Origin(NamedTuple):
    """What some maps record of the classifier that they were drawn from.

    Attributes:
        source: file name, kind and run of its weights.
        network: its name, where it is one of torchvision's; None of train-cls's.
        outputs: those of each class, where the network has others than one a class.
    """

    source: dict[str, str]
    network: str | None = None
    outputs: list[list[int]] | None = None


@dataclass(frozen=True)
class Asked:
    """A classifier to ask what it sees.

    Attributes:
        weights: its file.
        made_the_maps: whether the maps record it; None where they record none.
        score: which of `SCORES` is asked for.
        probabilities: (B, C) float32 of (B, 3, H, W) normalised images, to be called in
            `network_pass`.
        stride: image pixels per cell of its features.
    """

    weights: Weights | StateDict
    made_the_maps: bool | None
    score: str
    probabilities: Callable[[Tensor], Tensor]
    stride: int

    def record(self) -> dict[str, Any]:
        """For the JSON: plain values."""
        return {
            "file": self.weights.path.name,
            "kind": self.weights.kind,
            "run": self.weights.run,
            "made_the_maps": self.made_the_maps,
        }


def origin_of(maps: Artifact) -> Origin | None:
    """The classifier that maps, or the maps that they were walked from, record; None if none."""
    from ..artifacts import CAM, open_artifact

    for source in maps.inputs:
        if source["kind"] in KINDS:
            return _origin(maps, source)
    for source in maps.inputs:
        path = maps.path.parent / Path(source["file"]).name
        if source["kind"] == maps.kind and source["run"] != maps.run and path.exists():
            with open_artifact(path, CAM) as before:
                found = [one for one in before.inputs if one["kind"] in KINDS]
                if before.run == source["run"] and found:
                    return _origin(before, found[0])
    return None


def _origin(maps: Artifact, source: dict[str, str]) -> Origin:
    """
    Raises:
        WsssError: what the maps say of the network makes no sense.
    """
    network, outputs = maps.params.get("network"), maps.params.get("outputs")
    listed = isinstance(outputs, list) and len(outputs) == len(maps.classes)
    if outputs is not None and not (listed and all(map(_indices, outputs))):
        raise WsssError(f"{maps.path}: damaged (outputs)", "rerun `wsss make-cam`")
    return Origin(source, network if isinstance(network, str) else None, outputs)


def _indices(one: Any) -> bool:
    known = isinstance(one, list) and all(type(index) is int and index >= 0 for index in one)
    return known and bool(one)


def asked(
    maps: Artifact,
    given: Path | None,
    place: Place,
    ours: Callable[[Weights, Place], Classifier],
) -> Asked:
    """The classifier that maps were made with, or another one, on its device.

    Args:
        maps: see `origin_of`.
        given: its weights; None for those that the maps record.
        ours: builds a classifier of train-cls.

    Raises:
        WsssError: no weights are given and none are found; or they do not fit.
    """
    origin = origin_of(maps)
    weights = _recorded(maps, origin) if given is None else _given(given, origin)
    made = None if origin is None else weights.run == origin.source["run"]
    if made is False:
        warn(f"{weights.path}: is not the classifier that {maps.path} records")
    if isinstance(weights, StateDict):
        assert origin is not None
        return _foreign(weights, made, origin, maps, place)
    if list(weights.classes) != list(maps.classes):
        raise WsssError(f"{weights.path}: is of other classes than {maps.path}", HINT)
    model = ours(weights, place)
    score = "softmax" if model.exclusive else "sigmoid"
    return Asked(weights, made, score, lambda x: model.probabilities(model(x)), model.stride)


def _foreign(
    weights: StateDict, made: bool | None, origin: Origin, maps: Artifact, place: Place
) -> Asked:
    """One of torchvision's. Where its outputs are not the classes, it was not trained on them, and
    a softmax is what such networks are trained with."""
    from ..nets.gradient import GradientClassifier
    from .classifiers import torchvision_model

    assert origin.network is not None
    network, count = torchvision_model(weights, origin.network, place)
    outputs = origin.outputs
    if max(map(max, outputs)) >= count if outputs else count != len(maps.classes):
        raise WsssError(f"{weights.path}: has not the outputs that {maps.path} records", HINT)
    model = GradientClassifier(network, "gradcam")

    def of_outputs(x: Tensor) -> Tensor:
        import torch

        shares = model.scores(x).softmax(dim=1)
        return torch.stack([shares[:, one].sum(dim=1) for one in outputs or ()], dim=1)

    if outputs:
        return Asked(weights, made, "outputs", of_outputs, model.stride)
    return Asked(weights, made, "sigmoid", lambda x: model.scores(x).sigmoid(), model.stride)


def _given(path: Path, origin: Origin | None) -> Weights | StateDict:
    """The weights at `path`, which may be of train-cls beside a network of torchvision's."""
    from ..artifacts.torch_files import read_torch
    from ..artifacts.weights import MADE_BY

    if origin is None or origin.network is None:
        return _load(path, None)
    found = read_torch(path, others=True)
    is_ours = isinstance(found, dict) and found.get("kind") in list(MADE_BY)
    return _load(path, None if is_ours else origin.network)


def _load(path: Path, network: str | None) -> Weights | StateDict:
    """Weights of train-cls, or those of a network of torchvision's."""
    from ..artifacts import load_weights

    return Network(network=network).weights(path) if network else load_weights(path, "wsss/cls")


def _recorded(maps: Artifact, origin: Origin | None) -> Weights | StateDict:
    """The weights that maps record, beside them or in the working folder.

    Raises:
        WsssError: none are recorded, or they are not there.
    """
    if origin is None:
        raise WsssError(f"{maps.path}: does not record the classifier that it was made with", HINT)
    name, run = Path(origin.source["file"]).name, origin.source["run"]
    there = [path for path in (maps.path.parent / name, Path(name)) if path.exists()]
    if not there:
        raise WsssError(
            f"{maps.path.parent / name}: no such file (the classifier that {maps.path} records)",
            f"{HINT} where they lie",
        )
    for path in there:
        weights = _load(path, origin.network)
        if weights.run == run:
            return weights
    raise WsssError(
        f"{there[0]}: is not the classifier that {maps.path} was made with",
        f"--weights {there[0]} asks it all the same",
    )
