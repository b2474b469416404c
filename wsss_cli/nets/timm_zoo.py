"""Backbones of timm's (PyTorch Image Models), by its names.

Convolutional networks run here stage by stage; transformers as `nets.timm_transformers` has it.
timm is loaded only where such a backbone is asked for.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ..artifacts.placing import make_folder
from ..artifacts.torch_files import read_torch
from ..core.normalisation import Normalisation
from ..errors import UsageError, WsssError
from .base import STAGES, Backbone, remove_strides
from .depthwise import DilatedDepthwiseConv2d, is_dilated_depthwise
from .names import TIMM, BackboneFacts
from .timm_transformers import TRANSFORMERS, TransformerBackbone, shape_of

if TYPE_CHECKING:
    from types import ModuleType

HUB = "https://huggingface.co/{}/resolve/main/{}"  # where most of timm's weights are
NATIVE = 32  # stride of the last map, as trained on ImageNet
# Networks whose stages run one after another as they are registered: by class, what follows the
# last stage that timm gives features of, and is part of them here.
FAMILIES: dict[str, tuple[str, ...]] = {
    "EfficientNet": ("conv_head", "bn2"),  # what is pooled for the classifier, so for CAM
    "MobileNetV3": (),
    "ResNet": (),
    "RegNet": ("final_conv",),
    "ConvNeXt": ("norm_pre",),
    "ByobNet": (),
}
# Families all of whose networks give cells to what is left over on the right and below. Of the
# others some do not (ConvNeXt; ResNets with pools against aliasing), and see whole cells only.
ROUND_UP = ("EfficientNet", "MobileNetV3", "RegNet")
ONE_SIZE = ("BatNonLocalAttn", "BottleneckAttn", "HaloAttn", "LambdaLayer")  # layers that want one
NO_STRIDE_OPTION = ("MobileNetV3",)  # timm builds them at stride 32 only
KNOWN = (
    "EfficientNet, MobileNet, MNASNet, ResNet, ResNeXt, ResNeSt, RegNet, ConvNeXt, RepVGG, "
    "ViT, DeiT, DINO, EVA-02, Swin"
)


def library() -> ModuleType:
    """timm.

    Raises:
        UsageError: it is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of names that it gives up
            import timm
    except ModuleNotFoundError as err:
        if err.name != "timm":
            raise
        raise UsageError(
            f"backbones {TIMM}NAME need timm, which is not installed",
            "pip install 'wsss-cli[timm]'",
        ) from None
    return timm


def _create(name: str, **options: Any) -> Any:
    """A network of timm's without its classifier, as it is initialised."""
    return library().create_model(name, pretrained=False, num_classes=0, **options)


@cache
def timm_facts(name: str) -> BackboneFacts:
    """What is known of a network of timm's, at stride 32.

    Args:
        name: as timm has it, with a tag of its weights or without.

    Raises:
        UsageError: timm is not installed.
        ValueError: timm has no such network, or it is of a kind that is not known here.
    """
    timm = library()
    if not timm.is_model(name):
        raise ValueError(
            f"timm {timm.__version__} has no network {name!r}; timm.list_models() names them"
        )
    with torch.device("meta"):
        try:
            net = _create(name)
        except (AttributeError, KeyError, RuntimeError) as err:  # of a tag that there is not
            raise ValueError(f"timm cannot build {name!r}: {err}") from None
    kind = type(net).__name__
    if kind in TRANSFORMERS:
        channels, strides = shape_of(net)
    elif kind in FAMILIES:
        taken = net.feature_info
        taken = taken if len(taken) == STAGES else [taken[0], *taken]
        channels = (*(info["num_chs"] for info in taken[:-1]), net.num_features)
        strides = tuple(info["reduction"] for info in taken)
    else:
        raise ValueError(f"{TIMM}{name} is a {kind}; backbones can be {KNOWN}")
    if len(channels) != STAGES or (kind in FAMILIES and strides[-1] != NATIVE):
        raise ValueError(f"timm gives maps of {name} at strides {strides}, not five up to {NATIVE}")
    fixed = {type(module).__name__ for module in net.modules()} & set(ONE_SIZE)
    if fixed:
        raise ValueError(f"{TIMM}{name} takes images of one size only, for its {min(fixed)}")
    known = net.pretrained_cfg
    normalisation = Normalisation(tuple(known["mean"]), tuple(known["std"]))
    return BackboneFacts(
        channels=channels,
        strides=strides,
        published=bool(known.get("url") or known.get("hf_hub_id")),
        low_rate="mobilenet" in name,  # as ours; EfficientNet-Lite's features have less power
        normalisation=normalisation,
        floors=kind in FAMILIES and kind not in ROUND_UP,
        kind=kind,
        recorded={
            "mean": list(normalisation.mean),
            "std": list(normalisation.std),
            "trained_side": int(known["input_size"][-1]),
            "interpolation": str(known["interpolation"]),
            "timm": timm.__version__,
        },
    )


def _stages(net: Any) -> list[list[str]]:
    """Paths of what runs in each stage: to where timm takes features, and from there to the next.

    Where it takes four, the first stage is all that comes before the first of the stages.
    """
    ends = [info["module"] for info in net.feature_info]
    stages: list[list[str]] = [[]]
    for path in _in_turn(net, ends):
        stages[-1].append(path)
        if path in ends or (len(ends) < STAGES and path == "stem"):
            stages.append([])
    stages.pop()
    stages[-1] += [path for path in FAMILIES[type(net).__name__] if hasattr(net, path)]
    return stages


def _in_turn(net: nn.Module, ends: list[str], above: str = "") -> Iterator[str]:
    """Paths of modules in the order that they run, as few as end where features are taken."""
    for name, child in net.named_children():
        path = above + name
        if any(end.startswith(path + ".") for end in ends):
            yield from _in_turn(child, ends, path + ".")
        else:
            yield path


def timm_backbone(
    name: str, output_stride: int, dilated: bool, normalisation: Normalisation | None
) -> Backbone:
    """A network of timm's as a backbone, with freshly initialised weights.

    Strides are removed as timm does it, by its option `output_stride`, which dilates what follows;
    without `dilated` the convolutions then get the dilations back that they had.

    Args:
        name: "timm:" and timm's name.
        output_stride, dilated, normalisation: as for `build_backbone`.

    Raises:
        UsageError, ValueError: as `timm_facts`.
    """
    own = name.removeprefix(TIMM)
    facts = timm_facts(own)
    given = normalisation or facts.normalisation
    if facts.kind in TRANSFORMERS:
        net = _create(own, **TRANSFORMERS[facts.kind])
        return TransformerBackbone(name, net, output_stride, dilated, given)
    at_once = output_stride < NATIVE and facts.kind not in NO_STRIDE_OPTION
    net = _create(own, output_stride=output_stride) if at_once else _create(own)
    stages = _stages(net)
    strides = [min(stride, output_stride) for stride in facts.strides]
    used = {path.partition(".")[0] for stage in stages for path in stage}
    body = {key: child for key, child in net.named_children() if key in used}
    backbone = Backbone(
        name, body, stages, facts.channels, strides, dilated, None, given, facts.floors
    )
    rest = [f"{key}." for key, _ in net.named_children() if key not in used]
    backbone.classifier = (*backbone.classifier, *rest)
    if at_once and not dilated:
        with torch.device("meta"):
            native = _create(own)
        _undo_dilations(backbone, dict(native.named_modules()))
    if not at_once:
        dilation = 1
        for stage, stride in zip(backbone.in_stages(), facts.strides, strict=True):
            if stride > output_stride:
                dilation = remove_strides(stage, dilated, dilation)
    for module in backbone.modules():
        if type(module) is nn.Conv2d and is_dilated_depthwise(module):
            module.__class__ = DilatedDepthwiseConv2d
    return backbone


def _undo_dilations(backbone: Backbone, native: Mapping[str, nn.Module]) -> None:
    """Give convolutions the dilations that they have at stride 32, and the padding that fits."""
    same = library().layers.Conv2dSame  # pads as TensorFlow does, on the right and below first
    for path, conv in backbone.named_modules():
        if isinstance(conv, nn.Conv2d):
            before = native[path]
            assert isinstance(before, nn.Conv2d)
            if conv.dilation != before.dilation:
                conv.dilation = before.dilation
                reach = conv.dilation[0] * (conv.kernel_size[0] - 1)
                if type(conv) is not same and reach % 2:  # no padding that both sides share
                    conv.__class__, conv.padding = same, (0, 0)
                elif type(conv) is not same:
                    conv.padding = (reach // 2, reach // 2)


def published_as(name: str) -> str:
    """What timm calls the weights that it has under a network's name.

    Args:
        name: "timm:" and timm's name.
    """
    known = library().models.get_pretrained_cfg(name.removeprefix(TIMM))
    return str(known.hf_hub_id or known.url).rpartition("/")[2]


def timm_weights(name: str) -> Any:
    """What timm has published under a network's name, downloaded into the torch hub cache.

    Not by huggingface_hub, which goes on trying for most of a minute where there is no network.

    Args:
        name: "timm:" and timm's name.

    Raises:
        WsssError: the download failed.
    """
    known = library().models.get_pretrained_cfg(name.removeprefix(TIMM))
    if known.hf_hub_id:
        url = HUB.format(known.hf_hub_id, known.hf_hub_filename or "model.safetensors")
        file = f"{known.hf_hub_id.replace('/', '--')}--{url.rpartition('/')[2]}"
    else:
        url = str(known.url)
        file = url.rpartition("/")[2]
    path = Path(torch.hub.get_dir()) / "checkpoints" / file
    if not path.exists():
        make_folder(path.parent, parents=True)
        try:
            torch.hub.download_url_to_file(url, str(path), progress=False)
        except (OSError, RuntimeError) as error:
            raise WsssError(
                f"cannot download ImageNet weights of {name} from {url}: {error}",
                "give --backbone-weights FILE with a state dict of timm's, or `random`",
            ) from error
    return read_torch(path, others=True)
