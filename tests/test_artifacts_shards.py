"""Parts of a run."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsss_cli.artifacts import Shard
from wsss_cli.errors import UsageError


@given(st.lists(st.text(min_size=1), unique=True), st.integers(1, 6))
def test_shards_part_the_ids(ids: list[str], count: int) -> None:
    parts = [Shard(i, count).take(ids) for i in range(1, count + 1)]
    assert sorted(itertools.chain(*parts)) == sorted(ids)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2", "1/2/3", "", "²/3"])
def test_bad_shards_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--shard"):
        Shard.parse(text)
