"""A walk over images: what goes in, on which grid, and what comes of images without classes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made import pack_like, write_cam, write_sloping_cam
from torch import Tensor

from wsss_cli.artifacts import CAM, open_artifact, open_dataset
from wsss_cli.core.cam import dequantise
from wsss_cli.core.images import to_input
from wsss_cli.errors import WsssError
from wsss_cli.inference.walking import PAD, Exponent, Walker, features, padded
from wsss_cli.machine.place import Place

CPU = Place(torch.device("cpu"))


@dataclass
class Noting:
    """A spread that gives the maps back, background of 0.25 first, and notes what it is given."""

    stride: int = 4
    has_background: bool = True
    threshold: float | None = None
    pad_to: int = 0
    notes: list[Any] = field(default_factory=list)

    def see(self, model: Any, x: Tensor, place: Place) -> Tensor:
        self.notes.append(x)
        return model(x)

    def __call__(self, cam: Tensor, seen: Tensor, size: tuple[int, int], stride: int) -> Tensor:
        self.notes.append((cam, seen, size, stride))
        if not self.has_background:
            return cam
        return torch.cat([torch.full_like(cam[:1], 0.25), cam])

    def scores_record(self) -> dict[str, Any]:
        return {}

    def labels_record(self) -> dict[str, Any]:
        return {}


@pytest.fixture
def opened(tiny_data: Path) -> Iterator[Any]:
    """Maps of stride 4, and their data set."""
    cam = write_sloping_cam(tiny_data.with_name("cam.h5"), tiny_data)
    with ExitStack() as files:
        maps = files.enter_context(open_artifact(cam, CAM))
        yield maps, files.enter_context(open_dataset(tiny_data))


def walker(opened: Any, spread: Noting, max_side: int = 0, model: Any = torch.zeros_like) -> Walker:
    return Walker(*opened, model, Path("w.pt"), CPU, spread, max_side)


def test_maps_and_the_padded_image_go_in(opened: Any) -> None:
    spread = Noting()
    ((image_id, scores),) = walker(opened, spread).walked(["a/3"])
    x, (cam, seen, size, stride) = spread.notes
    maps, data = opened
    assert (image_id, size, stride) == ("a/3", (32, 48), 4)
    assert torch.equal(cam, dequantise(maps["a/3"]["cam"]))
    assert torch.equal(x, to_input(data.image("a/3"))[None])  # sides are multiples of 16
    assert torch.equal(seen, torch.zeros_like(x))
    assert (scores.dtype, scores.shape) == (np.float32, (3, 8, 12))
    assert (scores[0] == 0.25).all()
    assert np.array_equal(scores[1:], cam)


def test_an_image_is_padded_to_multiples_of_16(tmp_path: Path) -> None:
    image = np.full((17, 33, 3), 200, np.uint8)
    data = pack_like(tmp_path / "data.h5", {"a": image}, {}, {"a": [0]}, ["red"])
    item = {"cam": np.ones((1, 5, 9), np.float16), "classes": np.zeros(1, np.uint16)}
    cam = write_cam(tmp_path / "cam.h5", data, {"a": item})
    spread = Noting()
    with open_artifact(cam, CAM) as maps, open_dataset(data) as reader:
        list(walker((maps, reader), spread).walked(["a"]))
    x, (_, _, size, _) = spread.notes
    assert (tuple(x.shape), size, PAD) == ((1, 3, 32, 48), (17, 33), 16)
    assert torch.equal(x[0, :, :17, :33], to_input(image))
    assert not x[..., 17:, :].any()
    assert not x[..., 33:].any()


@pytest.mark.parametrize(
    ("least", "sides"), [(0, (32, 48)), (32, (32, 48)), (64, (64, 64)), (48, (48, 48))]
)
def test_sides_that_images_are_padded_to(least: int, sides: tuple[int, int]) -> None:
    """At least these; what is longer goes to multiples of 16, and nothing is ever cut off."""
    x = torch.rand(2, 3, 17, 33)
    found = padded(x, least)
    assert tuple(found.shape) == (2, 3, *sides)
    assert torch.equal(found[..., :17, :33], x)
    assert not found[..., 17:, :].any()
    assert not found[..., 33:].any()


def test_a_spread_says_what_images_are_padded_to(opened: Any) -> None:
    spread = Noting(pad_to=64)
    ((_, scores),) = walker(opened, spread).walked(["a/3"])
    x, (cam, seen, size, stride) = spread.notes
    assert (tuple(x.shape), tuple(seen.shape)) == ((1, 3, 64, 64), (1, 3, 64, 64))
    assert (size, stride, tuple(cam.shape)) == ((32, 48), 4, (2, 8, 12))
    assert scores.shape == (3, 8, 12)


def test_long_images_are_walked_over_at_another_size(opened: Any) -> None:
    """At half the size, maps of cells of 4 pixels cover half as many cells of 4."""
    spread = Noting()
    ((_, scores),) = walker(opened, spread, max_side=24).walked(["a/3"])
    x, (cam, _, size, stride) = spread.notes
    assert (tuple(x.shape[-2:]), size, stride) == ((16, 32), (16, 24), 4)
    assert tuple(cam.shape) == (2, 4, 6)
    own = dequantise(opened[0]["a/3"]["cam"])
    means = own.unfold(1, 2, 2).unfold(2, 2, 2).mean((-2, -1))
    torch.testing.assert_close(cam, means)
    assert scores.shape == (3, 8, 12)  # on the grid of the image itself again
    np.testing.assert_allclose(scores[0], 0.25)
    assert abs(scores[1:].mean() - own.numpy().mean()) < 0.02


@pytest.mark.parametrize(("background", "channels"), [(True, 1), (False, 0)])
def test_an_image_without_classes_is_background(
    opened: Any, background: bool, channels: int
) -> None:
    spread = Noting(stride=8, has_background=background)
    found = dict(walker(opened, spread).walked(["a/5"]))
    assert spread.notes == []  # nobody looked
    assert found["a/5"].shape == (channels, 4, 6)
    assert (found["a/5"] == 1).all()


def test_what_an_image_is_loaded_as(opened: Any) -> None:
    loaded = walker(opened, Noting(), max_side=24).load("a/3")
    assert (tuple(loaded.copies[0].shape), loaded.size) == ((3, 16, 24), (32, 48))
    assert loaded.copies[0].dtype == torch.uint8
    assert tuple(loaded.cam.shape) == (2, 8, 12)
    assert walker(opened, Noting()).load("a/5").copies == []


def test_values_that_are_not_finite(opened: Any) -> None:
    def broken(x: Tensor) -> Tensor:
        return x * float("nan")

    with pytest.raises(WsssError, match=r"w\.pt: gives values of 'a/3' that are not finite"):
        list(walker(opened, Noting(), model=broken).walked(["a/3"]))


def test_an_image_of_another_size_than_its_maps(opened: Any, tmp_path: Path) -> None:
    maps, _ = opened
    other = {"a/3": np.zeros((32, 47, 3), np.uint8)}
    data = pack_like(tmp_path / "other.h5", other, {}, {"a/3": [0, 1]}, maps.classes)
    with pytest.raises(WsssError, match=r"a/3: is 32x47 in .*other\.h5, but 32x48 in"):
        open_dataset(data, maps)


def test_features_are_those_of_the_only_image() -> None:
    x = torch.rand(1, 3, 4, 4)
    assert torch.equal(features(lambda image: image * 2, x, CPU), 2 * x[0])


def test_the_exponent_is_the_weights_methods_unless_told() -> None:
    assert Exponent().beta is None
