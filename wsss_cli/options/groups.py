"""Options that come in groups: a command's parameter that is a dataclass is an option a field."""

from __future__ import annotations

import copy
import enum
import inspect
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass, replace
from typing import Annotated, Any, Optional, get_args, get_origin, get_type_hints

import typer

from .annotations import (
    Default,
    annotated,
    hints,
    in_words,
    marks,
    spelled_as,
    with_default,
    with_marks,
)
from .cards import Due, due
from .files import Reads
from .select import Select

__all__ = ["Due", "Help", "Without", "due", "given", "grouped", "spelled"]

Command = Callable[..., None]
Table = Mapping[Any, Mapping[str, Any]]


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of some options that are not None, that is, not left to their default."""
    return {name: value for name, value in options.items() if value is not None}


def spelled(group: type, name: str) -> str:
    """A group's field as the option that it is on the command line."""
    return spelled_as(name, annotated(get_type_hints(group, include_extras=True)[name])[1])


class Without:
    """Fields of a group that a command does not offer; they keep the group's default."""

    def __init__(self, *names: str) -> None:
        self.names = names


class Help:
    """What a command says of some options of a group in place of the group's own words."""

    def __init__(self, **texts: str) -> None:
        self.texts = texts


def grouped(by: str = "", usual: Table | None = None) -> Callable[[Command], Command]:
    """Decorator: make a function with groups of options into one that Typer understands.

    Each parameter whose type is a dataclass becomes one option per field, in place. The fields'
    types are Annotated as Typer wants them; the parameter's default, an instance, holds the
    options' defaults. `Annotated[Group, Without(...), Help(...)]` changes what is offered and said.

    A parameter `method: Annotated[Chosen, Select(...)]` becomes the choice among a command's cards,
    and the options that these have: files at once, the others behind the command's own.

    Args:
        by: a parameter on whose value the defaults of some options depend.
        usual: those defaults, or `Due` ones, by that parameter's values, then by the options'
            names. Such an option is None for Typer, and the function gets the value that is due.

    The command's `settle` gives the options in a dict, by name, the values due in None's place.
    """

    def decorate(run: Command) -> Command:
        return _command(run, by, usual or {})

    return decorate


def _command(run: Command, by: str, table: Table) -> Command:
    found_hints = hints(run)
    select: Select | None = None
    parameters: list[inspect.Parameter] = []
    groups: dict[str, tuple[Any, list[str]]] = {}
    for parameter in inspect.signature(run).parameters.values():
        kind, extras = _unwrap(found_hints[parameter.name])
        found = [extra for extra in extras if isinstance(extra, Select)]
        if found:
            select = found[0]
            parameters += [*_switches(select, parameter), *_own(select, files=True)]
        elif is_dataclass(kind):
            options = _fields(kind, extras, parameter)
            groups[parameter.name] = parameter.default, [option.name for option in options]
            parameters += options
        else:
            parameters.append(parameter.replace(annotation=_told(found_hints[parameter.name])))
    dependent = {
        name: {key: values[name] for key, values in table.items()}
        for name in {name for values in table.values() for name in values}
    }
    if select is not None:
        parameters += _own(select, files=False)
        dependent |= select.dependent
    parameters = [
        _depending(option, dependent[option.name]) if option.name in dependent else option
        for option in parameters
    ]
    defaults = {option.name: option.default for option in parameters}

    def settle(options: dict[str, Any]) -> None:
        if select is not None:
            select.settle(options, defaults)
        for name, value in table[options[by]].items() if by else ():
            if options[name] is None:
                options[name] = due(value, options)

    def command(**options: Any) -> None:
        settle(options)
        if select is not None:
            options["method"] = select.chosen(options)
        for group, (default, names) in groups.items():
            options[group] = replace(default, **{name: options.pop(name) for name in names})
        run(**options)

    command.__doc__, command.__module__ = run.__doc__, run.__module__
    command.__name__ = command.__qualname__ = run.__name__
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.settle, command.select = settle, select  # type: ignore[attr-defined]
    command.__annotations__ = {option.name: option.annotation for option in parameters}
    return command


def _switches(select: Select, parameter: inspect.Parameter) -> list[inspect.Parameter]:
    """--method, and what else chooses, as parameters."""
    switches = []
    for name, values in select.switches.items():
        choices = enum.Enum("Choices", {value: value for value in values}, type=str)  # type: ignore[misc]
        info = typer.Option(f"--{name}", help=select.help(name), show_default=False)
        switches.append(
            parameter.replace(name=name, default=None, annotation=Annotated[choices | None, info])
        )
    return switches


def _unwrap(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """A type and what it is annotated with."""
    if get_origin(hint) is not Annotated:
        return hint, ()
    kind, *extras = get_args(hint)
    return kind, tuple(extras)


def _own(select: Select, files: bool) -> list[inspect.Parameter]:
    """The cards' own options as parameters: those that name files, or the others."""
    return [
        inspect.Parameter(
            name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=None,
            annotation=one.annotation(len(select.cards)),
        )
        for name, one in select.own.items()
        if any(isinstance(mark, Reads) for mark in one.marks) is files
    ]


def _fields(
    group: Any, extras: tuple[Any, ...], parameter: inspect.Parameter
) -> list[inspect.Parameter]:
    """A group's options, as parameters."""
    left_out = {name for extra in extras if isinstance(extra, Without) for name in extra.names}
    said = {k: v for extra in extras if isinstance(extra, Help) for k, v in extra.texts.items()}
    options = []
    for name, hint in get_type_hints(group, include_extras=True).items():
        if name in left_out:
            continue
        kind, info = annotated(hint)
        info = copy.copy(info)
        info.help = said.get(name, info.help)
        options.append(
            parameter.replace(
                name=name,
                default=getattr(parameter.default, name),
                annotation=_told(with_marks(kind, info, marks(hint))),
            )
        )
    return options


def _told(hint: Any) -> Any:
    """An option's annotation, its help telling the default that it is marked with."""
    found = [one for one in marks(hint) if isinstance(one, Default)]
    if not found:
        return hint
    kind, info = annotated(hint)
    info = copy.copy(info)
    info.help = with_default(info.help, found[0].said)
    return with_marks(kind, info, marks(hint))


def _depending(option: inspect.Parameter, values: Mapping[Any, Any]) -> inspect.Parameter:
    """An option without a default of its own, whose help names the methods' defaults."""
    kind, info = annotated(option.annotation)
    info, kept = copy.copy(info), marks(option.annotation)
    info.help = with_default(info.help, in_words(values))
    return option.replace(default=None, annotation=with_marks(Optional[kind], info, kept))  # noqa: UP045
