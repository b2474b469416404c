"""Pseudo masks of walked scores, and the two files that are filled and finished together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from made import write_sloping_cam

from wsss_cli.artifacts import CAM, LABEL, Shard, open_artifact, open_dataset
from wsss_cli.artifacts.standing import partial_path
from wsss_cli.core.crf import CrfParams
from wsss_cli.errors import UsageError, WsssError
from wsss_cli.inference.pseudo_masks import Labeller, Outputs, Task, fill, stored

IDS = [f"a/{index}" for index in range(6)]
PSA: Any = SimpleNamespace(stride=8, threshold=None)
IRN: Any = SimpleNamespace(stride=4, threshold=0.25)


@pytest.fixture
def opened(tiny_data: Path) -> Iterator[Any]:
    cam = write_sloping_cam(tiny_data.with_name("cam.h5"), tiny_data)
    with ExitStack() as files:
        maps = files.enter_context(open_artifact(cam, CAM))
        yield maps, files.enter_context(open_dataset(tiny_data))


def task(opened: Any, folder: Path, scores: bool = True, **changes: Any) -> Task:
    maps, data = opened
    told = {
        **{"out": folder / "out.h5", "scores": folder / "walk.h5" if scores else None},
        **{"maps": maps, "inputs": [data, maps], "ids": IDS, "shard": Shard.parse("1/1")},
        "force": False,
    }
    return Task(**{**told, **changes})


class Walked:
    """Walked scores that are the same number everywhere: 0.5 of the first class, 0.3 elsewhere."""

    def __init__(self, maps: Any) -> None:
        self.maps, self.done = maps, []  # type: ignore[var-annotated]

    def walked(self, ids: list[str]) -> Iterator[tuple[str, np.ndarray]]:
        for image_id in ids:
            self.done.append(image_id)
            scores = np.full((len(self.maps[image_id]["classes"]), 8, 12), 0.3, np.float32)
            scores[:1] = 0.5
            yield image_id, scores


def filled(opened: Any, of: Task, labeller: Any = None) -> list[str]:
    """Fill what a task opens; the ids that were walked."""
    maps, data = opened
    walker: Any = Walked(maps)
    with of.open({"walk": 1}, {"threshold": 0.25}) as outputs:
        fill(outputs, walker, labeller or Labeller(maps, data, IRN, None), 0, quiet=True)
    return walker.done


def test_a_label_is_the_strongest_score_at_a_pixel(opened: Any) -> None:
    walked = np.zeros((3, 4, 6), np.float32)  # background, red and green on cells of 8 pixels
    walked[0], walked[1, :, :3], walked[2, :, 3:] = 0.4, 0.9, 0.9
    item = Labeller(*opened, PSA, None)("a/3", walked)
    assert item["present"].tolist() == [0, 1]
    assert (item["label"].shape, item["label"].dtype) == ((32, 48), np.uint8)
    assert (item["label"][:, :24] == 1).all()
    assert (item["label"][:, 24:] == 2).all()


def test_a_threshold_stands_for_a_background_that_does_not_walk(opened: Any) -> None:
    walked = np.full((2, 8, 12), 0.1, np.float32)
    walked[1, :, 6:] = 0.9
    label = Labeller(*opened, IRN, None)("a/4", walked)["label"]
    assert (label[:, :20] == 0).all()  # 0.1 is below 0.25
    assert (label[:, 28:] == 3).all()  # the second class of a/4 is blue
    assert set(np.unique(label)) == {0, 3}


def test_no_class_is_background_and_no_image_is_read(opened: Any) -> None:
    maps, _ = opened
    unread: Any = SimpleNamespace()
    labeller = Labeller(maps, unread, IRN, CrfParams())
    item = labeller("a/5", np.zeros((0, 8, 12), np.float32))
    assert not item["label"].any()
    assert item["label"].shape == (32, 48)


def test_a_crf_that_cannot_work_names_the_image(
    opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsss_cli.core.crf.REACH", {"gaussian": 1, "bilateral": 1})
    labeller = Labeller(*opened, IRN, CrfParams())
    with pytest.raises(WsssError, match="a/3: a CRF of gaussian sxy 3 cannot work on 48 pixels"):
        labeller("a/3", np.full((2, 8, 12), 0.5, np.float32))


def test_walked_maps_as_they_are_kept() -> None:
    item = {"classes": np.array([2, 5]), "size": np.array([8, 8]), "cam": np.zeros((2, 1, 1))}
    walked = np.array([0.25, 0.5, 1.0625], np.float32).reshape(3, 1, 1)
    with_background = stored(item, walked)
    assert with_background["background"] == np.float16(0.25)
    assert with_background["cam"].flatten().tolist() == [0.5, 1]  # type: ignore[union-attr]
    assert with_background["cam"].dtype == np.float16  # type: ignore[union-attr]
    assert with_background["classes"] is item["classes"]
    alone = stored(item, walked[1:])
    assert alone["background"] is None
    assert alone["cam"].flatten().tolist() == [0.5, 1]  # type: ignore[union-attr]


def test_both_files_are_filled(opened: Any, tmp_path: Path) -> None:
    assert filled(opened, task(opened, tmp_path)) == IDS
    with (
        open_artifact(tmp_path / "out.h5", LABEL) as masks,
        open_artifact(tmp_path / "walk.h5", CAM) as walked,
    ):
        assert (masks.params, walked.params) == ({"walk": 1, "threshold": 0.25}, {"walk": 1})
        assert masks.ids == walked.ids == IDS
        assert (masks["a/3"]["label"] == 1).all()
        assert walked["a/3"]["cam"][:, 0, 0].tolist() == [0.5, np.float16(0.3)]
        assert not masks["a/5"]["label"].any()
    assert filled(opened, task(opened, tmp_path, scores=False, out=tmp_path / "b.h5")) == IDS
    assert not partial_path(tmp_path / "b.h5").exists()


def test_what_either_lacks_is_done_again(opened: Any) -> None:
    labels: Any = SimpleNamespace(todo=["a", "c"], total=5)
    scores: Any = SimpleNamespace(todo=["b", "c"], total=5)
    outputs = Outputs(labels, scores, opened[0])
    assert (outputs.todo, outputs.total, len(outputs)) == (["a", "b", "c"], 5, 2)
    alone = Outputs(labels, None, opened[0])
    assert (alone.todo, len(alone)) == (["a", "c"], 3)


def test_a_run_that_stops_keeps_what_is_done_and_goes_on(opened: Any, tmp_path: Path) -> None:
    class Stops(Labeller):
        def __call__(self, image_id: str, walked: np.ndarray) -> dict[str, np.ndarray]:
            if image_id == "a/2":
                raise WsssError("stopped")
            return super().__call__(image_id, walked)

    with pytest.raises(WsssError, match="stopped"):
        filled(opened, task(opened, tmp_path), Stops(*opened, IRN, None))
    assert not (tmp_path / "out.h5").exists()
    assert filled(opened, task(opened, tmp_path)) == IDS[2:]
    with open_artifact(tmp_path / "walk.h5", CAM) as walked:
        assert walked.ids == IDS


def test_maps_that_were_finished_before_a_kill_are_not_made_again(
    opened: Any, tmp_path: Path
) -> None:
    filled(opened, task(opened, tmp_path))
    made = (tmp_path / "walk.h5").read_bytes()
    (tmp_path / "out.h5").unlink()
    with pytest.raises(UsageError, match=r"walk\.h5: exists already"):
        filled(opened, task(opened, tmp_path))
    partial_path(tmp_path / "out.h5").write_bytes(b"")
    with task(opened, tmp_path).open({"walk": 1}, {"threshold": 0.25}) as outputs:
        assert outputs.scores is None
        assert outputs.todo == IDS
        raised = pytest.raises(UsageError, match=r"walk\.h5: exists already")
        with raised, task(opened, tmp_path).open({"walk": 2}, {}):
            pass  # another run's maps
        walker: Any = Walked(opened[0])
        fill(outputs, walker, Labeller(*opened, IRN, None), 0, quiet=True)
    assert (tmp_path / "walk.h5").read_bytes() == made
    with open_artifact(tmp_path / "out.h5", LABEL) as masks:
        assert masks.ids == IDS
