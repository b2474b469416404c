"""train-cls --method iam: which images have maps, and maps as targets of a crop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from wsss_cli.artifacts import CAM, create, open_artifact, open_dataset
from wsss_cli.cli import app
from wsss_cli.core.oaa import integral_loss
from wsss_cli.errors import WsssError
from wsss_cli.methods.train_cls.iam import dense_loss, load_targeted, targeted_ids
from wsss_cli.training.augment import Augment
from wsss_cli.training.data import sample_generator


@pytest.fixture
def targets(tiny_data: Path) -> Path:
    """maps.h5: constant maps, 200 of 255, of the images with tags but the first."""
    path = tiny_data.parent / "maps.h5"
    with open_dataset(tiny_data) as data:
        ids = data.ids[1:5]
        with create(
            path, CAM, classes=data.classes, params={"stride": 8}, inputs=[data], ids=ids
        ) as out:
            for image_id in ids:
                tags = data.tags(image_id)
                out.put(
                    image_id,
                    cam=np.full((len(tags), 4, 6), 200, np.uint8),
                    classes=tags.astype(np.uint16),
                    size=np.array([32, 48], np.int32),
                )
    return path


def test_images_without_maps_are_left_out(
    targets: Path, tiny_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_dataset(tiny_data) as data, open_artifact(targets, CAM) as maps:
        assert targeted_ids(data, maps, data.ids, False) == data.ids[1:5]
        assert "left out: 2 images of which" in capsys.readouterr().err
        assert targeted_ids(data, maps, data.ids[1:3], False) == data.ids[1:3]
        assert capsys.readouterr().err == ""
        with pytest.raises(WsssError, match="has maps of none of the 1 training images"):
            targeted_ids(data, maps, data.ids[:1], True)


def test_a_crop_learns_the_maps_of_its_own_classes(targets: Path, tiny_data: Path) -> None:
    augment = Augment(48, long_side=(48, 48))
    with open_dataset(tiny_data) as data, open_artifact(targets, CAM) as maps:
        image_id = data.ids[3]  # red and green
        sample = load_targeted(data, maps, augment, 8, image_id, sample_generator(0, 0, 0))
    assert sample["tags"].tolist() == [1.0, 1.0, 0.0]
    assert sample["target"].shape == (3, 6, 6)
    assert not sample["target"][2].any()
    inside = sample["target"][:2].amax((1, 2))
    assert torch.allclose(inside, torch.full((2,), 200 / 255), atol=1e-3)
    # the image has two thirds of the crop's rows; the rest learns nothing
    rows = (sample["target"][0] > 0).any(1).sum()
    assert int(rows) in (4, 5)


def test_the_loss_is_integral_attentions() -> None:
    generator = torch.Generator().manual_seed(0)
    maps, target = torch.randn(2, 3, 4, 4, generator=generator), torch.rand(2, 3, 4, 4)
    found = dense_loss({"maps": maps}, {"target": target}, torch.tensor([4]))
    assert torch.equal(found, integral_loss(maps, target, torch.tensor(4)))


def test_it_needs_targets(tiny_data: Path) -> None:
    result = CliRunner().invoke(app, ["train-cls", "--method", "iam", "--data", str(tiny_data)])
    assert result.exit_code == 2
    assert "--method iam and --targets go together" in result.stderr
