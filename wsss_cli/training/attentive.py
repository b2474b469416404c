"""What the methods share that train a classifier for its attention: OAA and integral attention."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..options.cards import Due
from .classifying import JITTER, WHOLE, Classifying, probes_tags

if TYPE_CHECKING:
    from ..nets.base import Backbone
    from ..nets.oaa import AttentionNet
    from .augment import Window

MOST_LAYERS = 8


@dataclass(frozen=True, kw_only=True)
class Layers:
    """The option that both methods have."""

    layers: Annotated[
        int,
        typer.Option(
            min=0,
            max=MOST_LAYERS,
            help="Number of 3x3 convolutions before the classifier (published: 3).",
        ),
    ] = 0


def is_deep(options: Mapping[str, Any]) -> bool:
    """Whether layers that start at random stand between backbone and classifier."""
    return bool(options["layers"])


def probes_shallow(options: Mapping[str, Any]) -> bool:
    """Whether the head starts as a linear probe."""
    return probes_tags(options, is_deep)


def usual(rate: float) -> dict[str, Any]:
    """As published (Jiang et al., ICCV 2019, and its code) with --layers, but for the images' size.

    Without them the head starts as a probe and trains like the plain classifier's.
    """

    def either(deep: Any, probed: Any) -> Due:
        return Due(
            lambda given: deep if given["layers"] else probed,
            f"{deep} if --layers, else {probed}",
        )

    return {
        "output_stride": either(8, 16),
        "dropout": 0.0,
        "epochs": either(15, 5),
        "batch_size": either(5, 16),
        "lr": either(rate, 3e-3),
        "head_multiplier": either(10.0, 100.0),
        "weight_decay": 5e-4,
        "crop": either(320, WHOLE),
        "jitter": JITTER,
    }


class Attentive(Classifying):
    """A classifier whose attention is kept, or learned."""

    deep = staticmethod(is_deep)

    def network(self, name: str, n_classes: int) -> tuple[AttentionNet, dict[str, Any]]:
        """The network of oaa or iam, and what it is rebuilt from."""
        layers = self.options.layers
        model = attention_network(
            name, self.task.body.build(), n_classes, self.task.dropout, layers
        )
        return model, {"method": name, "layers": layers}


def attention_network(
    name: str, backbone: Backbone, n_classes: int, dropout: float, layers: int
) -> AttentionNet:
    """The network of oaa or iam."""
    from ..nets.oaa import AttentionNet

    return AttentionNet(backbone, n_classes, dropout, layers=layers, dense=name == "iam")


def rebuilt(config: Mapping[str, Any], n_classes: int) -> AttentionNet:
    """The network that weights of oaa or iam hold.

    Raises:
        ValueError: a config without what it is built from.
    """
    from ..nets.rebuild import backbone_of, entry

    name, layers = entry(config, "method", str), entry(config, "layers", int)
    if not 0 <= layers <= MOST_LAYERS:
        raise ValueError(f"its config has {layers} layers, there are {MOST_LAYERS} at most")
    return attention_network(name, backbone_of(config), n_classes, 0.0, layers)


def published_recipe() -> dict[str, Any]:
    """The optimisation that OAA's code uses in place of ours."""
    from .schedule import Drop

    return {"schedule": Drop, "nesterov": True, "grouping": {"bias_decay": True}}


def placing_of(size: tuple[int, int], window: Window) -> Any:
    """The `Placing` of a window of an image of (H, W)."""
    from ..core.oaa import Placing

    parts = (*size, *window.scaled, *window.start, *window.size, *window.place)
    return Placing(*parts, int(window.mirrored))
