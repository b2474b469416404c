"""The command line: one command a stage, and the boundary where errors become exit codes."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from . import __version__
from .commands import COMMANDS
from .errors import INPUT, NO_MEMORY, WsssError, lacks_memory
from .options.files import with_ledger
from .planning.chain import PROGRAM

# oneDNN keeps what it compiled for each shape of a convolution, 1,024 of them unless told, which is
# memory for nothing where images are of many sizes. A network at all its scales needs about 100.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")

WrongUsage: Any = typer.BadParameter.__base__  # Typer's own copy of Click's class, or Click's


def _follows() -> bool:
    """Whether torchrun started this process, and another that says the same of a wrong command."""
    return "TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("RANK", "0") != "0"


class Group(TyperGroup):
    """Lists commands in the order of the chain, and reports our errors in one line."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except WsssError as err:
            typer.echo(f"wsss: error: {err}", err=True)
            if err.hint:
                typer.echo(f"wsss: hint: {err.hint}", err=True)
            raise typer.Exit(err.exit_code) from None
        except (MemoryError, OSError, RuntimeError) as err:
            if not lacks_memory(err):
                raise
            typer.echo(f"wsss: error: {NO_MEMORY}", err=True)
            raise typer.Exit(INPUT) from None
        except WrongUsage as err:
            if _follows():
                raise typer.Exit(err.exit_code) from None
            raise


app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(show: bool) -> None:
    if show:
        typer.echo(f"wsss {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Weakly supervised segmentation: from image tags to masks and a trained network.

    The chain: pack, train-cls, make-cam, make-seeds, train-aff, random-walk, train-seg, eval.
    Each stage reads files and writes one file; `wsss STAGE --help` says which.
    """


for module in COMMANDS:
    app.command(module.NAME)(with_ledger(module.run))
    PROGRAM[module.NAME] = module.run


def entry() -> None:
    """The `wsss` program."""
    # Ids and class names may hold any letter; a terminal that cannot show one must not stop us.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="wsss")
    except OSError as err:  # of standard output: stages speak for the files that they open
        where = err.filename or "standard output"
        sys.stderr.write(f"wsss: error: {where}: {err.strerror or err}\n")
        sys.exit(3)
