"""Mutations of weights files: each of their values replaced by odd ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

Done = tuple[str, bool]

ODD: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("nothing", lambda t: None),
    ("-1", lambda t: -1),
    ("0", lambda t: 0),
    ("2 ** 70", lambda t: 2**70),
    ("2 ** 31", lambda t: 2**31),
    ("not a number", lambda t: float("nan")),
    ("infinite", lambda t: float("inf")),
    ("an empty text", lambda t: ""),
    ("a long text", lambda t: "x" * 100_000),
    ("a list", lambda t: []),
    ("a list in a list", lambda t: [[1], [None]]),
    ("a dict", lambda t: {}),
    ("a dict of numbers", lambda t: {1: 2, 3.5: None}),
    ("true", lambda t: True),
    ("bytes", lambda t: b"\xff"),
    ("a tensor", lambda t: t.tensor(3.0)),
    ("a tensor of several", lambda t: t.ones(2, 2)),
    ("an empty tensor", lambda t: t.zeros(0)),
    ("a tuple", lambda t: (1, "x")),
)


def mutate(path: Path, random: Random) -> Done:
    """Change weights in place; returns what was done, and whether it must be refused."""
    import torch

    values = torch.load(path, map_location="cpu", weights_only=True)
    how = random.choice([_value, _config, _class, _tensor, _tensor, _record])
    done = how(values, random, torch)
    torch.save(values, path)
    return done


def _odd(random: Random, torch: Any) -> tuple[str, Any]:
    text, make = random.choice(ODD)
    return text, make(torch)


def _value(values: dict[str, Any], random: Random, torch: Any) -> Done:
    key = random.choice(sorted(values))
    if random.random() < 0.3:
        del values[key]
        return f"no {key}", key in ("kind", "config", "classes", "state_dict", "run")
    text, value = _odd(random, torch)
    wrong = type(value) is not type(values[key])
    values[key] = value
    return f"{key} is {text}", wrong and key in (
        "kind", "version", "config", "classes", "params", "state_dict", "run", "inputs",
    )  # fmt: skip


def _config(values: dict[str, Any], random: Random, torch: Any) -> Done:
    config = values["config"]
    key = random.choice(sorted(config))
    text, value = _odd(random, torch)
    was = config[key]
    config[key] = value
    plain = isinstance(was, int | float | str | bool)
    wrong = plain and isinstance(value, list | tuple | dict | bytes | torch.Tensor)
    return f"config {key} is {text}", wrong


def _class(values: dict[str, Any], random: Random, torch: Any) -> Done:
    text, value = _odd(random, torch)
    wrong = not isinstance(value, str)
    values["classes"][random.randrange(len(values["classes"]))] = value
    return f"a class is {text}", wrong


def _record(values: dict[str, Any], random: Random, torch: Any) -> Done:
    """Provenance, options and history."""
    key = random.choice(["params", "inputs", "history", "data"])
    text, value = _odd(random, torch)
    holder = values[key]
    if isinstance(holder, list):
        holder[:] = [value] if random.random() < 0.5 or not holder else [*holder[:-1], value]
        return f"a row of {key} is {text}", not isinstance(value, dict)
    if isinstance(holder, dict) and holder:
        one = random.choice(sorted(holder))
        holder[one] = value
        return f"{one} of {key} is {text}", False
    return "nothing changed", False


def _tensor(values: dict[str, Any], random: Random, torch: Any) -> Done:
    state = values["state_dict"]
    name = random.choice(sorted(state))
    was = state[name]
    how = random.choice(
        ["missing", "extra", "odd", "complex", "integer", "nan", "shape", "sparse", "expanded",
         "meta", "key", "view", "half"]
    )  # fmt: skip
    if how == "missing":
        del state[name]
    elif how == "extra":
        state["more.weight"] = torch.zeros(3)
    elif how == "odd":
        state[name] = _odd(random, torch)[1]
    elif how == "complex":
        state[name] = was.to(torch.complex64)
    elif how == "integer":
        state[name] = torch.zeros(was.shape, dtype=torch.int64)
    elif how == "nan" and was.is_floating_point():
        state[name] = torch.full_like(was, float("nan"))
    elif how == "shape":
        state[name] = was.reshape(-1)[:-1]
    elif how == "sparse":
        state[name] = was.to_sparse()
    elif how == "expanded":
        state[name] = torch.zeros(1).expand(2**34)
    elif how == "meta":
        state[name] = torch.zeros(was.shape, device="meta")
    elif how == "key":
        state[7] = state.pop(name)
    elif how == "view":
        state[name] = torch.empty(was.numel() * 3).fill_(0.1)[::3].reshape(was.shape)
    else:
        state[name] = was.half() if was.is_floating_point() else was
    refused = how in ("missing", "complex", "shape", "expanded", "key") and was.dim() > 0
    return f"the tensor {name}: {how}", refused
