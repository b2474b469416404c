"""Maps from a network's features and the gradient of a class's score: Grad-CAM and its kin.

With A_k(p) feature k at cell p, g_k(p) the derivative of the class's score by it, and Z cells:

- gradcam: ReLU(sum_k (sum_p g_k(p)) A_k).
- gradcam++: ReLU(sum_k (sum_p a_k(p) ReLU(Z g_k(p))) A_k) / Z
  with a_k = 1 / (2 + sum_q A_k(q) g_k(p)).
- layercam: ReLU(Z sum_k ReLU(g_k(p)) A_k(p)).

Each is Z times the published form (whose Grad-CAM averages over cells), or free of it: a gradient
through average pooling is 1 / Z of a weight, so views of several sizes weigh the same, and
Grad-CAM of a head of pooling and one linear layer is CAM.
"""

from __future__ import annotations

from torch import Tensor

METHODS = ("gradcam", "gradcam++", "layercam")


def gradient_maps(features: Tensor, gradients: Tensor, method: str) -> Tensor:
    """The maps of one class.

    Args:
        features: (B, D, h, w) float.
        gradients: the same, of the class's score by each feature of its image.
        method: one of `METHODS`.

    Returns:
        (B, h, w) >= 0 of the same dtype.

    Raises:
        ValueError: an unknown method, or shapes that differ.

    Source: Selvaraju et al., ICCV 2017; Chattopadhay et al., WACV 2018 (Grad-CAM++), with the
    score itself, as code has it, where the paper takes its exponential; Jiang et al., TIP 2021
    (LayerCAM).
    """
    if method not in METHODS:
        raise ValueError(f"method {method!r}: one of {', '.join(METHODS)}")
    if features.shape != gradients.shape or features.dim() != 4:
        raise ValueError(f"gradients {tuple(gradients.shape)} of features {tuple(features.shape)}")
    if method == "layercam":
        cells = features.shape[-2] * features.shape[-1]
        return (gradients.relu() * features).sum(dim=1).mul_(cells).relu_()
    if method == "gradcam":
        weights = gradients.sum(dim=(2, 3), keepdim=True)
    else:
        weights = _plus_plus(features, gradients)
    return (weights * features).sum(dim=1).relu_()


def _plus_plus(features: Tensor, gradients: Tensor) -> Tensor:
    """(B, D, 1, 1) weights of Grad-CAM++.

    a = g^2 / (2 g^2 + sum A g^3) is 1 / (2 + sum A g) where g is not 0, which spares the small
    constant of published code: beside squares of gradients it would not be small. Only g > 0
    counts. The derivation takes features that are rectified. Of others the sum may be negative, and
    published code then divides by what passes through 0: one feature near there outweighs all
    others, and gradients larger by 1 % give another map. Here such a sum counts as 0.

    >>> import torch
    >>> features = torch.tensor([1.0, -2.01]).view(1, 2, 1, 1)
    >>> _plus_plus(features, torch.ones(1, 2, 1, 1)).flatten()  # 1 / (2 - 2.01) would be -100
    tensor([0.3333, 0.5000])
    """
    positive = gradients.relu()
    total = features.sum(dim=(2, 3), keepdim=True).relu()
    return (positive / (2 + total * positive)).sum(dim=(2, 3), keepdim=True)
