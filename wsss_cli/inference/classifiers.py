"""Which classifier make-cam looks through: one of train-cls, or one of torchvision's."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..artifacts.inputs import contents
from ..errors import UsageError, WsssError
from ..formats.lists import read_text
from ..options.cards import Chosen
from ..options.files import Reads

if TYPE_CHECKING:
    from torch import Tensor

    from ..artifacts import DatasetReader, Weights
    from ..machine.place import Place
    from ..nets.classifier import Classifier
    from .maps import CamCard


@dataclass(frozen=True)
class StateDict:
    """Weights of a torchvision classifier, as an input of an artifact.

    Attributes:
        said: where in the file they were found, in words; "" where it holds nothing else.
    """

    path: Path
    run: str
    tensors: Mapping[str, Tensor] = field(repr=False)
    said: str = ""
    kind: str = "torch/state-dict"
    data: dict[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Network:
    """The options that name another network than train-cls's."""

    network: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Name of a classifier of torchvision; --weights is then a state dict of it, not "
            "a file of train-cls.",
        ),
    ] = None
    outputs: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File of the class of each output of --network, one name per line. Default: the "
            "data set's classes in order.",
        ),
        Reads(),
    ] = None

    def check(self, card: CamCard) -> None:
        """Raise UsageError for options that contradict, or that the method has no use for."""
        if self.network and not card.any_network:
            raise UsageError(
                f"--method {card.name}: needs weights of train-cls",
                "gradcam is the same where the network ends in pooling and one linear layer",
            )
        if self.outputs is not None and not self.network:
            raise UsageError("--outputs: needs --network", "weights of train-cls hold their names")

    def weights(self, path: Path) -> Weights | StateDict:
        """The file of weights, of train-cls or of torchvision.

        Raises:
            UsageError: torchvision has no such network.
            WsssError: the file is none of the kind.
        """
        from ..artifacts import load_weights

        if self.network:
            return _state_dict(path, self.network)
        try:
            return load_weights(path, "wsss/cls")
        except WsssError as err:
            if "not weights of wsss's" in str(err):
                err.hint = "--network NAME takes a state dict of torchvision's classifier NAME"
            raise

    def model(
        self,
        weights: Weights | StateDict,
        method: Chosen,
        data: DatasetReader,
        place: Place,
        ours: Callable[[Weights, Place], Classifier],
    ) -> tuple[Any, dict[str, Any]]:
        """The network as the method draws maps from it, and what the artifact records of it.

        Args:
            weights: see `weights`.
            method: whose `look` it is.
            data: whose classes maps are of.
            place: where it computes.
            ours: builds a classifier of train-cls.

        Raises:
            WsssError: weights, layer or outputs that do not fit.
        """
        outputs: list[list[int]] | None = None
        record: dict[str, Any] = {}
        if isinstance(weights, StateDict):
            assert self.network is not None
            network, count = torchvision_model(weights, self.network, place)
            outputs = _outputs(self.outputs, count, weights.path, data)
            record = {"network": self.network, "outputs": outputs}
            if weights.said:
                record["found"] = weights.said
        else:
            network = ours(weights, place)
        try:
            model, looked = method.card.look(network, outputs, method.options)
        except ValueError as err:
            raise WsssError(f"{weights.path}: {err}", _way_out(str(err))) from None
        return model, looked | record


def _way_out(reason: str) -> str | None:
    """What to do where a network cannot be looked into."""
    from ..nets.gradient import ONE_SIZE

    if reason != ONE_SIZE:
        return None
    return (
        "as a plain ViT's, its layers give no map that grows with the image; swin_t, "
        "convnext_tiny, resnet50 and all convolutional networks of torchvision do"
    )


def _state_dict(path: Path, network: str) -> StateDict:
    from ..artifacts.foreign import WAY_OUT
    from ..artifacts.torch_files import read_torch
    from ..artifacts.weights import MADE_BY
    from ..nets.zoo import classifier_names, state_of

    names = classifier_names()
    if network not in names:
        near = difflib.get_close_matches(network, names, n=3, cutoff=0.5) or ["resnet50"]
        raise UsageError(
            f"--network {network}: torchvision has no such classifier",
            f"{', '.join(near)}, for example",
        )
    found = read_torch(path, others=True)
    if isinstance(found, dict) and found.get("kind") in list(MADE_BY):
        raise WsssError(f"{path}: holds {found['kind']}", "weights of wsss's go without --network")
    try:
        state = state_of(found, network)
    except ValueError as err:
        raise WsssError(f"{path}: {err}", WAY_OUT) from None
    run = hashlib.sha256(contents(path)).hexdigest()[:16]
    return StateDict(path, run, state.tensors, state.said)


def torchvision_model(weights: StateDict, network: str, place: Place) -> tuple[Any, int]:
    """A classifier of torchvision on its device, and how many outputs it has.

    Raises:
        WsssError: the tensors are not those of such a network.
    """
    import torch

    from ..nets.zoo import load_classifier

    try:
        model, count = load_classifier(network, weights.tensors)
    except ValueError as err:
        raise WsssError(
            f"{weights.path}: {err}",
            "--network names the classifier that it was saved from, "
            "and the names of the tensors are torchvision's: rename those that differ",
        ) from None
    return model.to(place.device).to(memory_format=torch.channels_last), count


def _outputs(
    names: Path | None, count: int, weights: Path, data: DatasetReader
) -> list[list[int]] | None:
    """For each class of the data set its outputs; None where they are in order.

    Raises:
        WsssError: names that are not one an output, or lack a class; or as `read_text`.
    """
    if names is None:
        if count != len(data.classes):
            raise WsssError(
                f"{weights}: has {count} outputs, and {data.path} {len(data.classes)} classes",
                "--outputs FILE says which output is of which class",
            )
        return None
    lines = [line.strip() for line in read_text(names).splitlines()]
    while len(lines) > count and not lines[-1]:
        lines.pop()
    if len(lines) != count:
        raise WsssError(
            f"{names}: names {len(lines)} outputs, and {weights} has {count}",
            "one line an output, empty where it is of no class",
        )
    return _matched(lines, data.classes, names)


def _matched(lines: Sequence[str], classes: Sequence[str], names: Path) -> list[list[int]]:
    found = [[i for i, line in enumerate(lines) if line == name] for name in classes]
    lacking = [name for name, indices in zip(classes, found, strict=True) if not indices]
    if lacking:
        raise WsssError(
            f"{names}: names no output for {len(lacking)} of {len(classes)} classes, "
            f"first {lacking[0]!r}",
            "names are those of the data set, `wsss info` prints them",
        )
    return found
