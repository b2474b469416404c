"""Small scenes drawn by rule: data to try the whole chain on where there is none.

A class is told by one small part of its objects, the patterned badge; their bodies are plain
blobs whose shapes and colours come from one family for all classes. So a classifier's maps light
up the badges and leave the bodies out, as they light up heads on photographs, while an outline
against the textured ground shows where an object ends.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ..core.images import encode_mask
from .sample import Collection, Sample

CLASSES = ("checks", "cross", "dots", "rings", "stripes")
SIDES = (96, 128)  # least and greatest side of a scene, pixels
OBJECTS = (2, 4)  # least and most objects in a scene
BODY = (0.16, 0.24)  # mean radius of a body, of the scene's shorter side
STRETCH = (1.0, 1.5)  # length over width of a body
WOBBLE = 0.10  # how far outlines leave the ellipse, of the radius
BADGE = 0.65  # radius of the telling part, of the body's mean radius
BADGE_OFFSET = 0.45  # its distance from the body's centre, of the body's half length
FADE = 0.4  # width of the badge's rim where its marks thin out, of the badge's radius
PERIOD = 0.8  # wavelength of the badge's pattern, of the badge's radius
GAP = 2.0  # least number of pixels between two objects
BODY_SHADE = 0.06  # how much a body darkens from one side to the other, of 1
TEXTURE = 0.16  # contrast of the ground's texture, of 1
NOISE = 0.015  # sensor noise over everything, of 1

_MARKS = (  # colour of the badge's marks, by class: told apart by colour and by pattern
    (0.85, 0.10, 0.10),
    (0.10, 0.15, 0.85),
    (0.05, 0.50, 0.10),
    (0.55, 0.05, 0.60),
    (0.05, 0.05, 0.05),
)


@dataclass(frozen=True)
class _Body:
    """An outline: a rotated ellipse whose radius wobbles with the angle."""

    label: int
    centre: tuple[float, float]  # y, x
    radii: tuple[float, float]  # half length, half width
    angle: float
    wobble: tuple[tuple[float, float], ...]  # amplitude and phase of 2, 3, 4 waves
    colour: tuple[float, float, float]


def demo_scenes(n_train: int, n_val: int, seed: int = 0) -> Collection:
    """Draw scenes with true masks.

    The same numbers give the same pixels, and a scene does not depend on how many there are.

    Args:
        n_train: scenes of the split "train".
        n_val: scenes of the split "val".
        seed: another number, other scenes.

    Returns:
        PNG bytes of images and masks; tags are the classes that the mask holds.
    """
    samples = []
    for split, count, stream in (("train", n_train, 0), ("val", n_val, 1)):
        for index in range(count):
            image, label = draw_scene(np.random.default_rng([seed, stream, index]))
            tags = tuple(CLASSES[i - 1] for i in np.unique(label) if i)
            png = io.BytesIO()
            Image.fromarray(image).save(png, "PNG")
            name = f"{split}-{index:05d}"
            samples.append(Sample(name, png.getvalue(), tags, encode_mask(label), (split,)))
    return Collection(CLASSES, tuple(samples), ("train", "val"), {"source": "demo"})


def draw_scene(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One scene.

    Returns:
        (H, W, 3) uint8 RGB, and (H, W) uint8 labels without IGNORE.
    """
    height, width = (int(side) for side in rng.integers(SIDES[0], SIDES[1] + 1, 2))
    scene = _ground(rng, height, width)
    label = np.zeros((height, width), np.uint8)
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    for body in _place(rng, height, width):
        distance, along, across = _shape(body, rows, columns)
        cover = np.clip(0.5 - distance, 0, 1)  # an edge one pixel soft
        _blend(scene, cover, _plain(body, along))
        _blend(scene, cover * _marks(body, along, across), np.array(_MARKS[body.label - 1]))
        label[distance <= 0] = body.label
    scene += rng.normal(0, NOISE, scene.shape)
    return (np.clip(scene, 0, 1) * 255 + 0.5).astype(np.uint8), label


def _place(rng: np.random.Generator, height: int, width: int) -> list[_Body]:
    """Bodies that keep apart; the first always fits, of the others those that find room."""
    bodies: list[_Body] = []
    wanted = int(rng.integers(OBJECTS[0], OBJECTS[1] + 1))
    for _ in range(60 * wanted):
        body = _random_body(rng, height, width)
        reach = max(body.radii) * (1 + 3 * WOBBLE)
        apart = all(
            np.hypot(body.centre[0] - other.centre[0], body.centre[1] - other.centre[1])
            >= reach + max(other.radii) * (1 + 3 * WOBBLE) + GAP
            for other in bodies
        )
        if apart:
            bodies.append(body)
        if len(bodies) == wanted:
            break
    return bodies


def _random_body(rng: np.random.Generator, height: int, width: int) -> _Body:
    radius = rng.uniform(*BODY) * min(height, width)
    stretch = np.sqrt(rng.uniform(*STRETCH))
    margin = 0.9 * radius  # bodies may leave the scene a little, badges hardly
    return _Body(
        label=int(rng.integers(len(CLASSES))) + 1,
        centre=(rng.uniform(margin, height - margin), rng.uniform(margin, width - margin)),
        radii=(radius * stretch, radius / stretch),
        angle=rng.uniform(0, 2 * np.pi),
        wobble=tuple((WOBBLE * rng.uniform(), rng.uniform(0, 2 * np.pi)) for _ in range(3)),
        colour=_body_colour(rng),
    )


def _body_colour(rng: np.random.Generator) -> tuple[float, float, float]:
    """A pale, greyish tint of any hue: one family for all classes."""
    value, tint, hue = rng.uniform(0.62, 0.82), rng.uniform(0.03, 0.10), rng.uniform(0, 2 * np.pi)
    red, green, blue = (value + tint * np.cos(hue + turn) for turn in (0, 2.1, 4.2))
    return float(red), float(green), float(blue)


def _shape(
    body: _Body, rows: np.ndarray, columns: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Signed distance to the outline in pixels (inside below 0), and the body's own axes."""
    y, x = rows - body.centre[0], columns - body.centre[1]
    along = np.cos(body.angle) * x + np.sin(body.angle) * y
    across = -np.sin(body.angle) * x + np.cos(body.angle) * y
    theta = np.arctan2(across / body.radii[1], along / body.radii[0])
    outline = 1 + sum(a * np.cos(k * theta + p) for k, (a, p) in enumerate(body.wobble, start=2))
    level = np.hypot(along / body.radii[0], across / body.radii[1])
    return (level - outline) * min(body.radii), along, across


def _plain(body: _Body, along: np.ndarray) -> np.ndarray:
    """(H, W, 3) of the body's colour, a little darker towards the badge."""
    shade = 1 - BODY_SHADE * np.clip(along / body.radii[0], -1, 1)
    return shade[..., None] * np.array(body.colour)


def _marks(body: _Body, along: np.ndarray, across: np.ndarray) -> np.ndarray:
    """(H, W) in 0..1: how strongly the badge's marks cover the body; no edge goes round them."""
    radius = BADGE * np.sqrt(body.radii[0] * body.radii[1])
    u, v = (along - BADGE_OFFSET * body.radii[0]) / radius, across / radius
    wave = 2 * np.pi / PERIOD
    strength = {
        "checks": np.sin(wave * u / 1.4) * np.sin(wave * v / 1.4) * 2,
        "cross": 0.22 - np.minimum(np.abs(u), np.abs(v)),
        "dots": np.cos(wave * u) + np.cos(wave * v) - 0.2,
        "rings": np.cos(wave * np.hypot(u, v)),
        "stripes": np.sin(wave * u),
    }[CLASSES[body.label - 1]]
    fade = np.clip((1 - np.hypot(u, v)) / FADE, 0, 1)
    return np.clip(strength * 2 + 0.5, 0, 1) * fade


def _blend(scene: np.ndarray, cover: np.ndarray, paint: np.ndarray) -> None:
    """Lay `paint` over the scene, as thickly as `cover` (H, W) says."""
    scene += cover[..., None] * (paint - scene)


def _ground(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """(H, W, 3) of a dark, mottled ground: noise of several grain sizes in one dull tint."""
    tint = rng.uniform(0.28, 0.42) + rng.uniform(-0.06, 0.06, 3)
    ground = np.zeros((height, width, 3))
    for grain, weight in ((2, 0.35), (5, 0.35), (14, 0.5)):
        ground += weight * _noise(rng, height, width, grain, 1)
        ground += 0.4 * weight * _noise(rng, height, width, grain, 3)
    return tint + TEXTURE * ground


def _noise(
    rng: np.random.Generator, height: int, width: int, grain: int, channels: int
) -> np.ndarray:
    """(H, W, channels) of smooth noise in -1..1: a random grid, linearly interpolated."""
    grid = rng.uniform(-1, 1, (height // grain + 2, width // grain + 2, channels))
    for axis, side in enumerate((height, width)):
        place = np.arange(side) / grain
        low = place.astype(int)
        part = (place - low).reshape([-1 if a == axis else 1 for a in range(3)])
        grid = np.take(grid, low, axis) * (1 - part) + np.take(grid, low + 1, axis) * part
    return grid
