"""Tiny data made in code: 6 images of 32x48, 3 classes, masks, splits; one image without tags."""

from __future__ import annotations

import io
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

from wsss_cli.artifacts import DATASET, create
from wsss_cli.core.images import encode_mask

# The same examples each time, and no limit on time: a busy machine must not fail a right answer.
settings.register_profile("wsss", deadline=None, derandomize=True)
settings.load_profile("wsss")

# A shell that starts the tests in the background has them ignore Ctrl-C, and all they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

CLASSES = ["red", "green", "blue"]
SIZE = (32, 48)


def tiny_scene(index: int) -> tuple[np.ndarray, np.ndarray]:
    """(image u8 HWC, mask u8 HW): a grey noisy ground; image 5 empty, others 1 or 2 rectangles."""
    rng = np.random.default_rng(index)
    height, width = SIZE
    image = rng.integers(90, 130, (height, width, 3)).astype(np.uint8)
    mask = np.zeros((height, width), np.uint8)
    tags = {0: [0], 1: [1], 2: [2], 3: [0, 1], 4: [1, 2], 5: []}[index]
    for place, tag in enumerate(tags):
        top, left = 6 + 4 * place, 4 + 22 * place
        box = np.s_[top : top + 16, left : left + 18]
        image[box] = 40
        image[box][..., tag] = 220
        mask[box] = tag + 1
        mask[top : top + 16, left] = 255  # a void edge, as VOC has
    return image, mask


def encode_png(image: np.ndarray) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return np.frombuffer(stream.getvalue(), np.uint8)


def colour_classifier(classes: list[str] = CLASSES) -> None:
    """cls.pt, an untrained one on the tiny backbone."""
    import torch

    from wsss_cli.artifacts import save_weights
    from wsss_cli.nets.backbones import build_backbone
    from wsss_cli.nets.classifier import Classifier

    torch.manual_seed(0)
    model = Classifier(build_backbone("tiny", 8, True), len(classes))
    save_weights(
        "cls.pt",
        kind="wsss/cls",
        config={"backbone": "tiny", "output_stride": 8, "dilated": True, "dropout": 0.0},
        classes=classes,
        params={},
        seed=0,
        inputs=[],
        state_dict=model.state_dict(),
    )


@pytest.fixture(scope="session")
def tiny_data_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny") / "data.h5"
    ids = [f"a/{index}" for index in range(6)]
    splits = {"train": ids[:2] + ids[3:5], "val": [ids[2], ids[5]]}
    with create(
        path, DATASET, classes=CLASSES, params={"source": "tests"}, ids=ids, splits=splits
    ) as out:
        for index, image_id in enumerate(ids):
            image, mask = tiny_scene(index)
            present = np.unique(mask[(mask > 0) & (mask < 255)]).astype(np.uint16) - 1
            out.put(
                image_id,
                image=encode_png(image),
                tags=present.astype(np.uint16),
                size=np.array(SIZE, np.int32),
                mask=np.frombuffer(encode_mask(mask), np.uint8),
            )
    return path


@pytest.fixture
def tiny_data(tiny_data_file: Path, tmp_path: Path) -> Path:
    """A fresh copy as `data.h5` in the test's own folder."""
    copy = tmp_path / "data.h5"
    copy.write_bytes(tiny_data_file.read_bytes())
    return copy


@pytest.fixture
def thin_vgg(monkeypatch: pytest.MonkeyPatch) -> None:
    """VGG-16 with few channels: 8 in DeepLab's fully connected layers, 16 in FCN's."""
    from wsss_cli.nets import backbones, names, strided, summed

    layout = [2, 2, "M", 4, 4, "M", 4, 4, 4, "M", 6, 6, 6, "M", 6, 6, 6, "M"]
    monkeypatch.setitem(backbones.vgg_layouts, "D", layout)
    facts = replace(names.BACKBONE_FACTS["vgg16"], channels=(4, 4, 6, 6, 6))
    monkeypatch.setitem(names.BACKBONE_FACTS, "vgg16", facts)
    monkeypatch.setattr(summed, "FC_WIDTH", 8)
    monkeypatch.setattr(strided, "FC_WIDTH", 16)
