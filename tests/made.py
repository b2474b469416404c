"""What command-line tests share: artifacts of chosen arrays, and running a command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from typer.testing import CliRunner, Result

from wsss_cli.artifacts import CAM, LABEL, Shard, create, open_dataset
from wsss_cli.cli import app


def wsss(*arguments: object, stdin: str | None = None) -> Result:
    """Run a command; result has exit_code, stdout and stderr."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)


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


def random_cams(
    data: Path, stride: int = 4, seed: int = 0, dtype: str = "float16"
) -> dict[str, dict[str, np.ndarray]]:
    """Maps of every image's tags, with values on, just above and below round thresholds."""
    from wsss_cli.core.grid import grid_size

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


def pack_like(
    path: Path,
    images: Mapping[str, np.ndarray],
    masks: Mapping[str, np.ndarray],
    tags: Mapping[str, Sequence[int]],
    classes: Sequence[str],
    splits: Mapping[str, Sequence[str]] | None = None,
) -> Path:
    """A dataset artifact of these arrays; an image without an entry in `masks` has none."""
    import io

    from PIL import Image

    from wsss_cli.artifacts import DATASET
    from wsss_cli.core.images import encode_mask

    with create(
        path, DATASET, classes=classes, params={}, ids=list(images), splits=splits or {}
    ) as out:
        for image_id in out.todo:
            stream = io.BytesIO()
            Image.fromarray(images[image_id]).save(stream, "PNG")
            mask = masks.get(image_id)
            out.put(
                image_id,
                image=np.frombuffer(stream.getvalue(), np.uint8),
                tags=np.array(tags.get(image_id, []), np.uint16),
                size=np.array(images[image_id].shape[:2], np.int32),
                mask=None if mask is None else np.frombuffer(encode_mask(mask), np.uint8),
            )
    return path
