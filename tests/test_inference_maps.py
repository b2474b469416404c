"""Maps of photographs: which classes are drawn, how views add up, how maps are kept."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from wsss_cli.artifacts import DatasetReader, open_dataset
from wsss_cli.errors import UsageError, WsssError
from wsss_cli.inference.maps import (
    Drawing,
    Dtype,
    Loaded,
    Tags,
    draw,
    load_image,
    map_items,
    nothing_drawn,
    stored,
)
from wsss_cli.machine.place import Place
from wsss_cli.options.looking import Views

CPU = Place(torch.device("cpu"))
PLANES = torch.tensor(
    [[[4.0, 1.0], [-3.0, 2.0]], [[-1.0, -2.0], [-3.0, -4.0]], [[0.0, 5.0], [1.0, 2.0]]]
)
LOGITS = torch.tensor([2.0, -1.0, 0.0])


class Painter:
    """A network of three classes that sees the same in every copy, the mirror image included."""

    stride = 2

    def __init__(self, planes: Tensor = PLANES, spreads: bool = False) -> None:
        self.planes, self.spreads = planes, spreads

    def seen(self, x: Tensor, classes: Tensor | None = None) -> tuple[Tensor, Tensor]:
        maps = self.planes.expand(len(x), -1, -1, -1)
        if classes is not None:
            rows = classes.expand(len(x), -1)
            maps = torch.stack([one[row] for one, row in zip(maps, rows, strict=True)])
        return maps, LOGITS.expand(len(x), -1)

    def probabilities(self, logits: Tensor) -> Tensor:
        return logits.sigmoid()


def loaded(tags: list[int] | None, copies: int = 1) -> Loaded:
    own = None if tags is None else np.array(tags, np.uint16)
    pixels = [torch.zeros(3, 4, 4, dtype=torch.uint8)] * copies
    return Loaded(pixels, np.array([4, 4], np.int32), own)


def drawn(drawing: Drawing, *images: Loaded, flip: bool = False, model: Any = None) -> list[Any]:
    named = [(str(number), one) for number, one in enumerate(images)]
    return draw(model or Painter(), CPU, flip, drawing, named)


def items_of(batches: Any, drawing: Drawing, model: Any = None) -> dict[str, dict[str, Any]]:
    return dict(map_items(model or Painter(), CPU, False, drawing, batches, Path("w.pt")))


def test_a_map_is_rectified_and_divided_by_its_maximum() -> None:
    (found,) = drawn(Drawing(stride=2), loaded([0, 1]))
    expected = np.array([[4, 1], [0, 2]]) / (4 + 1e-5)
    np.testing.assert_allclose(found.cam[0], expected, rtol=1e-6)
    assert not found.cam[1].any()  # without response
    assert found.classes.tolist() == [0, 1]


def test_mirror_images_are_turned_back_and_copies_added() -> None:
    (found,) = drawn(Drawing(stride=2), loaded([2], copies=2), flip=True)
    expected = 2 * np.array([[0 + 5, 5 + 0], [1 + 2, 2 + 1]])
    np.testing.assert_allclose(found.cam[0], expected / (10 + 1e-5), rtol=1e-6)


def test_some_networks_maps_are_spread_from_their_minimum() -> None:
    moved = PLANES + 1
    (found,) = drawn(Drawing(stride=2), loaded([2]), model=Painter(moved, spreads=True))
    expected = (np.array([[1, 6], [2, 3]]) - 1 - 1e-5).clip(0) / (6 - 1 + 1e-5)
    np.testing.assert_allclose(found.cam[0], expected, rtol=1e-5)


def test_images_of_several_classes_share_a_batch() -> None:
    one, other = drawn(Drawing(stride=2), loaded([0, 2]), loaded([2]))
    assert (one.cam.shape, other.cam.shape) == ((2, 2, 2), (1, 2, 2))
    assert torch.equal(one.cam[1], other.cam[0])


@pytest.mark.parametrize(
    ("threshold", "classes"), [(None, [0, 2]), (0.0, [0, 1, 2]), (0.6, [0]), (1.0, [])]
)
def test_classes_are_recognised_from_a_probability_on(
    threshold: float | None, classes: list[int]
) -> None:
    """Of 0.88, 0.27 and 0.5, the default being 0.5."""
    drawing = Drawing(stride=2, tags=Tags.predicted, tag_threshold=threshold)
    (found,) = drawn(drawing, loaded(None))
    assert found.classes.tolist() == classes
    assert found.classes.dtype == np.uint16
    assert found.cam.shape == (len(classes), 2, 2)


def test_what_is_recorded() -> None:
    assert Drawing().record() == {
        **{"stride": 4, "dtype": "float16", "tags": "data", "tag_threshold": None}
    }
    assert Drawing(stride=8, dtype=Dtype.uint8, tags=Tags.predicted).record() == {
        **{"stride": 8, "dtype": "uint8", "tags": "predicted", "tag_threshold": 0.5}
    }
    assert Drawing(tags=Tags.predicted, tag_threshold=0.0).threshold == 0
    with pytest.raises(UsageError, match="--tag-threshold: needs --tags predicted"):
        Drawing(tag_threshold=0.5)


def test_an_image_without_tags_is_not_decoded(
    tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    views = Views((1.0, 0.5), True, 0)
    with open_dataset(tiny_data) as reader:
        some = load_image(reader, views, Drawing(), "a/3")
        assert [tuple(copy.shape) for copy in some.copies] == [(3, 32, 48), (3, 16, 24)]
        assert some.size.tolist() == [32, 48]
        assert some.tags is not None
        assert some.tags.tolist() == [0, 1]
        predicted = load_image(reader, views, Drawing(tags=Tags.predicted), "a/5")
        assert (len(predicted.copies), predicted.tags) == (2, None)
        monkeypatch.setattr(DatasetReader, "image", lambda *_: pytest.fail("decoded"))
        none = load_image(reader, views, Drawing(), "a/5")
    assert (none.copies, none.size.tolist()) == ([], [32, 48])
    assert none.tags is not None
    assert not len(none.tags)


def test_items_come_in_order_those_of_no_class_too() -> None:
    empty = Loaded([], np.array([5, 7], np.int32), np.zeros(0, np.uint16))
    batches = [[("a", loaded([0]))], [("b", empty), ("c", loaded([0, 2]))]]
    items = items_of(batches, Drawing(stride=2))
    assert list(items) == ["a", "b", "c"]
    assert {one["cam"].dtype for one in items.values()} == {np.dtype(np.float16)}
    assert items["b"]["cam"].shape == (0, 3, 4)
    assert items["c"]["classes"].tolist() == [0, 2]
    assert np.array_equal(items["a"]["cam"][0], items["c"]["cam"][0])
    assert items["b"]["size"].tolist() == [5, 7]


def test_maps_as_they_are_kept() -> None:
    cam = torch.tensor([[[0.0, 1 / 3, 1.0]]])
    assert stored(cam, Dtype.uint8, Path("w.pt"), "a").tolist() == [[[0, 85, 255]]]
    assert stored(cam, Dtype.float16, Path("w.pt"), "a")[0, 0, 1] == np.float16(1 / 3)
    with pytest.raises(WsssError, match=r"w\.pt: gives maps of 'a' that are not finite"):
        stored(cam * float("nan"), Dtype.float16, Path("w.pt"), "a")
    with pytest.raises(WsssError, match="maps of 'b' that are not finite"):
        items_of([[("b", loaded([0]))]], Drawing(), Painter(PLANES * float("nan")))


def test_nothing_drawn_has_the_images_grid() -> None:
    image: Any = SimpleNamespace(size=np.array([33, 48]), tags=np.zeros(0, np.uint16))
    cam, classes = nothing_drawn(image, 4)
    assert (tuple(cam.shape), classes.tolist()) == ((0, 9, 12), [])
