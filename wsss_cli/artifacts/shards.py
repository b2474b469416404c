"""Which part of a run's images one process takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import UsageError


@dataclass(frozen=True)
class Shard:
    """Shard `index` of `count`, counted from 1."""

    index: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read "I/N".

        Raises:
            UsageError: not two whole numbers with 1 <= I <= N.
        """
        index, _, count = text.partition("/")
        if not (index.isascii() and index.isdigit() and count.isascii() and count.isdigit()):
            raise UsageError(f"--shard {text}: needs I/N, such as 2/4")
        shard = cls(int(index), int(count))
        if not 1 <= shard.index <= shard.count:
            raise UsageError(f"--shard {text}: I must lie in 1..N")
        return shard

    def take(self, ids: Sequence[str]) -> list[str]:
        """Every Nth of the sorted ids, starting at the Ith."""
        return sorted(ids)[self.index - 1 :: self.count]

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"
