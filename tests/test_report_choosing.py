"""Which images a sheet shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made import masks_of, pack_like, random_cams, write_cam, write_labels

from wsss_cli.artifacts import open_artifact, open_dataset
from wsss_cli.errors import WsssError
from wsss_cli.report.choosing import choose_images


@pytest.fixture
def files(tiny_data: Path, tmp_path: Path) -> tuple[Path, Path]:
    return (
        write_cam(tmp_path / "cam.h5", tiny_data, random_cams(tiny_data)),
        write_labels(tmp_path / "seeds.h5", tiny_data, masks_of(tiny_data)),
    )


def test_which_images_are_chosen(tiny_data: Path, files: tuple[Path, Path], tmp_path: Path) -> None:
    part = write_labels(
        tmp_path / "part.h5", tiny_data, {f"a/{i}": np.zeros((32, 48), np.uint8) for i in (1, 2)}
    )
    with open_dataset(tiny_data) as data, open_artifact(part) as few:
        ids = data.ids
        assert choose_images(data, [], None, None, None, None) == ids
        assert choose_images(data, [], "val", None, None, None) == ["a/2", "a/5"]
        assert choose_images(data, [few], None, None, None, None) == ["a/1", "a/2"]
        assert choose_images(data, [few], "train", None, None, None) == ["a/1"]
        assert choose_images(data, [], None, None, 3, None) == ["a/1", "a/3", "a/5"]  # spread
        assert choose_images(data, [], None, None, 1, None) == ["a/3"]
        drawn = {tuple(choose_images(data, [], None, None, 2, seed)) for seed in range(30)}
        assert len(drawn) > 5
        assert all(list(some) == sorted(set(some)) for some in drawn)
        listed = tmp_path / "ids.txt"
        listed.write_text("a/5\na/0\n")
        assert choose_images(data, [few], None, str(listed), None, None) == ["a/5", "a/0"]
        assert choose_images(data, [few], None, str(listed), 1, None) == ["a/0"]
        with pytest.raises(WsssError, match="not in"):
            choose_images(data, [], "train", str(listed), None, None)
    many = [f"{index:03}" for index in range(100)]
    big = pack_like(
        tmp_path / "big.h5", dict.fromkeys(many, np.zeros((2, 2, 3), np.uint8)), {}, {}, ["x"]
    )
    with open_dataset(big) as data:
        assert len(choose_images(data, [], None, None, None, None)) == 8


def test_images_are_drawn_by_a_seed_and_refused_where_there_are_none(
    tiny_data: Path, tmp_path: Path
) -> None:
    with open_dataset(tiny_data) as data:
        first = choose_images(data, [], None, None, 3, 1)
        assert first == choose_images(data, [], None, None, 3, 1)
        assert len(set(first)) == 3
        assert choose_images(data, [], None, None, 9, 1) == data.ids  # all, however drawn
        only = write_labels(tmp_path / "p.h5", tiny_data, {"a/1": np.zeros((32, 48), np.uint8)})
        with open_artifact(only) as few, pytest.raises(WsssError) as caught:
            choose_images(data, [few], "val", None, None, None)
    assert str(caught.value) == f"{tiny_data}: no image of it is in every file"
    assert caught.value.hint == "--ids shows images that some files lack"
