"""Plain versions in float64 that several test files compare with."""

from __future__ import annotations


def plain_gwrp(values: list[float], decay: float) -> float:
    total = weight = 0.0
    for rank, value in enumerate(sorted(values, reverse=True)):
        share = decay**rank if rank else 1.0
        total, weight = total + share * value, weight + share
    return total / weight
