"""Class maps of any network that classifies images, by the gradients of its scores."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.gradcam import gradient_maps
from ..core.grid import grid_size, pad_to_multiple
from ..machine.precision import full_precision
from .classifier import Classifier

SIDES = (256, 512)  # of the images that a network's geometry is found on; nothing is computed
ONE_SIZE = "it takes images of one size only"
LEAST_CELLS = 3  # of an image, so that convolutions without padding have something to do


class GradientClassifier:
    """A classifier that is looked into at one layer; stands in for `Classifier` in `class_views`.

    Attributes:
        layer: path of the module whose output is the features.
        stride: image pixels per cell of its output.
        spreads: False, see `Classifier`.
    """

    spreads = False

    def __init__(
        self,
        model: nn.Module,
        method: str,
        layer: str | None = None,
        outputs: Sequence[Sequence[int]] | None = None,
    ) -> None:
        """
        Args:
            model: in eval mode, gives (B, n) scores of images (B, 3, H, W); its parameters are
                fixed from here on.
            method: one of `core.gradcam.METHODS`.
            layer: path of a module that gives a (B, D, h, w) map; by default the last one of all
                that do whose map grows with the image.
            outputs: for each class the outputs that stand for it; the strongest counts. By default
                output c is class c.

        Raises:
            ValueError: there is no such layer, or the network takes images of one size only.
        """
        self.model = model.requires_grad_(False)
        self.method = method
        self.outputs = None if outputs is None else [list(one) for one in outputs]
        self.layer, sides = _find_layer(model, layer)
        self.stride = max(1, round((SIDES[1] - SIDES[0]) / (sides[1] - sides[0])))
        self._rounds_up = sides[0] * self.stride == SIDES[0] and (
            _map_sides(model, SIDES[0] + 1)[self.layer][1] == sides[0] + 1
        )

    def seen(self, x: Tensor, classes: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Maps and logits of a batch, as of `Classifier.seen`.

        A network that rounds sides down sees its image padded to whole cells.

        Args:
            x: (B, 3, H, W) float.
            classes: (K,) class indices to draw, or (B, K) of each image; None for all.

        Returns:
            maps (B, K, h, w) >= 0, at least float32, (h, w) = grid_size(H, W, stride); and logits
            (B, C).
        """
        size = (x.shape[-2], x.shape[-1])
        padded = x if self._rounds_up else self._padded(x)
        # Outside inference mode, whose tensors know no gradients
        with torch.inference_mode(False), torch.enable_grad():
            features, scores = self._look(padded.clone())
            logits = self._of_classes(scores)
            drawn = logits
            if classes is not None:
                drawn = logits.gather(1, classes.clone().expand(len(x), -1))
            maps = [self._map(features, score) for score in drawn.unbind(dim=1)]
        logits = logits.detach()
        if not maps:
            return logits.new_zeros((len(x), 0, *grid_size(*size, self.stride))), logits
        return self._on_grid(torch.stack(maps, dim=1), padded.shape[-2:], size), logits

    def scores(self, x: Tensor) -> Tensor:
        """The network's own (B, n) scores of a batch, which it sees as for its maps."""
        return full_precision(self.model(x if self._rounds_up else self._padded(x)))

    def probabilities(self, logits: Tensor) -> Tensor:
        """Of each class, as of `Classifier.probabilities`; of a foreign network by sigmoid."""
        if isinstance(self.model, Classifier):
            return self.model.probabilities(logits)
        return logits.sigmoid()

    def _padded(self, x: Tensor) -> Tensor:
        """Padded on the right and below to whole cells, and to a size that no network refuses."""
        least = LEAST_CELLS * self.stride
        right, below = max(0, least - x.shape[-1]), max(0, least - x.shape[-2])
        return pad_to_multiple(F.pad(x, (0, right, 0, below)), self.stride)

    def _look(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The layer's features as a leaf of the graph, and the scores that follow from them."""
        leaves: list[Tensor] = []

        def cut(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
            leaf = full_precision(output.detach()).requires_grad_()
            leaves.append(leaf)
            return leaf.to(output.dtype).clone()  # what follows may write into it

        handle = self.model.get_submodule(self.layer).register_forward_hook(cut)
        try:
            scores = self.model(x)
        finally:
            handle.remove()
        return leaves[-1], full_precision(scores)

    def _of_classes(self, scores: Tensor) -> Tensor:
        """(B, C) logits: of the outputs that stand for a class, the strongest."""
        if self.outputs is None:
            return scores
        return torch.stack([scores[:, one].amax(dim=1) for one in self.outputs], dim=1)

    def _map(self, features: Tensor, score: Tensor) -> Tensor:
        """(B, h, w) map of one class an image, whose (B,) scores are given."""
        (gradients,) = torch.autograd.grad(
            score.sum(), features, retain_graph=True, materialize_grads=True
        )
        return gradient_maps(features.detach(), gradients, self.method)

    def _on_grid(self, maps: Tensor, padded: Sequence[int], size: tuple[int, int]) -> Tensor:
        """The cells that hold a pixel of the image.

        A network that loses cells at the border has what it gives stretched over all of them.
        """
        cells = grid_size(padded[0], padded[1], self.stride)
        if maps.shape[-2:] != cells:
            maps = F.interpolate(maps, size=cells, mode="bilinear", align_corners=False)
        h, w = grid_size(*size, self.stride)
        return maps[..., :h, :w]


def _find_layer(model: nn.Module, layer: str | None) -> tuple[str, tuple[int, int]]:
    """A layer's path, and the sides of its maps of square images of `SIDES`.

    Raises:
        ValueError: no such layer.
    """
    small, large = (_map_sides(model, side) for side in SIDES)
    growing = [
        path
        for path, (channels, side) in small.items()
        if path in large and large[path][0] == channels and large[path][1] > side
    ]
    if layer is None and not growing:
        raise ValueError("no layer of it gives a map of cells that grows with the image")
    if layer is not None and layer not in growing:
        some = ", ".join(growing[-3:])
        raise ValueError(f"its layer {layer!r} gives no map of cells; {some} do, for example")
    path = growing[-1] if layer is None else layer
    return path, (small[path][1], large[path][1])


def _map_sides(model: nn.Module, side: int) -> dict[str, tuple[int, int]]:
    """(channels, side) of each layer's output where that is a (1, D, s, s) map, in the order that
    layers finish; by shapes alone.

    Raises:
        ValueError: the network takes no images of this size.
    """
    shapes: dict[str, tuple[int, int]] = {}

    def note(path: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.dim() == 4:
                shapes.pop(path, None)  # a layer that runs twice counts where it ran last
                if output.shape[2] == output.shape[3]:
                    shapes[path] = (output.shape[1], output.shape[2])

        return hook

    ghost = copy.deepcopy(model).float().to("meta")
    with ExitStack() as stack, torch.no_grad():
        for path, module in ghost.named_modules():
            if path:
                handle = module.register_forward_hook(note(path))
                stack.callback(handle.remove)
        try:
            ghost(torch.empty(1, 3, side, side, device="meta"))
        except (AssertionError, ValueError, RuntimeError):
            raise ValueError(ONE_SIZE) from None
    return shapes
