"""The chain from a data set to predictions, for what runs or reckons all of it."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.main import get_command

from ..errors import UsageError
from ..options.ids import need_ids

if TYPE_CHECKING:
    from ..artifacts import DatasetReader

Until = Annotated[str, typer.Option("--until", metavar="STAGE", help="Last stage of the chain.")]
StageFlags = Annotated[
    list[str] | None,
    typer.Option(
        "--flags", metavar="STAGE=OPTIONS", help="Options for a stage or for eval. Repeatable."
    ),
]


@dataclass(frozen=True)
class Stage:
    """One link of the chain.

    Attributes:
        name: of its command.
        out: the file that it makes.
        inputs: the options that name what it is made from.
        splits: which options of the run's splits it takes.
        trains: it is one job; the others work image by image.
    """

    name: str
    out: str
    inputs: str = ""
    splits: tuple[str, ...] = ()
    trains: bool = False

    @property
    def sources(self) -> list[str]:
        """The files of `inputs`."""
        return self.inputs.split()[1::2]

    def arguments(self, train: str | None, val: str | None) -> list[str]:
        """Inputs and splits as words of a command line."""
        chosen = {"--split": train, "--val-split": val, "--split val": val}
        words = self.inputs.split()
        for option in self.splits:
            if chosen[option] is not None:
                words += [option.split()[0], str(chosen[option])]
        return words


STAGES = (
    Stage("train-cls", "cls.pt", splits=("--split", "--val-split"), trains=True),
    Stage("make-cam", "cam.h5", "--weights cls.pt", ("--split",)),
    Stage("make-seeds", "seeds.h5", "--cam cam.h5"),
    Stage("train-aff", "aff.pt", "--seeds seeds.h5", trains=True),
    Stage("random-walk", "pseudo.h5", "--cam cam.h5 --weights aff.pt"),
    Stage("train-seg", "seg.pt", "--labels pseudo.h5", ("--val-split",), trains=True),
    Stage("predict", "pred.h5", "--weights seg.pt", ("--split val",)),
)
NAMES = tuple(stage.name for stage in STAGES)
# The functions behind the program's commands, by name. The program tells them, being above: a plan
# reads options as the commands themselves do.
PROGRAM: dict[str, Callable[..., None]] = {}
EVAL = "eval"  # scores what image-by-image stages make; its command is no link of the chain
# What the chain itself says to each stage, so that --flags cannot.
RESERVED = ("data", "out", "shard", "weights", "cam", "seeds", "labels", "scores", "IMAGE", "png")

# Metavars of options that take a file or a folder, and a word as the shell splits them.
FILES = ("FILE", "FOLDER", "SOURCE", "JSON")
WORD = re.compile(r"""(?:[^\s'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+""", re.DOTALL)


def until(name: str) -> tuple[Stage, ...]:
    """The chain up to a stage.

    Raises:
        UsageError: there is no such stage.
    """
    if name not in NAMES:
        raise UsageError(f"--until {name}: is not a stage", f"one of {', '.join(NAMES)}")
    return STAGES[: NAMES.index(name) + 1]


def choose_splits(
    data: DatasetReader, split: str | None, val_split: str | None
) -> tuple[str | None, str | None]:
    """The splits to train and to predict on: as named, or `train` and `val` where there are such.

    Raises:
        WsssError: a split that is named does not exist, or there is no image to train on.
    """
    for name in (split, val_split):
        data.split(name)
    if split is None and "train" in data.splits:
        split = "train"
    if val_split is None and "val" in data.splits:
        val_split = "val"
    need_ids(data.split(split), data.path, split)
    return split, val_split


def by_stage(option: str, texts: Sequence[str], known: Collection[str]) -> dict[str, list[str]]:
    """Values of an option that is given as TEXT, for all stages, or STAGE[,STAGE]=TEXT.

    Raises:
        UsageError: a stage that does not exist.
    """
    found: dict[str, list[str]] = {name: [] for name in known}
    for text in texts:
        match = re.fullmatch(r"([a-z][a-z,-]*)=(.*)", text, re.DOTALL)
        names = match[1].split(",") if match else list(known)
        for name in names:
            if name not in found:
                raise UsageError(
                    f"{option} {text}: no stage {name!r}", f"one of {', '.join(known)}"
                )
            found[name].append(match[2] if match else text)
    return found


def stage_flags(texts: Sequence[str], known: Collection[str]) -> dict[str, str]:
    """Each stage's own options, as --flags STAGE=OPTIONS gives them, checked by the stage itself.

    Files in them that are found from here are given in full: stages run in other folders.

    Raises:
        UsageError: options that the stage does not know, or that the chain gives it.
    """
    for text in texts:
        if text.startswith("-") or "=" not in text:
            raise UsageError(f"--flags {text}: needs STAGE=OPTIONS, as make-cam='--scales 1'")
    flags = {name: " ".join(parts) for name, parts in by_stage("--flags", texts, known).items()}
    for stage in STAGES:
        if flags.get(stage.name):
            options, usual = parse(stage, flags[stage.name]), parse(stage, "")
            for name in RESERVED:
                if options.get(name) not in (None, usual.get(name)):
                    raise UsageError(f"--flags {stage.name}: --{name} is not yours to give here")
    if flags.get(EVAL):
        parse(Stage(EVAL, ""), f"FILE {flags[EVAL]}")
    return {name: _in_full(name, text) for name, text in flags.items()}


def _in_full(name: str, text: str) -> str:
    """Options with the files that are found from here spelled from the root; the rest as it is."""
    parameters = [found for found in command(name).params if found.metavar in FILES]
    options = {spelled for found in parameters for spelled in found.opts}
    words = WORD.findall(text)
    for index, (before, word) in enumerate(itertools.pairwise(["", *words])):
        option, value = "", shlex.split(word)[0]
        if before not in options:
            option, _, value = value.partition("=")
            if option not in options:
                continue
            option += "="
        if value and Path(value).exists():
            words[index] = shlex.quote(f"{option}{Path(value).absolute()}")
    return " ".join(words)


def command(name: str) -> Any:
    """A command of its own, for those that cannot ask the whole command line."""
    app = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)
    app.command(name)(PROGRAM[name])
    return get_command(app)


def parse(stage: Stage, text: str) -> dict[str, Any]:
    """A stage's options by name, defaults included, as its own command line reads `text`.

    Raises:
        UsageError: it does not.
    """
    names = {parameter.name: parameter for parameter in command(stage.name).params}
    values = settled(stage, text)
    return {_spelled(names[name]): value for name, value in values.items() if name in names}


def settled(stage: Stage, text: str) -> dict[str, Any]:
    """The same by the command's own names of its parameters.

    Raises:
        UsageError: its command line does not read `text`.
    """
    try:
        values = command(stage.name).make_context(stage.name, shlex.split(text)).params
    except Exception as err:  # Typer's own, of one of two Clicks, or shlex's
        if hasattr(err, "format_message"):
            raise UsageError(f"{stage.name}: {err.format_message()}") from None
        if isinstance(err, ValueError):
            raise UsageError(f"{stage.name} {text}: {err}") from None
        raise
    settle = getattr(PROGRAM[stage.name], "settle", None)
    if settle is not None:
        settle(values)
    return dict(values)


def card_of(stage: Stage, options: Mapping[str, Any]) -> Any:
    """The card that a stage's settled options choose; None for a stage without methods."""
    select = getattr(PROGRAM[stage.name], "select", None)
    return None if select is None else select.chosen(dict(options)).card


def plain(value: Any) -> Any:
    """An option's value, be it one of an enumeration or not."""
    return getattr(value, "value", value)


def _spelled(parameter: Any) -> str:
    """An option's name as it is typed, without its dashes; an argument's metavar."""
    if parameter.param_type_name == "argument":
        return str(parameter.metavar)
    return next(name for name in parameter.opts if name.startswith("--")).removeprefix("--")
