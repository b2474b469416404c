"""--head-epochs: pretrained weights rest while the new layers learn, then all learn."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from wsss_cli.artifacts import load_weights
from wsss_cli.cli import app

TINY = "--backbone tiny --backbone-weights random --crop 32 --freeze-stages 0 --workers 0"
RECIPE = [*TINY.split(), "--batch-size", "2", "--seed", "3", "--quiet"]


def state(data: Path, epochs: int, head_epochs: int) -> dict[str, torch.Tensor]:
    out = data.with_name(f"{epochs}-{head_epochs}.pt")
    numbers = ["--epochs", str(epochs), "--head-epochs", str(head_epochs)]
    result = CliRunner().invoke(
        app, ["train-cls", "--data", str(data), "-o", str(out), *RECIPE, *numbers]
    )
    assert result.exit_code == 0, result.output
    return load_weights(out, "wsss/cls").state_dict


def changed(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> set[str]:
    """`head` and `backbone`, as far as their tensors differ."""
    return {name.split(".")[0] for name in one if not torch.equal(one[name], other[name])}


def test_the_backbone_rests_in_the_head_epochs(tiny_data: Path) -> None:
    one, two = state(tiny_data, 1, 1), state(tiny_data, 2, 2)
    assert changed(one, two) == {"head"}
    assert changed(two, state(tiny_data, 2, 1)) == {"head", "backbone"}


@pytest.mark.parametrize("head_epochs", [-1, 3])
def test_more_head_epochs_than_epochs_are_refused(tiny_data: Path, head_epochs: int) -> None:
    options = ["--data", str(tiny_data), "--epochs", "2", "--head-epochs", str(head_epochs)]
    result = CliRunner().invoke(app, ["train-cls", *options, *RECIPE])
    assert result.exit_code == 2
    assert "--head-epochs: must be 0 to --epochs" in result.stderr
