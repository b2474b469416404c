"""The command line: one command a stage, and the boundary where errors become exit codes."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from . import __version__
from .commands import COMMANDS
from .errors import INPUT, STANDARD_OUTPUT, WsssError, shortage
from .machine import ending
from .machine.cores import wait_politely
from .options.files import with_ledger
from .planning.chain import PROGRAM

# oneDNN keeps what it compiled for each shape of a convolution, 1,024 of them unless told, which is
# memory for nothing where images are of many sizes. A network at all its scales needs about 100.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")
wait_politely()

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
            return ending.guarded(lambda: super(Group, self).invoke(ctx))
        except WsssError as err:
            raise _told(err) from None
        except WrongUsage as err:
            if _follows():
                raise typer.Exit(err.exit_code) from None
            raise
        except (ImportError, MemoryError, OSError, RuntimeError) as err:
            if (short := shortage(err)) is not None:
                raise _told(short) from None
            read_enough = isinstance(err, BrokenPipeError) and err.filename == STANDARD_OUTPUT
            if read_enough or not isinstance(err, OSError):
                raise
            where = f"{err.filename}: " if err.filename else ""
            raise _told(WsssError(f"{where}{err.strerror or err}")) from None


def _told(err: WsssError) -> typer.Exit:
    """The end of a command with this error, which is said here."""
    typer.echo(f"wsss: error: {err}", err=True)
    if err.hint:
        typer.echo(f"wsss: hint: {err.hint}", err=True)
    return typer.Exit(err.exit_code)


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
    app.command(module.NAME)(with_ledger(module.run, module.NAME))
    PROGRAM[module.NAME] = module.run


class StandardOutput(io.FileIO):
    """Standard output, whose errors say so: other files have their names."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as err:
            err.filename = STANDARD_OUTPUT
            raise


def _name_stdout() -> None:
    stream = sys.stdout
    if not isinstance(stream, io.TextIOWrapper):
        return
    raw = StandardOutput(stream.fileno(), "wb", closefd=False)
    buffered = not isinstance(stream.buffer, io.RawIOBase)  # else PYTHONUNBUFFERED is set
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(raw) if buffered else raw,
        encoding=stream.encoding,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def entry() -> None:
    """The `wsss` program."""
    _name_stdout()
    # Ids and class names may hold any letter; a terminal that cannot show one must not stop us.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            app(prog_name="wsss")
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except OSError as err:  # of standard output, while nothing of a command runs
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python would try once more
        if err.errno == errno.EPIPE:  # whoever read it has seen enough
            sys.exit(1)
        sys.stderr.write(f"wsss: error: {STANDARD_OUTPUT}: {err.strerror or err}\n")
        sys.exit(INPUT)
