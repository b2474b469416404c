"""Photographs looked at in tiles: what a network that sees them whole says, without seams."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from large_scenes import SIZE, TILES, TILING, collection, packed, png, with_masks
from made import contents, wsss
from PIL import Image
from test_cli_predict import write_segmenter

from wsss_cli.artifacts import open_artifact, open_dataset
from wsss_cli.core.images import IMAGENET_MEAN, IMAGENET_STD, decode_mask
from wsss_cli.core.tiles import Tiling, starts, tile_id, weights
from wsss_cli.inference.tiling import Blender, JoinedTarget, TiledImages, blended, in_tiles

FAST = ("--scales", "1", "--no-flip", "--max-side", "0", "--workers", "0", "-q")


class Exact(torch.nn.Module):
    """A network that sees 2 pixels around each, in whole numbers: no sum depends on its order."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        weights = torch.randint(
            -3, 4, (labels, 3, 5, 5), generator=torch.Generator().manual_seed(1)
        )
        self.weight = torch.nn.Parameter(weights.float(), requires_grad=False)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        mean, std = (torch.tensor(one)[:, None, None] for one in (IMAGENET_MEAN, IMAGENET_STD))
        levels = ((batch * std + mean) * 255).round()
        return torch.nn.functional.conv2d(levels, self.weight, padding=2) / 1024


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(trained: object, _place: object) -> Exact:
        return Exact(len(trained.classes) + 1)  # type: ignore[attr-defined]

    monkeypatch.setattr("wsss_cli.commands.predict.segmenter", build)


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    return packed(with_masks(collection()), tmp_path / "t.h5")


def predict(weights: Path, out: Path, *words: object) -> dict[str, dict[str, np.ndarray]]:
    result = wsss("predict", "--weights", weights, "-o", out, *FAST, *words)
    assert result.exit_code == 0, result.output
    return contents(out)


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize(("side", "overlap"), [(16, 8), (24, 9), (17, 12)])
def test_labels_are_those_of_a_look_at_the_whole(
    cut: Path, tmp_path: Path, side: int, overlap: int
) -> None:
    """A quarter of the overlap holds the 2 pixels that the network sees around each."""
    plain = packed(with_masks(collection()), tmp_path / "w.h5", None)
    weights = write_segmenter(cut)
    whole = predict(weights, tmp_path / "whole.h5", "--data", plain)
    tiled = ("--tile", side, "--overlap", overlap)
    for more in ((), ("--batch-size", 3), ("--workers", 2)):
        found = predict(weights, tmp_path / "tiled.h5", "--data", plain, *tiled, "--force", *more)
        assert found.keys() == whole.keys() == {"small", "sub/big"}
        for name, item in whole.items():
            assert len(np.unique(item["label"])) > 1
            assert (found[name]["label"] == item["label"]).all()
            assert (found[name]["present"] == item["present"]).all()
    with open_artifact(tmp_path / "tiled.h5") as one:
        assert (one.params["tile"], one.params["overlap"]) == (side, overlap)


@pytest.mark.usefixtures("exact")
def test_packed_tiles_predicted_and_merged_are_the_same(cut: Path, tmp_path: Path) -> None:
    plain = packed(with_masks(collection()), tmp_path / "w.h5", None)
    weights = write_segmenter(cut)
    whole = predict(weights, tmp_path / "whole.h5", "--data", plain)
    predict(weights, tmp_path / "tiles.h5", "--data", cut)
    merged = tmp_path / "m.h5"
    assert wsss("merge", "--tiles", tmp_path / "tiles.h5", "-o", merged, "-q").exit_code == 0
    for name, item in contents(merged).items():
        assert (item["label"] == whole[name]["label"]).all()


@pytest.mark.usefixtures("exact")
def test_without_overlap_there_are_seams(cut: Path, tmp_path: Path) -> None:
    plain = packed(with_masks(collection()), tmp_path / "w.h5", None)
    weights = write_segmenter(cut)
    whole = predict(weights, tmp_path / "whole.h5", "--data", plain)["sub/big"]["label"]
    tiled = ("--tile", 16, "--overlap", 0)
    found = predict(weights, tmp_path / "t0.h5", "--data", plain, *tiled)["sub/big"]["label"]
    pixels = np.argwhere(found != whole)
    assert len(pixels)
    for axis in (0, 1):
        first = np.array(starts(SIZE[axis], 16, 0))
        ends = np.concatenate([first[1:], first[:-1] + 16])
        away = np.abs(pixels[:, axis, None] + 0.5 - ends).min(axis=1)
        pixels = pixels[away > 2]
    assert not len(pixels)  # none but within 2 pixels of a tile's end


@pytest.mark.usefixtures("exact")
def test_image_files_go_in_tiles_to_pngs(cut: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "large.png").write_bytes(png((50, 41), 3))
    out = io.BytesIO()
    Image.new("RGB", (9, 7), "red").save(out, "PNG")
    (folder / "tiny.png").write_bytes(out.getvalue())
    weights = write_segmenter(cut)
    command = ("predict", folder, "--weights", weights, *FAST)
    for name, words in (("whole", ()), ("tiled", ("--tile", 16, "--overlap", 8))):
        result = wsss(*command, "--png", tmp_path / name, *words)
        assert result.exit_code == 0, result.output
    for name in ("large.png", "tiny.png"):
        one, other = ((tmp_path / k / name).read_bytes() for k in ("whole", "tiled"))
        assert (decode_mask(one) == decode_mask(other)).all()
    assert wsss(*command, "--overlap", 3).exit_code == 2
    assert wsss(*command, "--tile", 16, "--overlap", 16).exit_code == 2


class Kept:
    """A target that keeps what it gets."""

    def __init__(self, *todo: str) -> None:
        self.todo = list(todo)
        self.total = len(todo)
        self.items: dict[str, dict[str, np.ndarray]] = {}

    def __len__(self) -> int:
        return len(self.items)

    def put(self, image_id: str, **item: np.ndarray) -> None:
        self.items[image_id] = item
        self.todo.remove(image_id)


def test_tiles_come_in_any_order_and_a_photograph_is_put_with_its_last(cut: Path) -> None:
    rng = np.random.default_rng(0)
    whole = rng.integers(0, 4, SIZE).astype(np.uint8)
    with open_dataset(packed(with_masks(collection()), cut.with_name("w.h5"), None)) as data:
        target = Kept("small", "sub/big")
        images, joined = in_tiles(data, target, TILING, data.ids)
        assert isinstance(images, TiledImages)
        assert isinstance(joined, JoinedTarget)
        assert (joined.total, len(joined), len(joined.todo)) == (25, 0, 25)
        tiles = [tile_id("sub/big", one) for one in TILING.windows(SIZE)]
        assert joined.todo == ["small", *tiles]
        order = rng.permutation(24)
        for count, number in enumerate(order):
            assert not target.items
            window = TILING.windows(SIZE)[number]
            assert images.size(tiles[number]) == (16, 16)
            joined.put(
                tiles[number], label=whole[window.slices], present=np.array([count % 3], np.uint16)
            )
        assert (target.items["sub/big"]["label"] == whole).all()
        assert target.items["sub/big"]["present"].tolist() == [0, 1, 2]
        assert (joined.total, len(joined), joined.todo) == (25, 24, ["small"])
        small = np.zeros((12, 16), np.uint8)
        joined.put("small", label=small, present=np.zeros(0, np.uint16))
        assert target.items["small"]["label"] is small


def test_a_photograph_is_decoded_once_for_its_tiles(
    cut: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_dataset(packed(with_masks(collection()), cut.with_name("w.h5"), None)) as data:
        seen: list[str] = []
        real = data.image

        def image(image_id: str) -> np.ndarray:
            seen.append(image_id)
            return real(image_id)

        monkeypatch.setattr(data, "image", image)
        images = TiledImages(data, TILES.tiling, data.ids)
        whole = real("sub/big")
        for window in TILING.windows(SIZE):
            assert (images.image(tile_id("sub/big", window)) == whole[window.slices]).all()
        assert images.tags("small").tolist() == data.tags("small").tolist()
        assert images.whole_size("sub/big") == SIZE
        assert seen == ["sub/big"]


def test_without_tiles_all_is_as_it_is(cut: Path) -> None:
    with open_dataset(cut) as data:
        target = Kept()
        assert in_tiles(data, target, None, data.ids) == (data, target)
        assert len(TiledImages(data, Tiling(16, 5), data.ids).places) == len(data)


@pytest.mark.parametrize("tiling", [Tiling(16, 5), Tiling(16, 12), Tiling(16, 0), Tiling(50, 7)])
def test_probabilities_are_blended_as_a_plain_sum_over_all_tiles(tiling: Tiling) -> None:
    rng = np.random.default_rng(4)
    windows = tiling.windows(SIZE)
    parts = [rng.random((3, w.height, w.width)).astype(np.float32) for w in windows]
    shares = [
        weights(length, tiling.side, tiling.overlap, np.arange(length) + 0.5, tiling.overlap / 4)
        for length in SIZE
    ]
    whole = np.zeros((3, *SIZE))
    for number, (window, part) in enumerate(zip(windows, parts, strict=True)):
        row, column = divmod(number, len(shares[1]))
        share = shares[0][row][:, None] * shares[1][column]
        whole[(slice(None), *window.slices)] += share[window.slices] * part
    blender, found = Blender(SIZE, tiling), {}
    for number in rng.permutation(len(windows)).tolist():
        for one, chances, loaded in blender.add(number, parts[number], f"as loaded {number}"):
            assert one not in found
            assert loaded == f"as loaded {one}"
            found[one] = chances
    assert sorted(found) == list(range(len(windows)))
    assert not blender.held
    for number, window in enumerate(windows):
        expected = whole[(slice(None), *window.slices)]
        np.testing.assert_allclose(found[number], expected, rtol=1e-4, atol=1e-6)


def test_a_row_of_tiles_is_held_and_no_more() -> None:
    blender, most = Blender((160, 96), Tiling(16, 4)), 0
    windows = Tiling(16, 4).windows((160, 96))
    for number, window in enumerate(windows):
        list(blender.add(number, np.ones((1, window.height, window.width), np.float32), None))
        most = max(most, blender.held)
    assert most <= 2 * 8 + 2
    assert blender.held == 0


def test_what_has_no_neighbours_passes_at_once(cut: Path) -> None:
    with open_dataset(packed(with_masks(collection()), cut.with_name("w.h5"), None)) as data:
        images = TiledImages(data, TILING, data.ids)
        none = np.ones((1, 0, 0), np.float32)
        jobs = [
            ("small", np.ones((2, 12, 16)), 1),
            (tile_id("sub/big", TILING.windows(SIZE)[0]), none, 2),
        ]
        assert [one[2] for one in blended(jobs, images)] == [1, 2]
        assert list(blended(jobs, data)) == jobs


@pytest.mark.usefixtures("exact")
def test_the_whole_images_of_a_data_set_of_tiles_are_labelled(cut: Path, tmp_path: Path) -> None:
    plain = packed(with_masks(collection()), tmp_path / "w.h5", None)
    weights_ = write_segmenter(cut)
    whole = predict(weights_, tmp_path / "whole.h5", "--data", plain)
    found = predict(weights_, tmp_path / "p.h5", "--data", cut, "--tile", 24, "--overlap", 8)
    for name, item in whole.items():
        assert (found[name]["label"] == item["label"]).all()
    with open_artifact(tmp_path / "p.h5") as labels, open_dataset(None, labels) as data:
        assert data.view == "whole"
    one, other = wsss("eval", tmp_path / "p.h5", "-q"), wsss("eval", tmp_path / "whole.h5", "-q")
    assert one.exit_code == other.exit_code == 0
    assert one.stdout.partition("mIoU")[2] == other.stdout.partition("mIoU")[2] != ""


def test_tiles_that_would_be_shrunk_are_refused(cut: Path) -> None:
    weights_ = write_segmenter(cut)
    words = ("--data", cut, "--scales", "1", "--no-flip", "--tile", 32, "--max-side", 16)
    result = wsss("predict", "--weights", weights_, "-o", cut.with_name("x.h5"), *words)
    assert result.exit_code == 2
    assert "--tile 32: tiles would be shrunk to --max-side 16" in result.stderr


@pytest.mark.usefixtures("exact")
def test_an_interrupted_run_goes_on_with_whole_photographs(
    cut: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = packed(with_masks(collection()), tmp_path / "w.h5", None)
    weights = write_segmenter(cut)
    out = tmp_path / "out.h5"
    words = ("--data", plain, "--tile", 16, "--overlap", 5)
    real = JoinedTarget.put

    def put(self: JoinedTarget, tile: str, **item: np.ndarray) -> None:
        if tile.endswith("y00022x00033"):
            raise KeyboardInterrupt
        real(self, tile, **item)

    with monkeypatch.context() as patch:
        patch.setattr(JoinedTarget, "put", put)
        result = wsss("predict", "--weights", weights, "-o", out, *FAST, *words)
        assert result.exit_code == 130
    seen: list[str] = []

    def noted(self: JoinedTarget, tile: str, **item: np.ndarray) -> None:
        seen.append(tile)
        real(self, tile, **item)

    monkeypatch.setattr(JoinedTarget, "put", noted)
    found = predict(weights, out, *words)
    assert len(seen) == 24  # `small` was done
    assert found["sub/big"]["label"].shape == SIZE
