"""The accumulated maps, completed and written at the end of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....console import log

if TYPE_CHECKING:
    import numpy as np

    from ....artifacts import DatasetReader
    from ....nets.classifier import Classifier
    from ....training.compute import Compute
    from ....training.data import Sample
    from .store import AttentionStore


def load_whole(reader: DatasetReader, side: int, image_id: str, rng: np.random.Generator) -> Sample:
    """A whole image, its longer side scaled to `side`, and where its pixels come from."""
    from ....core.images import as_tensor
    from ....core.oaa import Placing
    from ....core.views import resize_image, scaled_size

    image = reader.image(image_id)
    size = image.shape[0], image.shape[1]
    scaled = scaled_size(size, side / max(size))
    return {
        "image": as_tensor(resize_image(image, scaled)),
        "placing": Placing.whole(size, scaled).tensor(),
    }


def fill_missing(
    reader: DatasetReader,
    ids: Sequence[str],
    store: AttentionStore,
    side: int,
    model: Classifier,
    compute: Compute,
) -> None:
    """Give what has no map yet the trained network's, of the whole image.

    An epoch leaves out what makes no full batch, so that the last one may not have seen it.
    """
    import torch

    from ....core.oaa import Placing, attention
    from ....nets.oaa import MapsOf
    from ....training.compute import predictions
    from ....training.data import Samples

    mine = compute.team.mine([i for i in range(len(ids)) if store.missing(i).any()])
    batches = compute.batches(
        Samples(partial(load_whole, reader, side), ids), [[(0, index)] for index in mine]
    )
    updates = []
    for index, (maps, batch) in zip(
        mine, predictions(MapsOf(model), batches, compute), strict=True
    ):
        present = torch.from_numpy(store.classes[index]).to(maps.device)
        placing = Placing.of(batch["placing"][0])
        seen = attention(maps[0, present], model.stride, placing, store.stride)
        updates.append((index, seen.cpu().numpy(), store.missing(index)))
    for part in compute.team.gather(updates):
        store.add(part)


def finish_maps(
    reader: DatasetReader,
    ids: Sequence[str],
    store: AttentionStore,
    side: int,
    path: Path,
    subtract: bool,
    params: Mapping[str, Any],
    quiet: bool,
    seed: int,
    model: Classifier,
    compute: Compute,
) -> None:
    """Complete the accumulated maps and write them as a `cam` artifact."""
    import numpy as np

    from ....artifacts import CAM, create

    fill_missing(reader, ids, store, side, model, compute)
    if not compute.team.leads:
        return
    place = {image_id: index for index, image_id in enumerate(ids)}
    facts = facts_of(reader, ids, store.stride, params, seed)
    with create(path, CAM, **facts, force=True) as target:
        for image_id in target.todo:
            index = place[image_id]
            maps = store.maps(index).numpy()
            target.put(
                image_id,
                cam=spread(maps) if subtract else maps.copy(),
                classes=store.classes[index].astype(np.uint16),
                size=np.array(reader.size(image_id), np.int32),
            )
    log(f"train-cls: maps of {len(ids)} images -> {path}", quiet)


def facts_of(
    reader: DatasetReader, ids: Sequence[str], stride: int, params: Mapping[str, Any], seed: int
) -> dict[str, Any]:
    """What the maps' file is known by."""
    return {
        "classes": reader.classes,
        "params": {**params, "stride": stride, "dtype": "uint8"},
        "inputs": [reader],
        "ids": ids,
        "seed": seed,
    }


def is_maps(path: Path, facts: Mapping[str, Any]) -> bool:
    """Whether a file holds the maps that `facts` are of."""
    from ....artifacts import CAM
    from ....artifacts.standing import is_output

    return is_output(path, CAM, **facts)


def spread(maps: np.ndarray) -> np.ndarray:
    """(K, h, w) uint8 maps, each stretched to 0..255; a constant one is 0."""
    import numpy as np

    if not maps.size:
        return maps.copy()
    values = maps.astype(np.float64)
    values -= values.min(axis=(1, 2), keepdims=True)
    high = values.max(axis=(1, 2), keepdims=True)
    return np.rint(values * (255 / np.maximum(high, 1))).astype(np.uint8)
