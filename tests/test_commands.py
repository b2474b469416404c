"""The commands, in the order of the chain, each in a file of its name."""

from __future__ import annotations

from pathlib import Path

from wsss_cli import commands
from wsss_cli.commands import COMMANDS
from wsss_cli.planning.chain import NAMES


def test_each_command_lies_in_a_file_of_its_name() -> None:
    files = {module.NAME: Path(str(module.__file__)).stem for module in COMMANDS}
    assert files == {name: name.replace("-", "_") for name in files}
    folder = Path(str(commands.__file__)).parent
    assert sorted(files.values()) == sorted(
        path.stem for path in folder.glob("*.py") if path.stem != "__init__"
    )


def test_the_chain_is_listed_in_its_order() -> None:
    assert tuple(module.NAME for module in COMMANDS if module.NAME in NAMES) == NAMES
