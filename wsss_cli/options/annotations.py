"""What an option is annotated with: its type, its Typer option, and marks of our own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints


@dataclass(frozen=True)
class Default:
    """Mark of a command's option that is None where it is not given, so that this can be told.

    Options of a card have their defaults in `usual`, which may be `Due` ones.

    Attributes:
        value: what it then stands for, for --help; a mapping gives it by another option's values.
    """

    value: Any

    @property
    def said(self) -> str | None:
        """In words."""
        return in_words(self.value if isinstance(self.value, Mapping) else {"": self.value})


def with_default(text: str, said: str | None) -> str:
    """An option's help and its default, unless there is none to tell or the help tells it."""
    return text if said is None or "Default:" in text else f"{text} Default: {said}."


def hints(run: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of a function's parameters, as they are written.

    Python 3.10 wraps the type of what defaults to None in Optional, around what it is annotated
    with, where Typer does not look.
    """
    found = get_type_hints(run, include_extras=True)
    for name, hint in found.items():
        written = [kind for kind in get_args(hint) if get_origin(kind) is Annotated]
        if get_origin(hint) is Union and written:
            found[name] = written[0]
    return found


def annotated(hint: Any) -> tuple[Any, Any]:
    """A field's type without its Typer option, and that option."""
    kind, *extras = get_args(hint)
    return kind, next(one for one in extras if hasattr(one, "param_decls"))


def marks(hint: Any) -> tuple[Any, ...]:
    """What a field's type is annotated with beside its Typer option."""
    return tuple(one for one in get_args(hint)[1:] if not hasattr(one, "param_decls"))


def with_marks(kind: Any, info: Any, kept: tuple[Any, ...]) -> Any:
    """A type annotated with a Typer option and `marks`."""
    hint: Any = Annotated[kind, info]
    for mark in kept:
        hint = Annotated[hint, mark]
    return hint


def in_words(values: Mapping[Any, Any]) -> str | None:
    """What an option is when it is not given, in words; None where there is nothing to say.

    Args:
        values: by method.
    """

    def word(value: Any) -> str:
        if isinstance(value, bool):
            return "yes" if value else "no"
        return str(getattr(value, "value", value))

    words = {str(getattr(key, "value", key)): word(value) for key, value in values.items()}
    if len(set(words.values())) == 1:
        only = next(iter(words.values()))
        return None if only == "None" else only
    by_value: dict[str, list[str]] = {}
    for key, said in words.items():
        by_value.setdefault("none" if said == "None" else said, []).append(key)
    return ", ".join(f"{said} ({', '.join(keys)})" for said, keys in by_value.items())


def spelled_as(name: str, info: Any) -> str:
    """An option's parameter as it is typed."""
    names = [info.default, *(info.param_decls or ())]  # the first name stands in default's place
    own = [text for text in names if isinstance(text, str) and text.startswith("--")]
    return own[0].split("/")[0] if own else typed(name)


def typed(name: str) -> str:
    return f"--{name.replace('_', '-')}"
