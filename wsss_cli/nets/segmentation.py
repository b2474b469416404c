"""Segmentation networks, by name, on any backbone."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.segmentation.fcn import FCNHead

from ..core.grid import upsample_grid
from ..machine.precision import full_precision
from .base import Backbone
from .convolved import ConvolvedClassifier
from .heads import Head, LastMapHead, unframed
from .names import HEAD_NORMS, SEGMENTER_FACTS, SEGMENTERS, check_decoder_stride
from .norms import batch_to_group_norm
from .pretrained import RANDOM, all_entries
from .strided import StridedHead

AUX_STAGE = -2  # of the backbone's maps
HEAD_PREFIX = "head."  # in the state dict of a `Segmenter`


class Segmenter(nn.Module):
    """Backbone, head, and enlargement to the input's size.

    Attributes:
        backbone: a `Backbone`.
        head: from the backbone's maps to logits of stride head.stride.
        aux_head: the same from the stride-16 stage, for training only, or None.
    """

    def __init__(self, backbone: Backbone, head: Head, aux_head: Head | None) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.aux_head = aux_head

    def forward(self, x: Tensor) -> Tensor | dict[str, Tensor]:
        """Logits (B, n_labels, H, W) float32 of images (B, 3, H, W).

        In train mode with an auxiliary head: {"out": logits, "aux": its logits} of that shape.
        """
        return self.logits(self.maps(x), (x.shape[-2], x.shape[-1]))

    def maps(self, x: Tensor) -> list[Tensor]:
        """The backbone's maps of images (B, 3, H, W), framed as the head wants them.

        They are the five, and before them finer ones where the head wants these.
        """
        frame = self.head.frame
        return self.backbone(F.pad(x, (frame,) * 4) if frame else x, self.head.finer)

    def logits(self, maps: list[Tensor], size: tuple[int, int]) -> Tensor | dict[str, Tensor]:
        """What `forward` returns, from the `maps` of images of size (H, W)."""
        out = upsample_grid(full_precision(self.head(maps, size)), size, self.head.stride)
        if self.aux_head is None or not self.training:
            return out
        stride = self.aux_head.stride
        aux = full_precision(self.aux_head(maps[: AUX_STAGE + 1], size))
        aux = unframed(aux, stride, self.head.frame, size)
        return {"out": out, "aux": upsample_grid(aux, size, stride)}


def head_of(
    model: str, backbone: Backbone, n_labels: int, decoder_stride: int | None = None
) -> Head:
    """A fresh head: `head` of the module of that name."""
    own = {} if decoder_stride is None else {"decoder_stride": decoder_stride}
    found: Head = import_module(f".{model}", __package__).head(backbone, n_labels, **own)
    return found


def build_segmenter(
    model: str,
    backbone: Backbone,
    n_labels: int,
    aux: bool = False,
    norm: str = "group",
    decoder_stride: int | None = None,
) -> Segmenter:
    """A segmentation network with a fresh head.

    Args:
        model: one of `SEGMENTERS`; for more, add its facts there and a module of its name here.
        backbone: of one of the output strides of `SEGMENTER_FACTS`; DeepLabs and 'fcn' are meant
            for dilated ones. Atrous rates are scaled so that they reach as many pixels at each.
        n_labels: background included, >= 1.
        aux: add an FCN head on the stride-16 stage, whose loss helps training.
        norm: in the heads that normalise, 'group' (the default: right for any batch size, one
            image included) or 'batch' (as published; wants about 8 images per device). DeepLab's
            image pooling branch has group norm either way, since it has one value per image.
        decoder_stride: pixels per cell of the logits, of models with a decoder that can choose;
            None for those of the backbone's finest stage.

    Returns:
        The network, in train mode.

    Raises:
        ValueError: unknown model or norm, a stride that makes no such network (of the backbone
            or the decoder), or no labels.
    """
    if model not in SEGMENTER_FACTS:
        raise ValueError(f"unknown model {model!r}; there are {', '.join(SEGMENTERS)}")
    if norm not in HEAD_NORMS:
        raise ValueError(f"unknown norm {norm!r}; there are {', '.join(HEAD_NORMS)}")
    if backbone.output_stride not in SEGMENTER_FACTS[model].strides:
        raise ValueError(f"{model} does not go with output stride {backbone.output_stride}")
    if n_labels < 1:
        raise ValueError(f"a segmentation into {n_labels} labels")
    if decoder_stride is not None:
        check_decoder_stride(model, decoder_stride)
    head = head_of(model, backbone, n_labels, decoder_stride)
    aux_head: Head | None = None
    if aux:
        layers = FCNHead(backbone.channels[AUX_STAGE], n_labels)
        aux_head = LastMapHead(layers, backbone.strides[AUX_STAGE])
    if norm == "group":
        for part in (head, aux_head):
            if part is not None:
                batch_to_group_norm(part)
    return Segmenter(backbone, head, aux_head)


def load_head_weights(
    net: Segmenter, source: str | Path | Mapping[str, Tensor]
) -> list[nn.Module] | None:
    """Fill those layers of a fresh head that pretraining knows.

    They are the convolutional fc6 and fc7 of a VGG-16, from torchvision's classifier; and for
    FCN-8s, or FCN-32s again, all that it shares with a trained FCN-32s, from weights of ours (the
    staged training of its paper).

    Args:
        net: changed in place.
        source: as for `load_backbone_weights`.

    Returns:
        the filled modules, which are not to train at the rate of new ones; None where the head has
        fc6 and fc7 and the source holds neither.
    """
    classifiers = [m for m in net.head.modules() if isinstance(m, ConvolvedClassifier)]
    strided = isinstance(net.head, StridedHead)
    if source == RANDOM or not (classifiers or strided):
        return []
    entries = all_entries(net.backbone, source)
    if isinstance(net.head, StridedHead) and _load_trained(net.head, entries):
        return [net.head.fc, net.head.score]
    found = [layers for layers in classifiers if layers.load(entries)]
    return list(found) if len(found) == len(classifiers) else None


def _load_trained(head: StridedHead, entries: Mapping[str, Tensor]) -> bool:
    """Take fc6, fc7 and scores of a trained FCN-32s; False, and no change, if it is none."""
    start = len(HEAD_PREFIX)
    own = {key[start:]: t for key, t in entries.items() if key.startswith(HEAD_PREFIX)}
    state = head.state_dict()
    wanted = {key for key in state if not key.startswith("skips.")}
    if own.keys() != wanted or any(own[key].shape != state[key].shape for key in wanted):
        return False
    head.load_state_dict({**state, **own})
    return True
