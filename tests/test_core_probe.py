"""The linear probe against its optimality conditions and its limits."""

import numpy as np
import pytest
import torch

from wsss_cli.core.probe import linear_probe


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
