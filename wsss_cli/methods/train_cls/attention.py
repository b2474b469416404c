"""What train-cls does for attention that accumulates (OAA), and for learning all of it (OAA+)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...console import log
from ...errors import UsageError, WsssError
from ...options.training import Recipe, Setting
from ...training.job import Job, check_beside
from .classifiers import Attention

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ...artifacts import Artifact, DatasetReader
    from ...nets.base import Backbone
    from ...nets.classifier import Classifier
    from ...training.attention import AttentionStore
    from ...training.augment import Augment, Window
    from ...training.compute import Compute
    from ...training.data import Sample
    from ...training.losses import Loss
    from ...training.team import Team


@dataclass
class Learner:
    """A method's network and loss.

    Attributes:
        config: what the network is rebuilt from, beside the backbone.
        params: options that change the numbers.
    """

    model: Classifier
    loss: Loss
    config: dict[str, Any]
    params: dict[str, Any]


def accumulate(
    job: Job,
    tag_loss: Callable[[Tensor, Sample, Tensor], Tensor],
    attention: Attention,
    augment: Augment,
    recipe: Recipe,
    setting: Setting,
    team: Team,
) -> Job:
    """A job of tags as one that accumulates its maps on the way and writes them at the end."""
    reader: Any = job.inputs[0]  # the data set that a job of tags reads
    model: Any = job.model
    if 0 < recipe.epochs <= attention.attention_from:
        raise UsageError(
            f"--attention-from {attention.attention_from}: no map of {recipe.epochs} epochs counts",
            f"--attention-from {recipe.epochs - 1} takes those of the last",
        )
    path = attention.maps or job.out.with_suffix(".cam.h5")
    check_beside(path, job.out, setting.force, job.inputs)
    quiet = setting.quiet or not team.leads
    store = attention_store(reader, job.ids, attention, quiet)
    names = ("attention_stride", "attention_from", "gate", "drop", "drop_above")
    params = {**job.params, **{name: getattr(attention, name) for name in names}}
    described = {**params, **asdict(recipe), "subtract_min": attention.subtract_min}
    write = partial(
        finish_maps,
        reader,
        job.ids,
        store,
        augment.crop,
        path,
        attention.subtract_min,
        described,
        quiet,
    )
    return replace(
        job,
        params=params,
        load=partial(load_placed, reader, augment, attention.drop),
        loss=accumulating_loss(store, model, attention, recipe.epochs, team, tag_loss),
        finish=partial(write, setting.seed),
        keyed=True,
        extra=store.tensors,
        **published_recipe(),
    )


def learn_maps(job: Job, targets: Artifact, augment: Augment) -> Job:
    """A job of tags as one that learns maps."""
    reader: Any = job.inputs[0]
    stride: Any = job.model.stride
    return replace(
        job,
        inputs=[reader, targets],
        load=partial(load_targeted, reader, targets, augment, stride),
        **published_recipe(),
    )


def published_recipe() -> dict[str, Any]:
    """The optimisation that OAA's code uses in place of ours."""
    from ...training.schedule import Drop

    return {"schedule": Drop, "nesterov": True, "grouping": {"bias_decay": True}}


def attention_store(
    reader: DatasetReader, ids: Sequence[str], attention: Attention, quiet: bool
) -> AttentionStore:
    """Room for the maps of all training images; says how much that is."""
    from ...training.attention import AttentionStore

    sizes = [reader.size(image_id) for image_id in ids]
    tags = [reader.tags(image_id) for image_id in ids]
    store = AttentionStore(sizes, tags, attention.attention_stride, attention.drop > 0)
    log(f"train-cls: maps of {len(ids)} images take {store.nbytes / 2**20:.1f} MiB", quiet)
    return store


def accumulating_loss(
    store: AttentionStore,
    model: Classifier,
    attention: Attention,
    epochs: int,
    team: Team,
    tags: Any,
) -> Loss:
    """The loss of tags, `tags`, which accumulates on the way."""
    from ...training.attention import Accumulator
    from ...training.losses import Loss

    accumulator = Accumulator(
        store,
        tags,
        model.stride,
        attention.attention_from,
        epochs - 1,
        attention.gate,
        attention.drop_above,
        team,
    )
    return Loss(accumulator.prepare, accumulator.share)


def attention_network(
    method: str, backbone: Backbone, n_classes: int, dropout: float, layers: int
) -> tuple[Classifier, dict[str, Any]]:
    """The network of oaa or iam, and what it is rebuilt from."""
    from ...nets.attention import AttentionNet

    model = AttentionNet(backbone, n_classes, dropout, layers=layers, dense=method == "iam")
    return model, {"method": method, "layers": layers}


def tag_vector(reader: DatasetReader, image_id: str) -> Tensor:
    """(C,) float32 of 0 and 1."""
    import torch

    tags = torch.zeros(len(reader.classes))
    tags[torch.from_numpy(reader.tags(image_id).astype("int64"))] = 1
    return tags


def placing_of(size: tuple[int, int], window: Window) -> Any:
    """The `Placing` of a window of an image of (H, W)."""
    from ...core.attention import Placing

    parts = (*size, *window.scaled, *window.start, *window.size, *window.place)
    return Placing(*parts, int(window.mirrored))


def load_placed(
    reader: DatasetReader, augment: Augment, drop: float, image_id: str, rng: np.random.Generator
) -> Sample:
    """An augmented image, its tags, where its pixels come from, and whether to hide some."""
    import torch

    image = reader.image(image_id)
    size = image.shape[0], image.shape[1]
    window = augment.window(size, rng)
    sample = {
        "image": augment.pixels(image, window, rng),
        "tags": tag_vector(reader, image_id),
        "placing": placing_of(size, window).tensor(),
    }
    if drop:
        sample["drop"] = torch.tensor(bool(rng.random() < drop))
    return sample


def load_whole(reader: DatasetReader, side: int, image_id: str, rng: np.random.Generator) -> Sample:
    """A whole image, its longer side scaled to `side`, and where its pixels come from."""
    from ...core.attention import Placing
    from ...core.images import as_tensor
    from ...core.views import resize_image, scaled_size

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

    from ...core.attention import Placing, attention
    from ...nets.attention import MapsOf
    from ...training.compute import predictions
    from ...training.data import Samples

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

    from ...artifacts import CAM, create

    fill_missing(reader, ids, store, side, model, compute)
    if not compute.team.leads:
        return
    place = {image_id: index for index, image_id in enumerate(ids)}
    with create(
        path,
        CAM,
        classes=reader.classes,
        params={**params, "stride": store.stride, "dtype": "uint8"},
        inputs=[reader],
        ids=ids,
        seed=seed,
        force=True,
    ) as target:
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


def spread(maps: np.ndarray) -> np.ndarray:
    """(K, h, w) uint8 maps, each stretched to 0..255; a constant one is 0."""
    import numpy as np

    if not maps.size:
        return maps.copy()
    values = maps.astype(np.float64)
    values -= values.min(axis=(1, 2), keepdims=True)
    high = values.max(axis=(1, 2), keepdims=True)
    return np.rint(values * (255 / np.maximum(high, 1))).astype(np.uint8)


def targeted_ids(
    reader: DatasetReader, targets: Artifact, ids: Sequence[str], quiet: bool
) -> list[str]:
    """The training images that have maps; says how many have none.

    Raises:
        WsssError: there are none, or the maps are of other classes.
    """
    if targets.classes != reader.classes:
        raise WsssError(f"{targets.path}: maps of other classes than those of {reader.path}")
    known = set(targets.ids)
    kept = [image_id for image_id in ids if image_id in known]
    if not kept:
        raise WsssError(
            f"{targets.path}: has maps of none of the {len(ids)} training images",
            "`wsss train-cls --method oaa` writes maps of what it trains on; see --split",
        )
    if missing := len(ids) - len(kept):
        log(f"train-cls: left out: {missing} images of which {targets.path} has no maps", quiet)
    return kept


def load_targeted(
    reader: DatasetReader,
    targets: Artifact,
    augment: Augment,
    stride: int,
    image_id: str,
    rng: np.random.Generator,
) -> Sample:
    """An augmented image, its tags, and the maps to learn, (C, h, w) float32 on its cells.

    Raises:
        WsssError: maps of another image size.
    """
    import torch

    from ...core.attention import to_crop
    from ...core.cam import dequantise
    from ...core.grid import grid_size

    image, item = reader.image(image_id), targets[image_id]
    size = image.shape[0], image.shape[1]
    own = int(targets.params["stride"])
    if item["cam"].shape[1:] != grid_size(*size, own):
        raise WsssError(f"{targets.path}: the maps of {image_id!r} are of another image size")
    window = augment.window(size, rng)
    crop = (window.crop, window.crop)
    target = torch.zeros(len(reader.classes), *grid_size(*crop, stride))
    placing = placing_of(size, window)
    seen = to_crop(dequantise(item["cam"]), own, placing, crop, stride)
    target[torch.from_numpy(item["classes"].astype("int64"))] = seen
    return {
        "image": augment.pixels(image, window, rng),
        "tags": tag_vector(reader, image_id),
        "target": target,
    }


def dense_loss(outputs: dict[str, Tensor], batch: Sample, counts: Tensor) -> Tensor:
    """The integral attention model's loss."""
    from ...core.attention import integral_loss

    return integral_loss(outputs["maps"], batch["target"], counts[0])
