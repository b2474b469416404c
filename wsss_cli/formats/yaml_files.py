"""YAML files: plain values alone, as text, and no references that could unfold into more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import WsssError
from .lists import read_text

MOST = 1 << 20  # letters


def read_yaml(path: Path) -> Any:
    """What a YAML file holds: mappings, lists, and text for all else, as it is written.

    So `no` is a name and no truth value; nothing stands for null but empty text, `~` and `null`.

    Raises:
        WsssError: missing, unreadable, larger than `MOST`, no YAML, or with aliases, which a small
            file could unfold with into more than memory holds, or a key that stands twice.
    """
    import yaml

    class Plain(yaml.BaseLoader):
        """A loader of text, lists and mappings."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise ValueError("it holds an alias (*), which is not read")
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            keys = [key.value for key, _ in node.value if isinstance(key.value, str)]
            twice = [key for place, key in enumerate(keys) if key in set(keys[:place])]
            if twice:
                raise ValueError(f"the key {ascii(twice[0])[:80]} stands twice")
            return super().construct_mapping(node, deep)

    text = read_text(path)
    if len(text) > MOST:
        raise WsssError(f"{path}: is larger than files of this kind are", "is it another file?")
    try:
        return yaml.load(text, Plain)
    except RecursionError:
        raise WsssError(f"{path}: not YAML (nested too deeply)") from None
    except (yaml.YAMLError, ValueError, TypeError) as err:
        said = " ".join(str(getattr(err, "problem", None) or err).split())
        mark = getattr(err, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        raise WsssError(f"{path}: not YAML that is read ({said[:200]}{where})") from None


def said(value: Any) -> str | None:
    """A text of a YAML file; None where nothing is said.

    >>> said("~"), said("a")
    (None, 'a')
    """
    return value if isinstance(value, str) and value not in ("", "~", "null", "None") else None
