"""What predict records, refuses, and where its labels go."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from wsss_cli.artifacts import LABEL, Shard, open_artifact, open_dataset
from wsss_cli.core.crf import PRESETS
from wsss_cli.core.pamr import PamrParams
from wsss_cli.errors import UsageError, WsssError
from wsss_cli.inference.images import ImageFiles
from wsss_cli.inference.predicting import (
    PredictSetting,
    Task,
    check_classes,
    refuse_beside_files,
    trained_side,
)
from wsss_cli.machine.place import Place
from wsss_cli.nets.single_stage import PresenceRule
from wsss_cli.options.looking import Views

CPU = Place(torch.device("cpu"))
VIEWS = Views((1.0, 0.5), True, 99)


def weights(n_classes: int = 3, **params: Any) -> Any:
    """What weights say of themselves."""
    return SimpleNamespace(
        path=Path("seg.pt"),
        kind="wsss/seg",
        run="0123",
        data=None,
        classes=[f"class {number}" for number in range(n_classes)],
        params=params,
    )


def test_all_that_changes_the_numbers_is_recorded() -> None:
    record = PredictSetting(VIEWS, True, 0.25, None).record(CPU)
    assert record == {
        **{"scales": (1.0, 0.5), "flip": True, "max_side": 99, "restrict_to_tags": True},
        **{"min_confidence": 0.25, "crf": None, "precision": "f32", "fusion": "mean of logits"},
    }
    crf = PredictSetting(VIEWS, False, 0.0, PRESETS["psa"]).record(CPU)
    assert crf["crf"]["bilateral_sxy"] == 80
    pamr = PredictSetting(VIEWS, False, 0.0, PamrParams(3, (1, 2), 2)).record(CPU)
    assert (pamr["crf"], pamr["pamr"]["iterations"]) == (None, 3)
    ruled = PredictSetting(VIEWS, False, 0.0, None, PresenceRule(0.2, 2.0)).record(CPU)
    assert ruled["fusion"] == "mean of probabilities"
    assert (ruled["min_class"], ruled["background_power"]) == (0.2, 2.0)


def test_label_maps_hold_so_many_classes() -> None:
    check_classes(weights(254))
    with pytest.raises(WsssError) as caught:
        check_classes(weights(255))
    assert str(caught.value) == "seg.pt: has 255 classes; label maps hold 254 at most"


def test_the_side_is_that_of_training() -> None:
    assert trained_side(weights()) == 1024
    assert trained_side(weights(max_side=320)) == 320
    assert trained_side(weights(max_side=0)) == 0
    for value in (-1, "320", None, 3.5):
        with pytest.raises(WsssError, match=r"seg\.pt: damaged \(max_side") as caught:
            trained_side(weights(max_side=value))
        assert str(caught.value.hint).startswith("give --max-side")


def from_where(name: str) -> Any:
    """Whence Click says that an option's value is."""
    return SimpleNamespace(name=name)


@pytest.mark.parametrize(
    ("source", "split", "restrict", "said"),
    [
        (from_where("COMMANDLINE"), None, False, "--data: needs a data set"),
        (from_where("DEFAULT"), "val", False, "--split: needs a data set"),
        (None, None, True, "--restrict-to-tags: needs a data set"),
    ],
)
def test_image_files_have_no_splits_and_no_tags(
    source: Any, split: str | None, restrict: bool, said: str
) -> None:
    context: Any = SimpleNamespace(get_parameter_source=lambda name: source)
    with pytest.raises(UsageError, match=said):
        refuse_beside_files(context, split, restrict)


@pytest.mark.parametrize("source", [None, from_where("DEFAULT"), from_where("ENVIRONMENT")])
def test_a_data_set_of_the_environment_is_not_asked_for(source: Any) -> None:
    context: Any = SimpleNamespace(get_parameter_source=lambda name: source)
    refuse_beside_files(context, None, False)


def task(source: Any, ids: list[str], force: bool = False) -> Task:
    trained = weights()
    trained.classes = list(getattr(source, "classes", trained.classes))
    return Task(source, trained, {"flip": True}, ids, Shard.parse("1/1"), force)


def test_labels_go_to_an_artifact(tiny_data: Path) -> None:
    out = tiny_data.with_name("pred.h5")
    label = np.arange(6, dtype=np.uint8).reshape(2, 3) % 4
    with open_dataset(tiny_data) as reader:
        with task(reader, ["a/0"]).labels(out) as writer:
            writer.put("a/0", label=label, present=np.array([0], np.uint16))
        with pytest.raises(UsageError, match=r"pred\.h5: exists already"):
            task(reader, ["a/0"]).labels(out)
    with open_artifact(out, LABEL) as found:
        assert np.array_equal(found["a/0"]["label"], label)
        assert found.params == {"flip": True}
        assert [one["kind"] for one in found.inputs] == ["wsss/dataset", "wsss/seg"]


def test_labels_go_to_pngs(tiny_data: Path) -> None:
    folder = tiny_data.with_name("png")
    with open_dataset(tiny_data) as reader:
        with task(reader, ["a/0", "a/1"]).pngs(folder) as out:
            for image_id in out.todo:
                out.put(image_id, label=np.zeros((2, 3), np.uint8), present=np.zeros(0, np.uint16))
        with pytest.raises(UsageError, match=r"data\.h5: is a file, --png names a folder"):
            task(reader, ["a/0"]).pngs(tiny_data)
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    assert found == ["a/0.png", "a/1.png"]


def test_image_files_are_never_written_over(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((2, 3), np.uint8)).save(tmp_path / "a.png")
    source = ImageFiles([tmp_path / "a.png"])
    content = (tmp_path / "a.png").read_bytes()
    with pytest.raises(WsssError, match=r"a\.png: is an input"):
        task(source, ["a"], force=True).labels(tmp_path / "a.png")
    with pytest.raises(WsssError, match=r"a\.png"):
        task(source, ["a"], force=True).pngs(tmp_path)
    assert (tmp_path / "a.png").read_bytes() == content
