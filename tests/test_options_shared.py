"""The options that many commands share: spelled once, with the same limits everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import pytest
import typer
from typer.testing import CliRunner

from wsss_cli.options.files import Reads
from wsss_cli.options.shared import (
    Data,
    Device,
    Force,
    Ids,
    Quiet,
    Seed,
    ShardOption,
    Split,
    Workers,
    any_of,
    one_of,
)

got: dict[str, Any] = {}
app = typer.Typer(rich_markup_mode=None)


@app.command()
def run(
    data: Data = None,
    split: Split = None,
    ids: Ids = None,
    shard: ShardOption = "1/1",
    force: Force = False,
    quiet: Quiet = False,
    seed: Seed = 0,
    device: Device = "auto",
    workers: Workers = None,
) -> None:
    """All of them."""
    got.update(locals())


def call(*arguments: str, data: str | None = None) -> Any:
    got.clear()
    return CliRunner().invoke(app, list(arguments), env={"WSSS_DATA": data})


def test_what_they_are_when_nothing_is_said() -> None:
    assert call().exit_code == 0
    assert got == {
        **{"data": None, "split": None, "ids": None, "shard": "1/1", "force": False},
        **{"quiet": False, "seed": 0, "device": "auto", "workers": None},
    }


def test_what_is_said() -> None:
    words = "--data a.h5 --split val --ids - --shard 2/3 --force -q --seed 7 --device cpu --workers"
    assert call(*words.split(), "0").exit_code == 0
    assert got == {
        **{"data": Path("a.h5"), "split": "val", "ids": "-", "shard": "2/3", "force": True},
        **{"quiet": True, "seed": 7, "device": "cpu", "workers": 0},
    }


def test_the_environment_names_the_data_set_unless_the_command_does() -> None:
    call(data="there.h5")
    assert got["data"] == Path("there.h5")
    call("--data", "here.h5", data="there.h5")
    assert got["data"] == Path("here.h5")


@pytest.mark.parametrize("option", ["--seed", "--workers"])
def test_numbers_are_not_below_0(option: str) -> None:
    result = call(option, "-1")
    assert result.exit_code == 2
    assert f"Invalid value for '{option}'" in result.output
    assert got == {}


def test_files_that_they_name_are_read() -> None:
    assert Reads() in get_args(Data)
    assert Reads(but=("-",)) in get_args(Ids)  # stdin is no file


def test_one_of_some_names_or_nothing() -> None:
    name, stride = one_of(("fcn", "unet")), one_of((8, 16))
    assert (name("unet"), name(None), stride(8), stride(None)) == ("unet", None, 8, None)
    for check, value, said in (
        (name, "segformer", "'segformer' is not one of fcn, unet"),
        (name, "", "'' is not one of fcn, unet"),
        (stride, 12, "12 is not one of 8, 16"),
    ):
        with pytest.raises(typer.BadParameter) as caught:
            check(value)  # type: ignore[type-var]
        assert str(caught.value) == said


@dataclass(frozen=True)
class Named:
    name: Annotated[str, typer.Option(autocompletion=any_of({"red": 1, "green": 2}))] = "red"


def test_tab_offers_the_names_of_a_groups_field() -> None:
    info = get_args(get_type_hints(Named, include_extras=True)["name"])[1]
    assert info.autocompletion() == ["red", "green"]
