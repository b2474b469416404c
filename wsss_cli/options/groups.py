"""Options that come in groups: a command's parameter that is a dataclass is an option a field."""

from __future__ import annotations

import copy
import enum
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Annotated, Any, Optional, Union, get_args, get_origin, get_type_hints

from ..errors import UsageError

Command = Callable[..., None]
Table = Mapping[Any, Mapping[str, Any]]


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of some options that are not None, that is, not left to their default."""
    return {name: value for name, value in options.items() if value is not None}


def refuse(method: enum.Enum, groups: Sequence[Any], usual: Sequence[Any], **single: Any) -> None:
    """Raise UsageError for an option of another method, where it is not what it is by default.

    Args:
        method: the one chosen.
        groups: options that it does not have, in groups.
        usual: the same as they are when none is given.
        single: others, which are None then.
    """
    for name, value in single.items():
        if value is not None:
            raise UsageError(f"--{name}: --method {method.value} has no such thing")
    for group, default in zip(groups, usual, strict=True):
        for field in fields(group):
            if getattr(group, field.name) != getattr(default, field.name):
                option = spelled(type(group), field.name)
                raise UsageError(f"{option}: --method {method.value} has no such thing")


def spelled(group: type, name: str) -> str:
    """A group's field as the option that it is on the command line."""
    _, (info, *_) = _unwrap(get_type_hints(group, include_extras=True)[name])
    names = [info.default, *(info.param_decls or ())]  # the first name stands in default's place
    own = [text for text in names if isinstance(text, str) and text.startswith("--")]
    return own[0].split("/")[0] if own else f"--{name.replace('_', '-')}"


class Without:
    """Fields of a group that a command does not offer; they keep the group's default."""

    def __init__(self, *names: str) -> None:
        self.names = names


class Help:
    """What a command says of some options of a group in place of the group's own words."""

    def __init__(self, **texts: str) -> None:
        self.texts = texts


@dataclass(frozen=True)
class Due:
    """A default that follows from other options.

    Attributes:
        of: makes it of all options by name; those before it in the table have their values.
        said: what --help says of it.
    """

    of: Callable[[Mapping[str, Any]], Any]
    said: str

    def __str__(self) -> str:
        return self.said


def due(usual: Any, options: Mapping[str, Any]) -> Any:
    """A default, be it a `Due` one."""
    return usual.of(options) if isinstance(usual, Due) else usual


def grouped(by: str = "", usual: Table | None = None) -> Callable[[Command], Command]:
    """Decorator: make a function with groups of options into one that Typer understands.

    Each parameter whose type is a dataclass becomes one option per field, in place. The fields'
    types are Annotated as Typer wants them; the parameter's default, an instance, holds the
    options' defaults. `Annotated[Group, Without(...), Help(...)]` changes what is offered and said.

    Args:
        by: a parameter on whose value the defaults of some options depend.
        usual: those defaults, or `Due` ones, by that parameter's values, then by the options'
            names. Such an option is None for Typer, and the function gets the value that is due.

    The command's `settle` gives the options in a dict, by name, the values due in None's place.
    """
    table = usual or {}
    dependent = {name for defaults in table.values() for name in defaults}

    def decorate(run: Command) -> Command:
        hints = _hints(run)
        parameters, groups = [], {}
        for parameter in inspect.signature(run).parameters.values():
            kind, extras = _unwrap(hints[parameter.name])
            if is_dataclass(kind):
                options = _fields(kind, extras, parameter)
                groups[parameter.name] = parameter.default, [option.name for option in options]
            else:
                options = [parameter.replace(annotation=hints[parameter.name])]
            parameters += [
                _depending(option, table) if option.name in dependent else option
                for option in options
            ]

        def settle(given: dict[str, Any]) -> None:
            for name, value in table[given[by]].items() if by else ():
                if given[name] is None:
                    given[name] = due(value, given)

        def command(**given: Any) -> None:
            settle(given)
            for group, (default, names) in groups.items():
                given[group] = replace(default, **{name: given.pop(name) for name in names})
            run(**given)

        command.__doc__, command.__module__ = run.__doc__, run.__module__
        command.__name__ = command.__qualname__ = run.__name__
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.settle = settle  # type: ignore[attr-defined]
        command.__annotations__ = {option.name: option.annotation for option in parameters}
        return command

    return decorate


def _hints(run: Command) -> dict[str, Any]:
    """The annotations of a function's parameters, as they are written.

    Python 3.10 wraps the type of what defaults to None in Optional, around what it is annotated
    with, where Typer does not look.
    """
    hints = get_type_hints(run, include_extras=True)
    for name, hint in hints.items():
        written = [kind for kind in get_args(hint) if get_origin(kind) is Annotated]
        if get_origin(hint) is Union and written:
            hints[name] = written[0]
    return hints


def _unwrap(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """A type and what it is annotated with."""
    if get_origin(hint) is not Annotated:
        return hint, ()
    kind, *extras = get_args(hint)
    return kind, tuple(extras)


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
        kind, (info,) = _unwrap(hint)
        info = copy.copy(info)
        info.help = said.get(name, info.help)
        options.append(
            parameter.replace(
                name=name,
                default=getattr(parameter.default, name),
                annotation=Annotated[kind, info],
            )
        )
    return options


def _depending(option: inspect.Parameter, table: Table) -> inspect.Parameter:
    """An option without a default of its own, whose help names those of the table."""
    kind, (info,) = _unwrap(option.annotation)
    info = copy.copy(info)
    if "Default:" not in info.help:
        info.help += f" Default: {_defaults(option.name, table)}."
    return option.replace(default=None, annotation=Annotated[Optional[kind], info])  # noqa: UP045


def _defaults(name: str, table: Table) -> str:
    """What an option's value is when it is not given, in words."""
    values = {key: defaults[name] for key, defaults in table.items()}
    words = {
        key: {True: "yes", False: "no"}[v] if v is True or v is False else str(v)
        for key, v in values.items()
    }
    if len(set(words.values())) == 1:
        return next(iter(words.values()))
    return ", ".join(f"{word} ({key.value})" for key, word in words.items())
