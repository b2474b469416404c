"""Small transformers under names of timm's, for tests: the real classes with few channels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

CFG = {
    "mean": (0.5, 0.5, 0.5),
    "std": (0.5, 0.5, 0.5),
    "input_size": (3, 64, 64),
    "interpolation": "bicubic",
}
VIT = {"embed_dim": 16, "depth": 5, "num_heads": 2}
SWIN = {"img_size": 64, "embed_dim": 8, "depths": (2, 2, 2, 2), "num_heads": (1, 1, 2, 2)}


def _small(name: str) -> tuple[Any, dict[str, Any]]:
    from timm.models import eva, swin_transformer, swin_transformer_v2, vision_transformer

    vit = vision_transformer.VisionTransformer
    return {
        "small_vit": (vit, {**VIT, "img_size": 64, "patch_size": 16}),
        "small_vit8": (vit, {**VIT, "img_size": 32, "patch_size": 8}),
        "small_dinov2": (
            vit,
            {**VIT, "img_size": 56, "patch_size": 14, "reg_tokens": 4, "no_embed_class": True}
            | {"init_values": 1e-5},
        ),
        "small_distilled": (
            __import__("timm.models.deit", fromlist=["deit"]).VisionTransformerDistilled,
            {**VIT, "img_size": 64, "patch_size": 16},
        ),
        "small_eva": (
            eva.Eva,
            {**VIT, "img_size": 56, "patch_size": 14, "use_rot_pos_emb": True}
            | {"ref_feat_shape": (4, 4), "mlp_ratio": 2.0, "swiglu_mlp": True},
        ),
        "small_dinov3": (
            eva.Eva,
            {**VIT, "img_size": 64, "patch_size": 16, "use_rot_pos_emb": True}
            | {"use_abs_pos_emb": False, "num_reg_tokens": 4, "rope_type": "dinov3"},
        ),
        "small_swin": (swin_transformer.SwinTransformer, {**SWIN, "window_size": 4}),
        "small_swinv2": (swin_transformer_v2.SwinTransformerV2, {**SWIN, "window_size": 4}),
    }[name]


SMALL = (
    *("small_vit", "small_vit8", "small_dinov2", "small_distilled"),
    *("small_eva", "small_dinov3", "small_swin", "small_swinv2"),
)


def build(name: str, **options: Any) -> nn.Module:
    """One of SMALL; `options` over its own, as timm's builders have it."""
    kind, own = _small(name)
    options = {k: v for k, v in options.items() if not k.startswith(("pretrained", "cache"))}
    net: nn.Module = kind(**{"num_classes": 3, **own, **options})
    net.pretrained_cfg = dict(CFG)
    return net


@contextmanager
def known_to_timm() -> Iterator[None]:
    """While it holds, timm builds SMALL by name."""
    from functools import partial

    from timm.models import _registry as registry

    from wsss_cli.nets.timm_zoo import timm_facts

    for name in SMALL:
        registry._model_entrypoints[name] = partial(build, name)
    try:
        yield
    finally:
        timm_facts.cache_clear()
        for name in SMALL:
            del registry._model_entrypoints[name]
