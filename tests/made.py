"""What command-line tests share: artifacts made by hand, comparing them, running a command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from conftest import CLASSES, encode_png
from typer.testing import CliRunner, Result

from wsss_cli.artifacts import (
    CAM,
    DATASET,
    LABEL,
    Shard,
    create,
    load_weights,
    open_artifact,
    open_dataset,
)
from wsss_cli.cli import app
from wsss_cli.core.grid import grid_size
from wsss_cli.core.images import encode_mask


def wsss(*arguments: object, stdin: str | None = None) -> Result:
    """Run a command; result has exit_code, stdout and stderr."""
    arguments = tuple(map(str, arguments))
    return CliRunner().invoke(app, arguments, input=stdin, env={"WSSS_DATA": ""})


def write_labels(
    path: Path,
    data: Path,
    labels: Mapping[str, np.ndarray],
    shard: str = "1/1",
    params: Mapping[str, Any] | None = None,
) -> Path:
    """A label artifact made from `data`; `labels` holds all ids of the run."""
    with (
        open_dataset(data) as reader,
        create(
            path,
            LABEL,
            classes=reader.classes,
            params=params or {},
            inputs=[reader],
            ids=list(labels),
            shard=Shard.parse(shard),
        ) as out,
    ):
        for image_id in out.todo:
            out.put(image_id, label=labels[image_id], present=np.zeros(0, np.uint16))
    return path


def write_cam(
    path: Path,
    data: Path,
    cams: Mapping[str, Mapping[str, np.ndarray]],
    stride: int | None = 4,
    inputs: Sequence[Any] = (),
    shard: str = "1/1",
) -> Path:
    """A cam artifact made from `data`: id to its fields; `size` is the image's unless given."""
    with (
        open_dataset(data) as reader,
        create(
            path,
            CAM,
            classes=reader.classes,
            params={} if stride is None else {"stride": stride},
            inputs=[reader, *inputs],
            ids=list(cams),
            shard=Shard.parse(shard),
        ) as out,
    ):
        for image_id in out.todo:
            size = np.array(reader.size(image_id), np.int32)
            out.put(image_id, **{"size": size, **cams[image_id]})
    return path


def write_sloping_cam(
    path: Path,
    data: Path,
    *,
    stride: int = 4,
    dtype: str = "float16",
    background: bool = False,
    classes: Sequence[str] = CLASSES,
    mirror: bool = False,
) -> Path:
    """Random maps, one for each tag, of every image: strong on the left, none on the right."""
    with (
        open_dataset(data) as reader,
        create(
            path,
            CAM,
            classes=classes,
            params={"stride": stride},
            inputs=[reader],
            ids=reader.ids,
        ) as out,
    ):
        for index, image_id in enumerate(reader.ids):
            generator = torch.Generator().manual_seed(index)
            tags, (height, width) = reader.tags(image_id), reader.size(image_id)
            cells = grid_size(height, width, stride)
            fall = (
                torch.linspace(1, 0, cells[1]) ** (2 + torch.arange(len(tags) + 1))[:, None, None]
            )
            maps = fall * (0.7 + 0.3 * torch.rand(len(tags) + 1, *cells, generator=generator))
            if maps[1:].numel():
                maps[1:] /= maps[1:].amax((1, 2), keepdim=True)
            if mirror:
                maps = maps.flip(-1)
            if dtype == "uint8":
                maps = (maps * 255).round()
            stored = maps.numpy().astype(dtype)
            out.put(
                image_id,
                cam=stored[1:],
                classes=tags,
                size=np.array([height, width], np.int32),
                background=stored[0] if background else None,
            )
    return path


def random_cams(
    data: Path, stride: int = 4, seed: int = 0, dtype: str = "float16"
) -> dict[str, dict[str, np.ndarray]]:
    """Maps of every image's tags, with values on, just above and below round thresholds."""
    rng = np.random.default_rng(seed)
    cams = {}
    with open_dataset(data) as reader:
        for image_id in reader.ids:
            tags = reader.tags(image_id)
            maps = rng.random((len(tags), *grid_size(*reader.size(image_id), stride)))
            maps = maps**2 if dtype == "float16" else maps * 255
            cams[image_id] = {"cam": maps.astype(dtype), "classes": tags}
    return cams


def masks_of(data: Path) -> dict[str, np.ndarray]:
    """Every image's mask."""
    with open_dataset(data) as reader:
        found = {image_id: reader.mask(image_id) for image_id in reader.ids}
    return {image_id: mask for image_id, mask in found.items() if mask is not None}


def write_data(
    path: Path, ids: Sequence[str], size: tuple[int, int], classes: Sequence[str]
) -> Path:
    """Noise, tagged with the first class."""
    rng = np.random.default_rng(0)
    with create(path, DATASET, classes=classes, params={}, ids=ids) as out:
        for image_id in ids:
            out.put(
                image_id,
                image=encode_png(rng.integers(0, 256, (*size, 3), np.uint8)),
                tags=np.zeros(1, np.uint16),
                size=np.array(size, np.int32),
            )
    return path


def pack_like(
    path: Path,
    images: Mapping[str, np.ndarray],
    masks: Mapping[str, np.ndarray],
    tags: Mapping[str, Sequence[int]],
    classes: Sequence[str],
    splits: Mapping[str, Sequence[str]] | None = None,
    absent: Mapping[str, Sequence[int]] | None = None,
) -> Path:
    """A dataset artifact of these arrays; an image without an entry in `masks` has none.

    An image without an entry in `absent` shows no class beside its tags.
    """
    known = {name: np.array(classes, np.uint16) for name, classes in (absent or {}).items()}
    with create(
        path, DATASET, classes=classes, params={}, ids=list(images), splits=splits or {}
    ) as out:
        for image_id in out.todo:
            mask = masks.get(image_id)
            out.put(
                image_id,
                image=encode_png(images[image_id]),
                tags=np.array(tags.get(image_id, []), np.uint16),
                absent=known.get(image_id),
                size=np.array(images[image_id].shape[:2], np.int32),
                mask=None if mask is None else np.frombuffer(encode_mask(mask), np.uint8),
            )
    return path


def apart(start: str, one: str, other: str) -> float:
    """How far two networks that started alike are from each other, by how far the first has come.

    Sums of other shapes are rounded otherwise, and a pixel or two may be labelled otherwise: 1e-3
    at most. A part of a batch that counts wrongly is a hundred times that.
    """
    before, first, second = (load_weights(path).state_dict for path in (start, one, other))
    names = [n for n, t in before.items() if t.is_floating_point() and "running" not in n]
    come = sum(float((first[n] - before[n]).square().sum()) for n in names)
    between = sum(float((first[n] - second[n]).square().sum()) for n in names)
    assert come > 0
    return (between / come) ** 0.5


def contents(path: Path) -> dict[str, dict[str, np.ndarray]]:
    with open_artifact(path) as artifact:
        return {image_id: artifact[image_id] for image_id in artifact.ids}


def same(one: Path, other: Path) -> None:
    """Assert that two artifacts hold the same items and are of the same run."""
    first, second = contents(one), contents(other)
    assert first.keys() == second.keys()
    for image_id, item in first.items():
        assert item.keys() == second[image_id].keys()
        for name, array in item.items():
            assert np.array_equal(array, second[image_id][name]), (image_id, name)
    with open_artifact(one) as a, open_artifact(other) as b:
        assert (a.run, a.shard) == (b.run, b.shard)
