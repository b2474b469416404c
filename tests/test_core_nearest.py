"""Assignment by mean similarity against plain loops in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from wsss_cli.core.nearest import NearestParams, assign_nearest, mean_similarity, sure_cells
from wsss_cli.core.pseudo import regrid


def by_loops(features: np.ndarray, labels: np.ndarray, n: int, beta: float) -> np.ndarray:
    """Every unsure cell against every sure one."""
    depth, h, w = features.shape
    cells = [(y, x) for y in range(h) for x in range(w)]
    shares = np.zeros((n, h, w))
    for p in cells:
        if labels[p] != 255:
            shares[(labels[p], *p)] = 1
            continue
        for label in range(n):
            alike = []
            for q in cells:
                if labels[q] == label:
                    gaps = [abs(features[(d, *p)] - features[(d, *q)]) for d in range(depth)]
                    alike.append(math.exp(-sum(gaps) / depth) ** beta)
            if alike:
                shares[(label, *p)] = sum(alike) / len(alike)
        shares[(slice(None), *p)] /= shares[(slice(None), *p)].sum()
    return shares


def scene(seed: int = 0, n: int = 3) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    features = torch.from_numpy(rng.normal(size=(6, 5, 7)))
    labels = torch.from_numpy(rng.choice([*range(n), 255, 255, 255], (5, 7)).astype(np.uint8))
    return features, labels


@pytest.mark.parametrize("beta", [0, 1, 8])
@pytest.mark.parametrize("at_once", [1, 40, 1 << 20])
def test_as_plain_loops(beta: float, at_once: int) -> None:
    features, labels = scene()
    expected = by_loops(features.numpy(), labels.numpy(), 4, beta)
    found = mean_similarity(features, labels, 4, beta, at_once)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert not found[3].any()  # no sure cells
    single = mean_similarity(features.float(), labels, 4, beta, at_once)
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single, expected, rtol=1e-4, atol=1e-7)


def test_shares_sum_to_1_and_sure_cells_keep_their_label() -> None:
    features, labels = scene(seed=1)
    for beta in (1.0, 1e4):  # the second underflows without care
        found = mean_similarity(features, labels, 3, beta)
        torch.testing.assert_close(found.sum(0), torch.ones(5, 7, dtype=torch.float64))
        assert found.min() >= 0
        sure = labels != 255
        assert torch.equal(found.argmax(0)[sure], labels[sure].long())


def test_large_beta_is_the_nearest_cell() -> None:
    features, labels = scene(seed=2)
    found = mean_similarity(features, labels, 3, 1e6).argmax(0)
    flat, label = features.flatten(1).T, labels.flatten()
    distance = torch.cdist(flat, flat[label != 255], p=1)
    expected = label[label != 255][distance.argmin(1)].view(5, 7)
    assert torch.equal(found, expected.long())


def test_only_features_count_and_labels_permute() -> None:
    features, labels = scene(seed=3)
    order = torch.randperm(35, generator=torch.Generator().manual_seed(0))
    found = mean_similarity(features, labels, 3)
    moved = mean_similarity(
        features.flatten(1)[:, order].view(6, 5, 7), labels.flatten()[order].view(5, 7), 3
    )
    torch.testing.assert_close(moved.flatten(1), found.flatten(1)[:, order])
    swap = torch.tensor([1, 2, 0, *range(3, 255), 255], dtype=torch.uint8)
    turned = mean_similarity(features, swap[labels.long()], 3)
    torch.testing.assert_close(turned[[1, 2, 0]], found)


def test_alike_features_say_nothing_and_one_label_takes_all() -> None:
    labels = scene(seed=4)[1]
    found = mean_similarity(torch.ones(6, 5, 7), labels, 3)
    unsure = labels == 255
    torch.testing.assert_close(found[:, unsure], torch.full((3, int(unsure.sum())), 1 / 3))
    alone = torch.where(labels == 2, labels, torch.full_like(labels, 255))
    assert bool((mean_similarity(scene()[0], alone, 3)[2] == 1).all())
    nothing = mean_similarity(scene()[0], torch.full_like(labels, 255), 3)
    assert bool((nothing[0] == 1).all())
    assert not nothing[1:].any()


def test_what_is_sure() -> None:
    cam = torch.tensor([[[0.3, 0.29, 0.04, 0.05]], [[0.1, 0.2, 0.0, 0.03]]])
    params = NearestParams(0.3, 0.05)
    # the second class is sure nowhere: its strongest cell counts; 0.05 is not below 0.05
    assert sure_cells(cam, params).tolist() == [[1, 2, 0, 255]]
    assert sure_cells(torch.zeros(2, 1, 3), params).tolist() == [[0, 0, 0]]
    assert sure_cells(torch.zeros(1, 1, 3), NearestParams(0, 0)).tolist() == [[255] * 3]


def sure_by_loops(cam: list[list[float]], fg: float, bg: float) -> list[int]:
    """Sure cells of K maps of n cells, one class and one cell at a time."""
    cells = range(len(cam[0]))
    found = []
    for cell in cells:
        scores = [one[cell] for one in cam]
        top = max(scores)
        sure = top >= fg and top > 0
        found.append(scores.index(top) + 1 if sure else 0 if top < bg else 255)
    for k in sorted(range(len(cam)), key=lambda k: -max(cam[k])):
        if k + 1 in found or max(cam[k]) == 0:
            continue

        def wish(cell: int, scores: list[float] = cam[k]) -> tuple[bool, bool, float, int]:
            return (scores[cell] > 0, found[cell] in (0, 255), scores[cell], -cell)

        open_to_it = [c for c in cells if found[c] in (0, 255) or found.count(found[c]) > 1]
        if open_to_it:
            found[max(open_to_it, key=wish)] = k + 1
    return found


@given(st.data(), st.integers(1, 5), st.integers(1, 3), st.integers(1, 3), st.booleans())
def test_no_class_that_responds_is_lost(
    data: st.DataObject, k: int, h: int, w: int, ties: bool
) -> None:
    one = st.integers(0, 4).map(lambda v: v / 4) if ties else st.floats(0, 1, width=32)
    maps = data.draw(
        st.lists(st.lists(one, min_size=h * w, max_size=h * w), min_size=k, max_size=k)
    )
    cam = torch.tensor(maps).view(k, h, w)
    label = sure_cells(cam, NearestParams(0.3, 0.05)).flatten().tolist()
    assert label == sure_by_loops(maps, 0.3, 0.05)
    responding = {i + 1 for i in range(k) if max(maps[i]) > 0}
    kept = set(label) - {0, 255}
    assert kept <= responding
    assert len(kept) == min(len(responding), h * w)


def test_a_class_takes_no_other_class_s_last_cell() -> None:
    params = NearestParams(0.3, 0.05)
    for maps, expected in (
        ([[0.9, 0.1, 0], [0.25, 0.1, 0]], [1, 2, 0]),
        ([[0.25, 0.1, 0], [0.9, 0.1, 0]], [2, 1, 0]),
        ([[0.9, 0.1, 0.04], [0.2, 0, 0.03], [0.1, 0.05, 0.01]], [1, 3, 2]),
        ([[0.9, 0.8, 0.1], [0.5, 0.1, 0.06]], [1, 1, 2]),  # its strongest that is not taken
        ([[0.9, 0.8, 0], [0.1, 0.2, 0]], [1, 2, 0]),  # of the class that has two
        ([[0.9, 0, 0], [0.2, 0, 0]], [1, 2, 0]),  # nothing else is left
        ([[0.1, 0.05], [0.1, 0.2], [0.2, 0.3]], [2, 3]),  # fewer cells than classes
    ):
        label = sure_cells(torch.tensor(maps)[:, None], params)
        assert label.tolist() == [expected]
    shares = mean_similarity(
        torch.rand(4, 1, 3, generator=torch.Generator().manual_seed(0)),
        sure_cells(torch.tensor([[[0.9, 0.1, 0]], [[0.25, 0.1, 0]]]), params),
        3,
    )
    assert (shares.amax((1, 2)) > 0).all()


def test_from_maps_to_scores() -> None:
    rng = np.random.default_rng(5)
    size, stride = (21, 30), 4
    cam = torch.from_numpy(rng.random((2, 6, 8)).astype(np.float32)) ** 3
    features = torch.from_numpy(rng.normal(size=(4, 4, 5)).astype(np.float32))  # of a padded image
    params = NearestParams(0.4, 0.1, 2)
    found = assign_nearest(cam, features, size, stride, params=params)
    labels = sure_cells(regrid(cam, size, stride, 8), params)
    expected = by_loops(features[:, :3, :4].double().numpy(), labels.numpy(), 3, 2)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)
    assert torch.equal(
        assign_nearest(cam, features, size, stride),
        assign_nearest(cam, features, size, stride, params=NearestParams(0.3, 0.05, 1)),
    )


@pytest.mark.parametrize(
    "change", [{"fg": 0.01}, {"bg": -0.1}, {"fg": 1.1}, {"beta": -1}, {"beta": math.nan}]
)
def test_what_is_no_setting(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"bg|beta"):
        NearestParams(**change)
