"""The linear probe against its optimality conditions and its limits."""

import numpy as np
import pytest
import torch

from wsss_cli.core.probe import linear_probe, pixel_probe
from wsss_cli.core.tags import NOT_SAID


@pytest.fixture
def images() -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(0)
    features = rng.normal(2, [1, 5, 0.1, 2, 1], (60, 5))
    tags = np.stack([features[:, 1] > 4, features[:, 2] > 2.05, np.zeros(60)], 1)
    return torch.tensor(features), torch.tensor(tags, dtype=torch.float64)


@pytest.mark.parametrize("decay", [0.01, 0.3])
def test_gradient_vanishes_at_the_weights(images, decay):
    """Brute force, class by class: d loss / d v = mean((sigmoid(z) - y) x) / C + decay v / C."""
    features, tags = images
    x = (features - features.mean(0)).numpy()
    spread = np.sqrt((x**2).mean(0))
    x = x / spread
    for weights, y in zip(
        linear_probe(features, tags, decay).double().numpy(), tags.T.numpy(), strict=True
    ):
        v = weights * spread
        gradient = ((1 / (1 + np.exp(-x @ v)) - y)[:, None] * x).mean(0) + decay * v
        assert np.abs(gradient).max() < 1e-6


@pytest.mark.parametrize("decay", [0.01, 0.3])
def test_only_tags_that_are_said_count(images, decay):
    """The same conditions, of a plain loop over the pairs of image and class that are said."""
    features, tags = images
    hidden = torch.tensor(np.random.default_rng(1).random(tags.shape) < 0.4)
    hidden[:, 2] = True
    x = (features - features.mean(0)).numpy()
    spread = np.sqrt((x**2).mean(0))
    x = x / spread
    found = linear_probe(features, tags.masked_fill(hidden, NOT_SAID), decay).double().numpy()
    v = found * spread
    gradient = decay / 3 * v
    for c in range(2):
        own = [n for n in range(len(x)) if not hidden[n, c]]
        centred = x - x[own].mean(0)
        for n in own:
            slope = 1 / (1 + np.exp(-centred[n] @ v[c])) - float(tags[n, c])
            gradient[c] += slope * centred[n] / int((~hidden).sum())
    assert np.abs(gradient).max() < 1e-6
    assert (found[2] == 0).all()


def test_classes_are_told_apart_by_the_features_that_tell(images):
    weights = linear_probe(*images, 0.01)
    spread = images[0].std(0).float()
    assert (weights * spread)[0].abs().argmax() == 1
    assert (weights * spread)[1].abs().argmax() == 2
    assert weights[2].abs().max() < 1e-6  # a class of no image


def test_units_of_a_feature_change_no_score(images):
    features, tags = images
    scale = torch.tensor([1, 10, 0.5, 3, 7.0])
    plain = features.float() @ linear_probe(features, tags, 0.1).T
    scaled = (features * scale).float() @ linear_probe(features * scale, tags, 0.1).T
    assert torch.allclose(plain, scaled, atol=1e-4)


def test_large_decay_gives_differences_of_means(images):
    features, tags = images
    weights = linear_probe(features, tags, 1e4).double()[:2]
    x = features - features.mean(0)
    means = torch.stack([(x * tags[:, [c]]).mean(0) for c in range(2)]) / x.pow(2).mean(0)
    assert torch.allclose(
        torch.nn.functional.cosine_similarity(weights, means), torch.ones(2).double()
    )


def test_constant_features_are_harmless(images):
    features, tags = images
    features[:, 3] = 5
    assert linear_probe(features, tags, 0.1)[:, 3].abs().max() == 0
    assert linear_probe(torch.ones(4, 2), torch.eye(4)[:, :2], 0.1).abs().max() == 0


@pytest.mark.parametrize(
    ("features", "tags", "decay", "text"),
    [
        (torch.ones(3, 2), torch.ones(2, 2), 0.1, "tags"),
        (torch.ones(0, 2), torch.ones(0, 2), 0.1, "features"),
        (torch.full((3, 2), torch.nan), torch.ones(3, 2), 0.1, "finite"),
        (torch.ones(3, 2), torch.ones(3, 2), 0.0, "above 0"),
    ],
)
def test_refuses_what_makes_no_probe(features, tags, decay, text):
    with pytest.raises(ValueError, match=text):
        linear_probe(features, tags, decay)


@pytest.fixture
def cells() -> tuple[torch.Tensor, torch.Tensor]:
    """Of labels 1 and 3, where label 3 has more of feature 2, and of label 4."""
    rng = np.random.default_rng(1)
    labels = rng.choice([1, 3, 4], 90)
    features = rng.normal(2, [1, 5, 0.1, 2], (90, 4))
    features[labels == 3, 2] += 0.15
    return torch.tensor(features), torch.tensor(labels)


def test_gradient_of_cells_vanishes_at_the_weights(cells):
    """Brute force: dl / dv = mean((p - y) x') + decay v / L, dl / db = mean(p - y)."""
    features, labels = cells
    weights, biases = (part.double().numpy() for part in pixel_probe(features, labels, 6, 0.05))
    x = features.numpy()
    held = [1, 3, 4]
    z = x @ weights[held].T + biases[held]
    p = np.exp(z - z.max(1, keepdims=True))
    off = p / p.sum(1, keepdims=True) - (labels.numpy()[:, None] == held)
    mean, spread = x.mean(0), x.std(0)
    gradient = off.T @ ((x - mean) / spread) / len(x) + 0.05 * (weights[held] * spread) / 3
    assert np.abs(gradient).max() < 1e-6
    assert np.abs(off.mean(0)).max() < 1e-6


def test_labels_of_no_cell_are_never_likelier_than_the_rest(cells):
    features, labels = cells
    weights, biases = pixel_probe(features, labels, 6, 0.05)
    for label in (0, 2, 5):
        assert weights[label].abs().max() == 0
        assert biases[label] == biases[[1, 3, 4]].min()
    z = features.float() @ weights[[1, 3]].T
    assert weights[3, 2] > weights[1, 2]
    assert z.isfinite().all()


def test_one_label_is_no_question(cells):
    weights, biases = pixel_probe(cells[0], torch.full((90,), 2), 3, 0.1)
    assert weights.abs().max() == 0
    assert biases.abs().max() == 0


@pytest.mark.parametrize(
    ("features", "labels", "decay", "text"),
    [
        (torch.ones(3, 2), torch.ones(2).long(), 0.1, "labels"),
        (torch.ones(0, 2), torch.ones(0).long(), 0.1, "features"),
        (torch.ones(2, 2), torch.tensor([0, 3]), 0.1, "0..2"),
        (torch.ones(2, 2), torch.tensor([-1, 0]), 0.1, "0..2"),
        (torch.full((2, 2), torch.inf), torch.tensor([0, 1]), 0.1, "finite"),
        (torch.ones(2, 2), torch.tensor([0, 1]), 0.0, "above 0"),
    ],
)
def test_refuses_cells_that_make_no_probe(features, labels, decay, text):
    with pytest.raises(ValueError, match=text):
        pixel_probe(features, labels, 3, decay)
