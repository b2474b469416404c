"""How the images of a step are dealt out, and dropout that is the same however so."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from wsss_cli.training.shares import SharedDropout, Shares, span


def test_shares_cover_every_batch_once() -> None:
    batch = [(0, index) for index in range(11)]
    for parts, world in ((1, 1), (1, 4), (3, 2), (2, 5)):
        ranks = [Shares(11, parts, world, rank) for rank in range(world)]
        dealt = [list(shares.deal([batch])) for shares in ranks]
        in_parts = [[key for keys in part for key in keys] for part in zip(*dealt, strict=True)]
        assert [key for part in in_parts for key in part] == batch
        for shares, keys in zip(ranks, dealt, strict=True):
            for number, part in enumerate(keys):
                first, count = shares.place(number)
                assert in_parts[number][first : first + len(part)] == part
                assert count == len(in_parts[number])
    assert [span(2, 4, part) for part in range(4)] == [(0, 0), (0, 1), (1, 1), (1, 2)]


@pytest.mark.parametrize("shape", [(4,), (4, 3, 3)])
def test_a_dropout_shared_by_three_drops_what_one_drops(shape: tuple[int, ...]) -> None:
    x = torch.randn(7, *shape)
    if len(shape) == 3:
        x = x.contiguous(memory_format=torch.channels_last)
    torch.manual_seed(3)
    expected = nn.Dropout(0.4)(x)
    found = []
    for rank in range(3):
        shares = Shares(7, 1, 3, rank)
        dropout = SharedDropout(nn.Dropout(0.4), shares)
        torch.manual_seed(3)
        found.append(dropout(x[slice(*span(7, 3, rank))]))
        assert torch.equal(dropout.eval()(x), x)
    assert torch.equal(torch.cat(found), expected)


def test_shares_by_hand() -> None:
    """Seven images in two parts, for two processes: 3 and 4, of which each takes half."""
    batch = [(0, index) for index in range(7)]
    first, second = (Shares(7, 2, 2, rank) for rank in (0, 1))
    indices = [[[i for _, i in part] for part in s.deal([batch])] for s in (first, second)]
    assert indices == [[[0], [3, 4]], [[1, 2], [5, 6]]]
    assert [first.place(part) for part in (0, 1)] == [(0, 3), (0, 4)]
    assert [second.place(part) for part in (0, 1)] == [(1, 3), (2, 4)]


def test_each_part_drops_by_its_own_draw_and_keeps_the_memory_format() -> None:
    dropout = SharedDropout(nn.Dropout(0.5), Shares(6, 2, 1, 0))
    x = torch.ones(3, 8, 2, 2).contiguous(memory_format=torch.channels_last)
    torch.manual_seed(0)
    found = dropout(x)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert set(found.unique().tolist()) == {0.0, 2.0}
    dropout.part = 1
    assert not torch.equal(dropout(x), found)
