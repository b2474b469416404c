"""What a config is asked for, and tensors that must be exactly a network's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from wsss_cli.nets.rebuild import backbone_of, entry, fill

CONFIG = {"backbone": "tiny", "output_stride": 8, "dilated": True, "dropout": 0.5}


def test_the_backbone_of_a_config() -> None:
    backbone = backbone_of(CONFIG)
    assert backbone.config == {"name": "tiny", "output_stride": 8, "dilated": True}
    other = backbone_of({**CONFIG, "output_stride": 32, "dilated": False})
    assert (other.output_stride, other.dilated) == (32, False)


@pytest.mark.parametrize("name", ["backbone", "output_stride", "dilated"])
def test_a_config_that_lacks_something(name: str) -> None:
    rest = {key: value for key, value in CONFIG.items() if key != name}
    with pytest.raises(ValueError, match=f"^its config lacks {name}$"):
        backbone_of(rest)


def test_a_config_that_says_something_of_another_kind() -> None:
    assert entry({"a": 3}, "a", float) == 3
    assert entry({}, "a", str, "b") == "b"
    for value, kind in (("3", int), (True, int), (3, bool), (None, str), (0.5, int)):
        with pytest.raises(
            ValueError, match=f"^its config has a {value!r}, which is no {kind.__name__}$"
        ):
            entry({"a": value}, "a", kind)


def test_tensors_of_other_kinds_or_without_numbers_do_not_fit() -> None:
    model = small()
    state = model.state_dict()
    for other, said in (
        (state["0.weight"].long(), "1 tensors do not fit its config, first 0.weight"),
        (state["0.weight"] * torch.nan, "1 tensors hold NaN or infinity, first 0.weight"),
        (state["0.weight"] + torch.inf, "1 tensors hold NaN or infinity, first 0.weight"),
    ):
        with pytest.raises(ValueError, match=said):
            fill(small(), {**state, "0.weight": other})


def test_a_config_of_a_network_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="unknown backbone 'huge'"):
        backbone_of({**CONFIG, "backbone": "huge"})
    with pytest.raises(ValueError, match="choose 8, 16 or 32"):
        backbone_of({**CONFIG, "output_stride": 4})


def small() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3)).train()


def test_a_network_gets_exactly_these_tensors_and_rests() -> None:
    model = small()
    state = {name: torch.ones_like(value) for name, value in model.state_dict().items()}
    fill(model, state)
    assert not model.training
    assert not model[1].training
    assert all((value == 1).all() for value in model.state_dict().values())


def test_other_tensors_are_refused_and_none_of_them_taken() -> None:
    model = small()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    whole = {name: torch.full_like(value, 7) for name, value in before.items()}
    lacking = {name: value for name, value in whole.items() if name != "1.bias"}
    cases = {
        "1 tensors do not fit its config, first 1.bias": lacking,
        "1 tensors do not fit its config, first 2.bias": {**whole, "2.bias": torch.ones(3)},
        "1 tensors do not fit its config, first 0.bias": {**whole, "0.bias": torch.ones(4)},
        "7 tensors do not fit its config, first 0.bias": {},
        # those that are missing come before those of another shape
        "2 tensors do not fit its config, first 1.bias": {**lacking, "0.bias": torch.ones(4)},
    }
    for said, state in cases.items():
        with pytest.raises(ValueError, match=f"^{said}$"):
            fill(model, state)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_config_without_unit_rates_is_of_a_network_without() -> None:
    """Weights of before there were any."""
    config = {"backbone": "resnet34", "output_stride": 16, "dilated": True}
    assert backbone_of(config).multi_grid == ()
    found = backbone_of({**config, "multi_grid": [1, 2, 4]})
    assert found.multi_grid == (1, 2, 4)
    for damaged in ("1,2,4", 3, [1, 2], [1, 2, "4"], {"1": 2}):
        said = "resnet34 takes 3 whole numbers" if isinstance(damaged, list) else "is no list"
        with pytest.raises(ValueError, match=said):
            backbone_of({**config, "multi_grid": damaged})
