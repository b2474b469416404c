"""Which segmentation network is trained: its stride, its auxiliary loss, the rate it bears."""

from __future__ import annotations

import pytest

from wsss_cli.errors import UsageError
from wsss_cli.nets.names import BACKBONES, SEGMENTERS
from wsss_cli.options.cards import due
from wsss_cli.options.segmenter import AUX_WEIGHTS, STRIDES, Head, Norm, bearable


@pytest.mark.parametrize(
    ("model", "stride", "aux"),
    [
        ("deeplabv1", 8, 0.0),
        ("deeplabv2", 8, 0.0),
        ("deeplabv3", 16, 0.5),
        ("deeplabv3plus", 16, 0.0),
        ("fcn", 16, 0.5),
        ("fcn32s", 32, 0.0),
        ("fcn8s", 32, 0.0),
        ("unet", 16, 0.5),
        ("gated", 16, 0.0),
    ],
)
def test_a_network_as_it_was_published_unless_told(model: str, stride: int, aux: float) -> None:
    head = Head(model=model)
    assert (head.stride, head.aux, head.head_norm) == (stride, aux, Norm.group)
    assert Head(model=model, aux_weight=0.0).aux == 0
    assert Head(model=model, aux_weight=0.25).aux == 0.25


def test_the_usual_network() -> None:
    assert (Head().model, Head().stride, Head().aux) == ("deeplabv2", 8, 0.0)


def test_help_says_the_same_of_all_networks() -> None:
    assert STRIDES == (
        "16 (deeplabv3, deeplabv3plus, fcn, unet, gated), 8 (deeplabv2, deeplabv1), "
        "32 (fcn32s, fcn8s)"
    )
    assert AUX_WEIGHTS == (
        "0.5 (deeplabv3, fcn, unet), 0 (deeplabv3plus, deeplabv2, deeplabv1, fcn32s, fcn8s, gated)"
    )


@pytest.mark.parametrize(
    ("model", "given", "said"),
    [
        ("fcn8s", 16, "--output-stride 16: fcn8s is a network of stride 32"),
        ("deeplabv2", 32, "--output-stride 32: deeplabv2 is a network of stride 8 or 16"),
        ("unet", 0, "--output-stride 0: unet is a network of stride 8 or 16 or 32"),
    ],
)
def test_a_stride_without_such_a_network(model: str, given: int, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        _ = Head(model=model, output_stride=given).stride
    assert str(caught.value) == said
    assert Head(model="unet", output_stride=32).stride == 32


def test_many_taps_on_a_mobilenet_bear_a_lower_rate() -> None:
    rate = bearable(1e-3)
    assert str(rate) == "0.001, or 0.0001 for deeplabv2 and deeplabv1 on MobileNets"
    found = {
        (model, backbone): due(rate, {"model": model, "backbone": backbone})
        for model in SEGMENTERS
        for backbone in BACKBONES
    }
    low = {
        (model, backbone)
        for model in ("deeplabv1", "deeplabv2")
        for backbone in ("mobilenet_v2", "mobilenet_v3_large")
    }
    assert {pair for pair, value in found.items() if value == 1e-4} == low
    assert all(value == 1e-3 for pair, value in found.items() if pair not in low)


def test_unit_rates_as_published_unless_told() -> None:
    head = Head(model="deeplabv3")
    assert head.unit_rates("resnet50", True) == (1, 2, 4)
    assert head.unit_rates("resnet50", False) == ()
    assert head.unit_rates("mobilenet_v2", True) == ()
    assert Head(model="fcn").unit_rates("resnet50", True) == ()
    assert Head(model="fcn", multi_grid="2,1,1").unit_rates("resnet50", True) == (2, 1, 1)
    assert Head(model="deeplabv3", multi_grid="none").unit_rates("resnet50", True) == ()
    assert Head(model="deeplabv3", multi_grid="1,2").unit_rates("resnet18", True) == (1, 2)


@pytest.mark.parametrize(
    ("given", "backbone", "dilated", "said"),
    [
        ("1,2,4", "vgg16", True, "--multi-grid 1,2,4: vgg16 has no last stage of residual units"),
        ("1,2,4", "resnet50", False, "--multi-grid 1,2,4: the network is not dilated"),
        *(
            (text, "resnet50", True, f"--multi-grid {text}: resnet50 takes 3 whole numbers from 1")
            for text in ("1,2", "on", "1,2,x", "1,2,0", "1,2,4,8", "1,,4", "", "1.5,2,4", "-1,2,4")
        ),
    ],
)
def test_unit_rates_that_cannot_be(given: str, backbone: str, dilated: bool, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        Head(model="deeplabv3", multi_grid=given).unit_rates(backbone, dilated)
    assert str(caught.value).startswith(said)


def test_a_decoder_ends_at_the_backbones_finest_stage_unless_told() -> None:
    assert (Head(model="unet").decoder, Head(model="fcn").decoder) == (None, None)
    for stride in (1, 2, 4):
        assert Head(model="unet", decoder_stride=stride).decoder == stride
    with pytest.raises(UsageError, match="--decoder-stride 2: fcn8s has no decoder whose stride"):
        _ = Head(model="fcn8s", decoder_stride=2).decoder
