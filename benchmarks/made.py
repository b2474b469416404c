"""Pictures and maps for the benchmarks, made by rule: no file outside the repository is needed."""

from __future__ import annotations

import io

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from wsss_cli.formats.demo_scenes import SIDES as SCENE_SIDES
from wsss_cli.formats.demo_scenes import draw_scene

SIZE = 375, 500  # of a photograph of PASCAL VOC


def noise(channels: int, size: tuple[int, int], cells: int, rng: np.random.Generator) -> Tensor:
    """(channels, H, W) normal noise that varies over about `cells` pixels."""
    h, w = -(-size[0] // cells) + 1, -(-size[1] // cells) + 1
    coarse = torch.from_numpy(rng.standard_normal((1, channels, h, w)).astype(np.float32))
    return F.interpolate(coarse, size=size, mode="bicubic", align_corners=False)[0]


def photograph(seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """(H, W, 3) uint8 with the spectrum of photographs: octaves of noise, finer ones fainter."""
    rng = np.random.default_rng(seed)
    total = torch.zeros(3, *size)
    for octave in range(8):
        cells = 2**octave
        strength = 5.0 * cells**0.6
        total += strength * (0.8 * noise(1, size, cells, rng) + 0.2 * noise(3, size, cells, rng))
    pixels = (128 + total).clamp(0, 255).byte()
    return pixels.permute(1, 2, 0).contiguous().numpy()


def sheet(seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """(H, W, 3) uint8 covered with the demo's drawn scenes, so with objects of all its classes."""
    rng = np.random.default_rng([seed, 1])
    pixels = np.zeros((*size, 3), np.uint8)
    side = SCENE_SIDES[0]  # no scene is smaller
    for top in range(0, size[0], side):
        for left in range(0, size[1], side):
            part = pixels[top : top + side, left : left + side]
            part[:] = draw_scene(rng)[0][: part.shape[0], : part.shape[1]]
    return pixels


def jpeg(image: np.ndarray, quality: int = 90) -> bytes:
    """Encoded as cameras do; a photograph of `SIZE` takes about 90 kB, as VOC's do."""
    out = io.BytesIO()
    Image.fromarray(image).save(out, "JPEG", quality=quality)
    return out.getvalue()


def class_maps(k: int, size: tuple[int, int], seed: int) -> Tensor:
    """(k, H, W) in [0, 1] like those of a ResNet-50 on photographs, which fewer cells than a
    tenth leave at 0: what it sees at stride 16 in an image twice as large, enlarged."""
    rng = np.random.default_rng(seed)
    cells = -(-size[0] // 8), -(-size[1] // 8)
    fields = noise(k, cells, 12, rng) + 0.25 * noise(k, cells, 2, rng) + 1.5
    large = F.interpolate(fields[None].relu(), size=size, mode="bilinear", align_corners=False)[0]
    return large / (large.amax(dim=(1, 2), keepdim=True) + 1e-5)


def truth(classes: np.ndarray, maps: Tensor, seed: int) -> np.ndarray:
    """(H, W) uint8 mask that roughly follows the maps, with a void seam."""
    rng = np.random.default_rng(seed)
    size = maps.shape[1], maps.shape[2]
    scores = maps + 0.1 * noise(len(maps), size, 40, rng)
    strongest, which = scores.max(0)
    label = torch.from_numpy(classes.astype(np.uint8) + 1)[which]
    label[strongest < 0.5] = 0
    label[(strongest - 0.5).abs() < 0.02] = 255
    return label.numpy()
