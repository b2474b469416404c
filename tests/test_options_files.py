"""Marks of options that name files: what they name, and that groups and cards keep them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import typer

from wsss_cli.artifacts import ledger
from wsss_cli.errors import UsageError
from wsss_cli.options.cards import Card, Chosen
from wsss_cli.options.files import Reads, Writes, declared, with_ledger
from wsss_cli.options.groups import grouped
from wsss_cli.options.select import Select


@pytest.mark.parametrize(
    ("mark", "value", "names"),
    [
        (Reads(), None, []),
        (Reads(), Path("a"), ["a"]),
        (Reads(), [Path("a"), Path("b")], ["a", "b"]),
        (Reads(but=("-",)), "-", []),
        (Reads(but=("imagenet", "random")), "weights.pt", ["weights.pt"]),
        (Reads(after="="), ["train", "val=list=1.txt"], ["list=1.txt"]),
        (Writes(folder=True), Path("out"), ["out"]),
    ],
)
def test_values_name_files(mark: Reads, value: object, names: list[str]) -> None:
    assert list(mark.paths(value)) == list(map(Path, names))


@dataclass(frozen=True, kw_only=True)
class Group:
    cues: Annotated[Path | None, typer.Option(metavar="FILE", help="Cues."), Reads()] = None


@dataclass(frozen=True, kw_only=True)
class Own:
    maps: Annotated[Path | None, typer.Option("--maps", help="Maps."), Writes()] = None


GROUP = Group()


@grouped(by="kind", usual={"a": {"cues": Path("a")}, "b": {"cues": Path("b")}})
def run(
    method: Annotated[Chosen, Select([Card(name="own", said="", options=Own)], "How.")],
    kind: Annotated[str, typer.Option()] = "a",
    group: Group = GROUP,
) -> None:
    if group.cues is not None:
        ledger.read(group.cues)


def test_groups_cards_and_dependent_defaults_keep_the_marks() -> None:
    assert declared(run) == {"cues": (Reads(), "--cues"), "maps": (Writes(), "--maps")}


def test_a_command_is_refused_before_it_runs_and_on_the_way(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.touch()
    command = with_ledger(run)
    with pytest.raises(UsageError, match="is an input") as refused:
        command(method=None, kind="a", cues=file, maps=file)
    assert refused.value.hint == "give another name with --maps"
    command(method=None, kind="a", cues=file, maps=None)
    assert ledger.current() is not ledger.current()  # none is left open


def test_a_default_that_is_not_read_may_be_an_output(tmp_path: Path) -> None:
    file = tmp_path / "cam.h5"
    file.touch()

    def made(
        read: bool,
        out: Annotated[Path, typer.Option(), Writes()],
        cam: Annotated[Path, typer.Option(), Reads()] = file,
    ) -> None:
        if read:
            ledger.read(cam)

    command = with_ledger(made)
    command(read=False, out=file, cam=file)
    with pytest.raises(UsageError, match="is an input"):
        command(read=True, out=file, cam=file)
    file.with_name("other").touch()
    with pytest.raises(UsageError, match="is an input"):
        command(read=False, out=file.with_name("other"), cam=file.with_name("other"))


def test_a_name_that_others_are_made_of_may_be_an_inputs(tmp_path: Path) -> None:
    file = tmp_path / "seeds.h5"
    file.touch()

    def made(
        labels: Annotated[Path, typer.Option(), Reads()],
        supervision: Annotated[Path, typer.Option(), Writes(numbered=True)],
    ) -> None:
        ledger.read(labels)
        ledger.current().promise(supervision.with_name("seeds-1.h5"))

    with_ledger(made)(labels=file, supervision=file)


def with_outputs(
    table: Annotated[Path | None, typer.Option(help="Table."), Writes()] = None,
    scores: Annotated[str | None, typer.Option(help="Scores."), Writes(but=("-",))] = None,
) -> None:
    """A command of two outputs, one of which may be printed."""


@pytest.mark.parametrize("other", ["out", "./out", "folder/../out", "link"])
def test_two_outputs_are_two_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("out")
    with pytest.raises(UsageError, match=r"named by --table and by --scores"):
        with_ledger(with_outputs)(table=Path("out"), scores=other)
    with_ledger(with_outputs)(table=Path("out"), scores="folder/out")


def test_an_output_that_cannot_be_printed_is_no_file_of_that_name() -> None:
    with pytest.raises(UsageError, match=r"--table -: is not printed"):
        with_ledger(with_outputs)(table=Path("-"), scores="-")
    with_ledger(with_outputs)(table=None, scores="-")
