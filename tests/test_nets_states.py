"""State dicts in the forms in which people's checkpoints hold them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from wsss_cli.nets.states import State, find_state

WANTED = ("conv1.weight", "layer1.0.conv1.weight", "bn.num_batches_tracked", "fc.weight", "fc.bias")
PLAIN: dict[str, Tensor] = {name: torch.full((1,), float(i)) for i, name in enumerate(WANTED)}


def prefixed(prefix: str) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in PLAIN.items()}


@pytest.mark.parametrize(
    "prefix",
    ["", "module.", "model.", "net.", "_orig_mod.", "encoder.", "model.module.", "backbone.body."],
)
@pytest.mark.parametrize(
    "entry", ["", "state_dict", "model", "model_state_dict", "net", "ema", "state_dict_ema"]
)
def test_wrappers_and_prefixes(prefix: str, entry: str) -> None:
    held: Any = {entry: prefixed(prefix), "epoch": 3} if entry else prefixed(prefix)
    state = find_state(held, WANTED)
    assert state.tensors == PLAIN
    assert (state.entry, state.prefix, dict(state.left)) == (entry, prefix, {})
    said = [f"its '{entry}' is read"] * bool(entry) + [f"'{prefix}' taken off the names"] * bool(
        prefix
    )
    assert state.said == "; ".join(said)


def test_a_head_of_a_prefix_of_its_own() -> None:
    body = {f"backbone.{name}": PLAIN[name] for name in WANTED if not name.startswith("fc")}
    head = {f"head.{name}": PLAIN[name] for name in WANTED if name.startswith("fc")}
    state = find_state({"state_dict": body | head}, WANTED)
    assert state.tensors == PLAIN
    assert state.said == "its 'state_dict' is read; 'backbone.' and 'head.' taken off the names"


def test_what_is_left_out_is_said_and_kept() -> None:
    state = find_state(prefixed("module.") | {"n_averaged": torch.ones(())}, WANTED)
    assert state.tensors == PLAIN
    assert state.said == "'module.' taken off the names; 1 tensors left out, first n_averaged"
    assert state.everything.keys() == {*PLAIN, "n_averaged"}


def test_of_two_heads_none_is_taken() -> None:
    body = {f"backbone.{name}": PLAIN[name] for name in WANTED if not name.startswith("fc")}
    heads = {f"{one}.fc.{end}": torch.ones(1) for one in "ab" for end in ("weight", "bias")}
    state = find_state(body | heads, WANTED)
    assert not any(name.startswith("fc") for name in state.tensors)
    assert state.left.keys() == heads.keys()


def test_averages_come_second_and_are_named() -> None:
    other = {name: value + 9 for name, value in PLAIN.items()}
    for held in ({"model_ema": other, "model": PLAIN}, {"model": PLAIN, "model_ema": other}):
        state = find_state(held, WANTED)
        assert state.tensors == PLAIN
        assert state.said == "its 'model' is read, not 'model_ema'"


def test_entries_within_entries_and_beside_optimisers() -> None:
    momentum = {"state": {0: {"momentum_buffer": torch.ones(1)}}, "param_groups": []}
    state = find_state({"checkpoint": {"model": PLAIN}, "optimizer": momentum}, WANTED)
    assert (state.entry, state.tensors) == ("checkpoint.model", PLAIN)


def test_a_network_that_is_there_twice_is_refused() -> None:
    held = prefixed("encoder_q.") | prefixed("encoder_k.")
    with pytest.raises(ValueError, match=r"once: under 'encoder_k\.' and 'encoder_q\.'"):
        find_state({"state_dict": held}, WANTED)


@pytest.mark.parametrize("found", [{}, {"a": 1}, [], {"state_dict": 3}, {1: torch.ones(1)}, None])
def test_no_state_dict(found: Any) -> None:
    with pytest.raises(ValueError, match="holds no state dict"):
        find_state(found, WANTED)


def test_another_network_is_left_as_it_is() -> None:
    other = {"stem.weight": torch.ones(1)}
    assert find_state({"model": other}, WANTED) == State(other, "model")
