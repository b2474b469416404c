"""The state dict in a checkpoint, whatever the program that saved it put around it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

AVERAGED = ("ema", "swa", "average", "teacher")  # in the names of entries that come second
DEPTH = 2  # levels of a checkpoint that are searched


@dataclass(frozen=True)
class State:
    """Tensors by a network's own names, and how they were found.

    Attributes:
        tensors: those below the prefix, without it, and those of a head that lay elsewhere.
        entry: of the checkpoint, "" for the file itself.
        prefix: what was taken off the names; "" for nothing.
        head: what was taken off the names of a head that lay elsewhere.
        others: names of entries that would do as well.
        left: tensors that were left out, by their names in the file.
    """

    tensors: dict[str, Tensor] = field(repr=False)
    entry: str = ""
    prefix: str = ""
    head: str = ""
    others: tuple[str, ...] = ()
    left: Mapping[str, Tensor] = field(default_factory=dict, repr=False)

    @property
    def said(self) -> str:
        """What was done, in a line; "" where a plain state dict was taken as it is."""
        parts = [f"its {self.entry!r} is read"] if self.entry else []
        if self.others:
            parts[0] += f", not {' or '.join(map(repr, self.others))}"
        taken = " and ".join(repr(one) for one in (self.prefix, self.head) if one)
        parts += [f"{taken} taken off the names"] if taken else []
        if self.left:
            parts.append(f"{len(self.left)} tensors left out, first {next(iter(self.left))}")
        return "; ".join(parts)

    @property
    def everything(self) -> dict[str, Tensor]:
        """All tensors, those that were left out by their names in the file."""
        return {**self.left, **self.tensors}


def find_state(found: Any, wanted: Collection[str]) -> State:
    """Find a network's tensors in what a file holds.

    They may lie in an entry, such as 'state_dict' or 'model', and their names may begin with what
    wrappers put there, such as 'module.' or 'model.backbone.'. Entry and prefix are those under
    which most of the wanted names are. A head may have a prefix of its own.

    Args:
        found: what `torch.load` gave.
        wanted: the network's names.

    Raises:
        ValueError: there is no state dict, or the network is in it twice.
    """
    entries = list(_entries(found))
    if not entries:
        raise ValueError("holds no state dict")
    counts = [(entry, tensors, _prefixes(tensors, wanted)) for entry, tensors in entries]
    most = max(max(prefixes.values(), default=0) for _, _, prefixes in counts)
    equal = [one for one in counts if max(one[2].values(), default=0) == most]
    equal.sort(key=lambda one: any(word in one[0].lower() for word in AVERAGED))
    entry, tensors, prefixes = equal[0]
    if not most:  # another network's; what does not fit is said when it is loaded
        return State(dict(tensors), entry)
    best = [prefix for prefix, count in prefixes.items() if count == most]
    if len(best) > 1:
        listed = " and ".join(repr(prefix) for prefix in sorted(best)[:2])
        raise ValueError(f"holds the network more than once: under {listed}")
    others = tuple(name for name, _, _ in equal[1:])
    return _below(tensors, wanted, entry, best[0], others)


def _below(
    tensors: Mapping[str, Tensor],
    wanted: Collection[str],
    entry: str,
    prefix: str,
    others: tuple[str, ...],
) -> State:
    start = len(prefix)
    taken = {name[start:]: value for name, value in tensors.items() if name.startswith(prefix)}
    rest = {name: value for name, value in tensors.items() if not name.startswith(prefix)}
    lacking = {name for name in wanted if name not in taken and not name.endswith("_tracked")}
    heads = [one for one, count in _prefixes(rest, lacking).items() if count == len(lacking)]
    head = heads[0] if lacking and len(heads) == 1 else ""
    if head:
        taken |= {name: rest.pop(head + name) for name in lacking}
    return State(taken, entry, prefix, head, others, rest)


def _entries(found: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """State dicts and the entries where they are; the file's own first."""
    if not isinstance(found, Mapping):
        return
    tensors = {k: v for k, v in found.items() if isinstance(k, str) and isinstance(v, Tensor)}
    if tensors:
        yield name, tensors
    for key, value in found.items() if depth < DEPTH else ():
        if isinstance(key, str):
            yield from _entries(value, f"{name}.{key}" if name else key, depth + 1)


def _prefixes(names: Collection[str], wanted: Collection[str]) -> Counter[str]:
    """How many of the wanted names are there under each prefix."""
    counts: Counter[str] = Counter()
    for name in names:
        start = 0
        while True:
            if name[start:] in wanted:
                counts[name[:start]] += 1
            start = name.find(".", start) + 1
            if not start:
                break
    return counts
