"""Options that come from what `pack` can read: each format's card brings its own."""

from __future__ import annotations

import copy
import enum
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Optional, get_args

import typer

from ..errors import UsageError
from ..formats.detecting import detected
from ..formats.reading import Asked, Reader
from ..formats.sample import Collection
from .annotations import annotated, in_words, marks, spelled_as, with_default, with_marks
from .cards import Card
from .files import Reads
from .select import OwnOption, merged

Command = Callable[..., None]
SOME = 4  # formats that a help text names
PLACE, FORMAT = "place", "format_"  # the parameters of the source and of its format


class Source(NamedTuple):
    """The source that a command line names: its format, where it is, and the format's options."""

    reader: Reader
    value: Any
    options: Any
    told: str | None = None  # by what its format was told, where nobody named it

    @property
    def name(self) -> str:
        """What messages call it."""
        return str(self.value) if isinstance(self.value, Path) else self.reader.name

    @property
    def files(self) -> list[Path]:
        """What is read first, if anything is."""
        return [self.value] if isinstance(self.value, Path) else []

    def read(self, asked: Asked) -> Collection:
        """All images of it, before any pixel is looked at."""
        return self.reader.read(self.value, asked, self.options)


def sourced(readers: Sequence[Reader]) -> Callable[[Command], Command]:
    """Decorator: give a command a source, whose format is told or named, and the formats' options.

    The command's parameter `source` is a `Source`. Where its docstring says {sources}, the options
    are named that some formats have for their source, and {formats} all formats.
    """

    def decorate(run: Command) -> Command:
        return _command(run, readers)

    return decorate


def splits_of(options: Sequence[str]) -> dict[str, Path | None]:
    """NAME and NAME=FILE options as a mapping of name to file.

    Raises:
        UsageError: neither, or a name twice.
    """
    splits: dict[str, Path | None] = {}
    for option in options:
        name, equals, file = option.partition("=")
        if not name or (equals and not file) or name in splits:
            raise UsageError(f"--split {option}: give NAME or NAME=FILE, each name once")
        splits[name] = Path(file) if equals else None
    return splits


def _command(run: Command, readers: Sequence[Reader]) -> Command:
    own = merged([Card(name=one.name, said="", options=one.options) for one in readers])
    taken = {name for reader in readers for name in reader.takes}
    optional = [reader for reader in readers if reader.option]
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(run, eval_str=True).parameters.values():
        if parameter.name == "source":
            parameters += [_place(), _format(readers)]
            parameters += [_parameter(reader.name, reader.source) for reader in optional]
        elif parameter.name in taken:
            parameters.append(_limited(parameter, readers))
        else:
            parameters.append(parameter)
    parameters += [_parameter(name, _of_some(option, readers)) for name, option in own.items()]
    shared = {one.name: one for one in parameters if one.name in taken}

    def command(**options: Any) -> None:
        values = {reader.name: options.pop(reader.name) for reader in optional}
        place, named = options.pop(PLACE), options.pop(FORMAT)
        of_format = {name: options.pop(name) for name in own}
        reader, value, told = _chosen(readers, values, place, named and named.value)
        for name, one in shared.items():
            left_out = options[name] in (None, [], one.default)  # [] is older Typers' None
            if not left_out and name not in reader.takes:
                raise _stranger(spelled_as(name, annotated(one.annotation)[1]), reader)
        of_format = {name: value for name, value in of_format.items() if value is not None}
        for name in of_format:
            if reader.name not in own[name].defaults:
                raise _stranger(spelled_as(name, own[name].info), reader)
        for name, why in reader.needs.items():
            if options[name] is None:
                raise UsageError(f"{called(reader)} needs --{name.replace('_', '-')}", why)
        run(source=Source(reader, value, reader.options(**of_format), told), **options)

    described = (run.__doc__ or "").replace(
        "{sources}", ", ".join(f"--{one.name}" for one in optional)
    )
    command.__doc__ = described.replace("{formats}", ", ".join(one.name for one in readers))
    command.__module__ = run.__module__
    command.__name__ = command.__qualname__ = run.__name__
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {option.name: option.annotation for option in parameters}
    return command


def called(reader: Reader) -> str:
    """What messages call a format: by the option that names it."""
    return f"--{reader.name}" if reader.option else f"--format {reader.name}"


def _place() -> inspect.Parameter:
    """The source as an argument."""
    return inspect.Parameter(
        PLACE,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=None,
        annotation=Annotated[
            Optional[Path],  # noqa: UP045
            typer.Argument(
                metavar="[SOURCE]",
                show_default=False,
                help="File, folder or zip of the annotations. What it shows tells its format.",
            ),
            Reads(),
        ],
    )


def _format(readers: Sequence[Reader]) -> inspect.Parameter:
    """The option that names the format."""
    formats = {one.name: one.name for one in readers if not one.drawn}
    names = enum.Enum("Format", formats, type=str)  # type: ignore[misc]
    return inspect.Parameter(
        FORMAT,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=None,
        annotation=Annotated[
            Optional[names],  # noqa: UP045
            typer.Option("--format", help="Format of SOURCE. Default: the one that it shows."),
        ],
    )


def _chosen(
    readers: Sequence[Reader], values: Mapping[str, Any], place: Path | None, named: str | None
) -> tuple[Reader, Any, str | None]:
    """The format, the source, and by what the format was told where nobody named it."""
    by_name = {reader.name: reader for reader in readers}
    asked = [name for name, value in values.items() if value is not None]
    ways = ", ".join(["SOURCE", *(f"--{name}" for name in values)])
    if len(asked) + (place is not None) != 1:
        given = [*(["SOURCE"] if place is not None else []), *(f"--{name}" for name in asked)]
        said = f"{' and '.join(given)} given: give one of" if given else "give one of"
        raise UsageError(f"{said} {ways}")
    if asked:
        if named is not None:
            raise UsageError(f"--format does not go with --{asked[0]}, which names it")
        return by_name[asked[0]], values[asked[0]], None
    assert place is not None
    if named is not None:
        return by_name[named], place, None
    reader, told = detected(place, readers)
    return reader, place, told


def _stranger(spelled: str, reader: Reader) -> UsageError:
    return UsageError(f"{spelled} does not go with {called(reader)}")


def _parameter(name: str, annotation: Any) -> inspect.Parameter:
    """An option that may be left out."""
    kind, info = annotated(annotation)
    kept = marks(annotation)
    if not kept and Path in (kind, *get_args(kind)):  # a format, being below, knows no marks
        kept = (Reads(),)
    return inspect.Parameter(
        name,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=None,
        annotation=with_marks(Optional[kind], info, kept),  # noqa: UP045
    )


def _of_some(option: OwnOption, readers: Sequence[Reader]) -> Any:
    """A format's own option, its help naming those that have it and its default."""
    info = copy.copy(option.info)
    text = f"With {_listed(option.defaults, readers)}: {info.help[0].lower()}{info.help[1:]}"
    info.help = with_default(text, in_words(option.defaults))
    return with_marks(option.kind, info, option.marks)


def _limited(parameter: inspect.Parameter, readers: Sequence[Reader]) -> inspect.Parameter:
    """An option of the command, its help naming the formats that have a use for it."""
    having = [reader.name for reader in readers if parameter.name in reader.takes]
    lacking = [reader.name for reader in readers if parameter.name not in reader.takes]
    kind, info = annotated(parameter.annotation)
    info = copy.copy(info)
    few = having if len(having) <= len(lacking) else lacking
    if lacking and len(few) > SOME:
        info.help += " Not with all formats."
    elif lacking:
        info.help += f" {'Only' if few is having else 'Not'} with {_listed(few, readers)}."
    kept = marks(parameter.annotation)
    return parameter.replace(annotation=with_marks(kind, info, kept))


def _listed(names: Iterable[str], readers: Sequence[Reader]) -> str:
    by_name = {reader.name: reader for reader in readers}
    return ", ".join(f"--{name}" if by_name[name].option else name for name in names)
