"""A look at batches gives something of each image, in order, and says when memory lacks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from wsss_cli.errors import WsssError
from wsss_cli.inference.views import looked_at, network_inputs, network_pass, view_copies
from wsss_cli.machine.place import Place


class Seen(NamedTuple):
    copies: list[Tensor]


FULL, EMPTY = Seen([torch.zeros(3, 2, 2, dtype=torch.uint8)]), Seen([])
Batch = Sequence[tuple[str, Seen]]


def test_images_keep_their_order_and_those_without_copies_are_not_looked_at() -> None:
    shown: list[list[str]] = []

    def look(batch: Batch) -> list[str]:
        shown.append([image_id for image_id, _ in batch])
        return [image_id.upper() for image_id, _ in batch]

    batches = [[("a", EMPTY), ("b", FULL), ("c", FULL)], [("d", EMPTY)], [("e", FULL)]]
    found = list(looked_at(batches, look))
    assert [(image_id, made) for image_id, _, made in found] == [
        ("a", None),
        ("b", "B"),
        ("c", "C"),
        ("d", None),
        ("e", "E"),
    ]
    assert [seen for _, seen, _ in found] == [EMPTY, FULL, FULL, EMPTY, FULL]
    assert shown == [["b", "c"], ["e"]]


def test_batches_are_looked_at_one_at_a_time() -> None:
    looked: list[str] = []

    def look(batch: Batch) -> list[str]:
        looked.extend(image_id for image_id, _ in batch)
        return looked[-len(batch) :]

    found = looked_at([[("a", FULL)], [("b", FULL)]], look)
    next(found)
    assert looked == ["a"]


@pytest.mark.parametrize(
    ("ids", "line", "hint"),
    [
        ("a", "a: not enough memory for it", "a lower --max-side"),
        ("ab", "a: not enough memory for it and 1 more at once", "a lower --batch-size"),
    ],
)
def test_a_lack_of_memory_names_the_image(ids: str, line: str, hint: str) -> None:
    def look(batch: Batch) -> list[Any]:
        raise RuntimeError("CUDA out of memory")

    with pytest.raises(WsssError) as caught:
        list(looked_at([[(image_id, FULL) for image_id in ids]], look))
    assert str(caught.value) == line
    assert str(caught.value.hint).startswith(hint)


def test_other_errors_are_bugs() -> None:
    def look(batch: Batch) -> list[Any]:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        list(looked_at([[("a", FULL)]], look))


def test_copies_become_one_normalised_batch_a_scale() -> None:
    image = np.full((8, 12, 3), 124, np.uint8)
    copies = view_copies(image, (1, 0.5), 0)
    assert [(one.shape, one.dtype) for one in copies] == [
        ((3, 8, 12), torch.uint8),
        ((3, 4, 6), torch.uint8),
    ]
    inputs = network_inputs([Seen(copies), Seen(copies)])
    assert [one.shape for one in inputs] == [(2, 3, 8, 12), (2, 3, 4, 6)]
    assert inputs[0][:, 0].abs().max() < 0.01  # 124 is nearly ImageNet's mean of red


def test_a_pass_learns_nothing() -> None:
    weight = torch.ones(1, requires_grad=True)
    with network_pass(Place(torch.device("cpu"))):
        assert not (weight * 2).requires_grad
