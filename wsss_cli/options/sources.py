"""Options that come from what `pack` can read: each format's card brings its own."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Optional, get_args

from ..errors import UsageError
from ..formats.reading import Asked, Reader
from ..formats.sample import Collection
from .annotations import annotated, in_words, marks, spelled_as, with_default, with_marks
from .cards import Card
from .files import Reads
from .select import OwnOption, merged

Command = Callable[..., None]


class Source(NamedTuple):
    """The source that a command line names: its format, where it is, and the format's options."""

    reader: Reader
    value: Any
    options: Any

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
    """Decorator: give a command an option for each format, and the formats' own options.

    The command's parameter `source` is a `Source`. Where its docstring says {sources}, these
    options are named.
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
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(run, eval_str=True).parameters.values():
        if parameter.name == "source":
            parameters += [_parameter(reader.name, reader.source) for reader in readers]
        elif parameter.name in taken:
            parameters.append(_limited(parameter, readers))
        else:
            parameters.append(parameter)
    parameters += [_parameter(name, _of_some(option)) for name, option in own.items()]
    shared = {one.name: one for one in parameters if one.name in taken}

    def command(**options: Any) -> None:
        values = {reader.name: options.pop(reader.name) for reader in readers}
        reader = _chosen(readers, values)
        for name, one in shared.items():
            left_out = options[name] in (None, [], one.default)  # [] is older Typers' None
            if not left_out and name not in reader.takes:
                raise _stranger(spelled_as(name, annotated(one.annotation)[1]), reader)
        of_format = {name: options.pop(name) for name in own}
        of_format = {name: value for name, value in of_format.items() if value is not None}
        for name in of_format:
            if reader.name not in own[name].defaults:
                raise _stranger(spelled_as(name, own[name].info), reader)
        for name, why in reader.needs.items():
            if options[name] is None:
                raise UsageError(f"--{reader.name} needs --{name}", why)
        source = Source(reader, values[reader.name], reader.options(**of_format))
        run(source=source, **options)

    named = [f"--{reader.name}" for reader in readers]
    command.__doc__ = (run.__doc__ or "").replace("{sources}", ", ".join(named))
    command.__module__ = run.__module__
    command.__name__ = command.__qualname__ = run.__name__
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {option.name: option.annotation for option in parameters}
    return command


def _chosen(readers: Sequence[Reader], values: Mapping[str, Any]) -> Reader:
    """The one that a source is given for."""
    named = [reader for reader in readers if values[reader.name] is not None]
    if len(named) != 1:
        given = " and ".join(f"--{reader.name}" for reader in named)
        said = f"{given} given: give one of" if named else "give one of"
        raise UsageError(f"{said} {', '.join(f'--{reader.name}' for reader in readers)}")
    return named[0]


def _stranger(spelled: str, reader: Reader) -> UsageError:
    return UsageError(f"{spelled} does not go with --{reader.name}")


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


def _of_some(option: OwnOption) -> Any:
    """A format's own option, its help naming those that have it and its default."""
    info = copy.copy(option.info)
    text = f"With {_listed(option.defaults)}: {info.help[0].lower()}{info.help[1:]}"
    info.help = with_default(text, in_words(option.defaults))
    return with_marks(option.kind, info, option.marks)


def _limited(parameter: inspect.Parameter, readers: Sequence[Reader]) -> inspect.Parameter:
    """An option of the command, its help naming the formats that have a use for it."""
    having = [reader.name for reader in readers if parameter.name in reader.takes]
    lacking = [reader.name for reader in readers if parameter.name not in reader.takes]
    kind, info = annotated(parameter.annotation)
    info = copy.copy(info)
    if lacking:
        few = len(having) <= len(lacking)
        info.help += f" {'Only' if few else 'Not'} with {_listed(having if few else lacking)}."
    kept = marks(parameter.annotation)
    return parameter.replace(annotation=with_marks(kind, info, kept))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"--{name}" for name in names)
