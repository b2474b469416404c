"""train-cls --method oaa: samples that know their place, room for maps, and what is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from wsss_cli.artifacts import CAM, open_artifact, open_dataset
from wsss_cli.core.oaa import Placing
from wsss_cli.methods.train_cls.oaa import Accumulation, attention_store, load_placed
from wsss_cli.methods.train_cls.oaa.writing import fill_missing, finish_maps, load_whole, spread
from wsss_cli.nets.backbones import build_backbone
from wsss_cli.nets.oaa import AttentionNet
from wsss_cli.training.augment import Augment
from wsss_cli.training.compute import Compute
from wsss_cli.training.data import sample_generator


def test_samples_know_where_they_are_from(tiny_data: Path) -> None:
    augment = Augment(32, long_side=(32, 32))
    with open_dataset(tiny_data) as data:
        sample = load_placed(data, augment, 0.0, data.ids[3], sample_generator(0, 0, 0))
        assert set(sample) == {"image", "tags", "placing"}
        assert Placing.of(sample["placing"]).height == 32
        rng = np.random.default_rng(0)
        marks = [load_placed(data, augment, 0.5, data.ids[3], rng)["drop"] for _ in range(40)]
        assert 8 < int(torch.stack(marks).sum()) < 32
        whole = load_whole(data, 24, data.ids[3], rng)
        assert whole["image"].shape == (3, 16, 24)
        assert Placing.of(whole["placing"]) == Placing.whole((32, 48), (16, 24))


@pytest.mark.parametrize("drop", [0.0, 0.5])
def test_there_is_room_for_every_map(drop: float, tiny_data: Path) -> None:
    with open_dataset(tiny_data) as data:
        store = attention_store(data, data.ids, Accumulation(drop=drop), quiet=True)
        cells = 4 * 6  # of 32 x 48 at stride 8
        maps = sum(len(data.tags(image_id)) for image_id in data.ids)
    assert store.nbytes == cells * maps * (2 if drop else 1)
    assert store.maps(3).shape == (2, 4, 6)
    assert store.missing(3).all()


@pytest.mark.parametrize("subtract", [False, True])
def test_what_is_missing_is_filled_and_all_is_written(subtract: bool, tiny_data: Path) -> None:
    torch.manual_seed(0)
    model, compute = (
        AttentionNet(build_backbone("tiny", 8), 3, layers=0),
        Compute(torch.device("cpu")),
    )
    out = tiny_data.parent / "maps.h5"
    with open_dataset(tiny_data) as data:
        ids = data.ids
        store = attention_store(data, ids, Accumulation(), quiet=True)
        kept = torch.full_like(store.maps(0), 9)
        store.maps(0).copy_(kept)
        fill_missing(data, ids, store, 48, model, compute)
        assert torch.equal(store.maps(0), kept)  # had one already
        filled = [store.maps(i).clone().numpy() for i in range(len(ids))]
        finish_maps(data, ids, store, 48, out, subtract, {"crop": 48}, True, 0, model, compute)
        with open_artifact(out, CAM) as cam:
            assert cam.params["stride"] == 8
            assert cam.params["crop"] == 48
            for index, image_id in enumerate(ids):
                expected = spread(filled[index]) if subtract else filled[index]
                assert np.array_equal(cam[image_id]["cam"], expected)
                assert cam[image_id]["classes"].tolist() == data.tags(image_id).tolist()
