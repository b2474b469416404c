"""Opening a data set: which one, and what does not go with it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import SIZE

from wsss_cli.artifacts import DATASET, LABEL, create, open_artifact, open_dataset
from wsss_cli.artifacts.dataset import DatasetReader
from wsss_cli.artifacts.opening import check_classes
from wsss_cli.errors import WsssError


def label_file(path: Path, data: DatasetReader, classes: list[str] | None = None) -> Path:
    with create(
        path, LABEL, classes=classes or data.classes, params={}, inputs=[data], ids=["a/0"]
    ) as out:
        label = np.zeros(SIZE, np.uint8)
        for image_id in out.todo:
            out.put(image_id, label=label, present=np.zeros(0, np.uint16))
    return path


def test_a_later_stage_finds_the_data_set_that_its_input_records(
    tiny_data: Path, tmp_path: Path
) -> None:
    with open_dataset(tiny_data) as data:
        label = label_file(tmp_path / "label.h5", data)
        second = tmp_path / "second.h5"
        with (
            open_artifact(label) as source,
            create(second, LABEL, classes=data.classes, params={}, inputs=[source], ids=[]),
        ):
            pass
        with open_artifact(second) as source, open_dataset(None, source) as found:
            assert found.run == data.run


def test_a_moved_folder_still_finds_its_data_set(tiny_data: Path, tmp_path: Path) -> None:
    with open_dataset(tiny_data) as data:
        label_file(tmp_path / "label.h5", data)
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("data.h5", "label.h5"):
        shutil.move(tmp_path / name, moved / name)
    with open_artifact(moved / "label.h5") as source, open_dataset(None, source) as found:
        assert found.path == moved / "data.h5"


def test_a_data_set_that_is_gone_or_changed_is_refused(tiny_data: Path, tmp_path: Path) -> None:
    with open_dataset(tiny_data) as data:
        label = label_file(tmp_path / "label.h5", data)
    other = tmp_path / "other.h5"
    with create(other, DATASET, classes=["red", "green", "blue"], params={}, ids=[]):
        pass
    tiny_data.unlink()
    with open_artifact(label) as source:
        with pytest.raises(WsssError, match=r"data.h5: no such file \(the data set that"):
            open_dataset(None, source)
        other.rename(tiny_data)
        with pytest.raises(WsssError, match=r"is not the data set that .*label.h5 was made from"):
            open_dataset(None, source)
        assert open_dataset(tiny_data, source).classes == ["red", "green", "blue"]
    with pytest.raises(WsssError, match="no data set given"):
        open_dataset(None)


def test_class_names_that_differ_are_refused(tiny_data: Path, tmp_path: Path) -> None:
    with open_dataset(tiny_data) as data:
        for names, pair in (
            (["red", "blue", "green"], "'green' against 'blue'"),
            (["red", "green"], "'blue' against None"),
        ):
            path = label_file(tmp_path / f"{len(names)}.h5", data, names)
            with open_artifact(path) as other, pytest.raises(WsssError, match=pair):
                check_classes(data, other)


def test_labels_of_other_sizes_than_the_images_are_refused(tiny_data: Path, tmp_path: Path) -> None:
    """Whatever the command: the data set is opened together with what was made from it."""
    path = tmp_path / "label.h5"
    with create(path, LABEL, classes=["red", "green", "blue"], params={}, ids=["a/1", "z"]) as out:
        for image_id in out.todo:
            out.put(image_id, label=np.zeros((9, 8), np.uint8), present=np.zeros(0, np.uint16))
    with (
        open_artifact(path) as labels,
        pytest.raises(WsssError, match=r"a/1: is 32x48 in .*data.h5, but 9x8 in .*label.h5") as err,
    ):
        open_dataset(tiny_data, labels)
    assert err.value.hint == "name the data set that label.h5 was made from with --data"
