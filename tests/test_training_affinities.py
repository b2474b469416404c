"""What the methods of train-aff share: pairs of cells, counted, and what weights keep."""

from __future__ import annotations

import itertools

import torch

from wsss_cli.core.affinity import pair_counts
from wsss_cli.core.labels import IGNORE
from wsss_cli.methods.train_aff import CARDS
from wsss_cli.training.affinities import count_cells
from wsss_cli.training.losses import nearest_labels, vote_labels


def test_labels_go_to_cells_and_their_pairs_are_counted() -> None:
    rng = torch.Generator().manual_seed(0)
    label = torch.randint(0, 3, (2, 20, 24), generator=rng).to(torch.uint8)
    label[:, 5:9] = IGNORE
    for to_cells in (nearest_labels, vote_labels):
        cells, counts = count_cells(to_cells, 4, 2, {"label": label})
        assert torch.equal(cells, to_cells(label, 4))
        assert cells.shape == (2, 5, 6)
        assert torch.equal(counts, pair_counts(cells, 2))


def test_counts_of_parts_add_up() -> None:
    rng = torch.Generator().manual_seed(1)
    label = torch.randint(0, 3, (3, 16, 16), generator=rng).to(torch.uint8)
    parts = [count_cells(nearest_labels, 4, 2, {"label": label[i : i + 1]})[1] for i in range(3)]
    whole = count_cells(nearest_labels, 4, 2, {"label": label})[1]
    assert torch.equal(torch.stack(parts).sum(0), whole)


def test_methods_differ_in_name_and_words() -> None:
    for one, other in itertools.combinations(CARDS, 2):
        assert one.name != other.name
        assert one.said != other.said
        assert one.usual.keys() == other.usual.keys()
