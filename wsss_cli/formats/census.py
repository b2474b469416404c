"""How many images each class of a collection has: what `pack` shows before anything is trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from .sample import Sample

SHOWN = 20  # classes that are named; the others are counted


def census(classes: Sequence[str], samples: Iterable[Sample]) -> dict[str, int]:
    """Images of each class, in the order of `classes`; 0 where a class is on none."""
    counted = Counter(tag for sample in samples for tag in sample.tags)
    return {name: counted[name] for name in classes}


def listed(counts: Mapping[str, int]) -> str:
    """Classes with their counts, for one line.

    >>> listed({"cat": 4, "traffic light": 1})
    "'cat' 4, 'traffic light' 1"
    >>> listed({str(number): 1 for number in range(22)})[-13:]
    '1, and 2 more'
    """
    shown = [f"{name!r} {count}" for name, count in list(counts.items())[:SHOWN]]
    rest = [f"and {len(counts) - SHOWN} more"] if len(counts) > SHOWN else []
    return ", ".join(shown + rest)
