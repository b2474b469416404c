"""What the stages are measured on, and how rates follow from seconds."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from made import wsss

from wsss_cli.artifacts import open_dataset
from wsss_cli.core.reading import Reading
from wsss_cli.planning import measure as _measure
from wsss_cli.planning.chain import EVAL, NAMES, STAGES, Stage
from wsss_cli.planning.measure import Probe, Rate, seen_megapixels


def test_megapixels_after_max_side() -> None:
    assert seen_megapixels((1000, 2000), 0) == 2
    assert seen_megapixels((1000, 2000), 4000) == 2
    assert seen_megapixels((1000, 2000), 1000) == 0.5


def test_what_cannot_be_measured_is_said(tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Probe, commands: object) -> dict[str, Any]:
        raise RuntimeError("no memory")

    monkeypatch.setattr(Probe, "_run", fail)
    result = wsss("plan", "--data", tiny_data, "--json", "-q")
    assert result.exit_code == 0
    said = "wsss: warning: train-cls: cannot be measured (no memory), nor can what follows\n"
    assert result.stderr == said
    assert all(row["seconds"] is None for row in json.loads(result.stdout)["stages"])


def test_the_largest_image_is_measured(tiny_data: Path) -> None:
    class Data:
        def size(self, image_id: str) -> tuple[int, int]:
            return 10, int(image_id)

        def tags(self, image_id: str) -> list[int]:
            return [] if image_id == "99" else [0]

    ids = [str(side) for side in (5, 99, 1, 2, 3, 4, 50, 6)]
    chosen = _measure.choose_images(Data(), ids)  # type: ignore[arg-type]
    assert chosen == ["3", "4", "5", "50"]


def test_measured_images_keep_their_ids(tiny_data: Path, tmp_path: Path) -> None:
    """So that --targets, --saliency and the like find what belongs to them."""
    with open_dataset(tiny_data) as data:
        names = _measure.small_copy(data, ["a/3", "a/0"], tmp_path / "small.h5")
        assert names[:2] == ["a/3", "a/0"]
        with open_dataset(tmp_path / "small.h5") as small:
            assert small.ids == sorted(names)
            assert [bytes(small.encoded_image(name)) for name in names] == [
                bytes(data.encoded_image(image_id)) for image_id in ("a/3", "a/0", "a/3", "a/0")
            ]


def test_measured_images_are_read_in_the_same_way(tiny_data: Path, tmp_path: Path) -> None:
    with open_dataset(tiny_data) as data:
        data.reading = Reading(range=(0, 4095), alpha="drop")
        _measure.small_copy(data, ["a/3"], tmp_path / "small.h5")
        with open_dataset(tmp_path / "small.h5") as small:
            assert small.params == {"range": [0, 4095], "alpha": "drop"}


def stage(name: str) -> Stage:
    return STAGES[NAMES.index(name)]


class Timed:
    """Stands in for the processes that are measured: their seconds and peaks, as told."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers = list(answers)
        self.commands: list[list[str]] = []

    def __call__(self, probe: Probe, commands: list[list[str]]) -> dict[str, Any]:
        self.commands += commands
        return self.answers.pop(0)


@pytest.fixture
def probe(tiny_data: Path, tmp_path: Path) -> Probe:
    (tmp_path / "probe").mkdir()
    flags = {**dict.fromkeys(NAMES, ""), "make-cam": "--stride 8", EVAL: "--average all"}
    with open_dataset(tiny_data) as data:
        return Probe(tmp_path / "probe", data, data.split("train"), flags)


IMAGE = 32 * 48 / 1e6  # megapixels


def test_a_rate_is_the_slope_over_the_pixels(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    """6 s for three more images are 2 s an image, of the first run's 5 s too."""
    timed = Timed({"seconds": [5, 3, 9], "peak": 70})
    monkeypatch.setattr(Probe, "_run", lambda *words: timed(*words))
    rate = probe.image_stage(stage("make-cam"))
    assert rate == Rate(pytest.approx(3), pytest.approx(2 / IMAGE), 70)
    one, again, every = timed.commands
    assert one == again
    given = ["make-cam", "--weights", "cls.pt", "--data", "data.h5", "--stride", "8", "--ids"]
    assert one == [*given, "one", "-o", "one.h5", "--force", "-q"]
    assert every == [*given, "all", "-o", "cam.h5", "-q"]


def test_a_rate_is_never_below_nothing(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    timed = Timed({"seconds": [1, 9, 3], "peak": 70})
    monkeypatch.setattr(Probe, "_run", lambda *words: timed(*words))
    assert probe.image_stage(stage("make-cam")) == Rate(1, 0, 70)


def test_scores_are_measured_with_evals_own_options(
    probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed = Timed({"seconds": [1, 1, 4], "peak": 70})
    monkeypatch.setattr(Probe, "_run", lambda *words: timed(*words))
    assert probe.scoring("cam.h5").work == pytest.approx(1 / IMAGE)
    assert " ".join(timed.commands[2]) == (
        "eval cam.h5 --data data.h5 --average all --ids all --json all.json --force -q"
    )


@pytest.mark.parametrize(
    ("parallel", "batches", "per_image", "memory"),
    [(16, (4, 2), 20, 100 + 12 * 20), (3, (3, 1), 20, 100), (1, (2, 1), 40, 100 - 40)],
)
def test_training_is_measured_at_a_batch_and_at_half_of_it(
    probe: Probe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    parallel: int,
    batches: tuple[int, int],
    per_image: float,
    memory: float,
) -> None:
    timed = Timed({"seconds": [7, 4, 10], "peak": 100}, {"seconds": [7], "peak": 60})
    monkeypatch.setattr(Probe, "_run", lambda *words: timed(*words))
    (tmp_path / "probe" / "cls.pt").write_bytes(b"weights")
    rate = probe.training(stage("train-cls"), parallel)
    # 6 s for two more steps of four images
    assert rate == Rate(7, 6 / 8, memory, per_image, weights=7)
    sizes = [word for words in timed.commands for word in words if "--batch-size" in word]
    assert sizes == [f"--batch-size={batch}" for batch in [batches[0]] * 3 + [batches[1]]]
    epochs = [word for words in timed.commands for word in words if "--epochs" in word]
    assert epochs == ["--epochs=1", "--epochs=1", "--epochs=3", "--epochs=1"]


def test_what_follows_a_stage_that_cannot_be_measured_is_left_out(
    tiny_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def image_stage(self: Probe, stage: Stage) -> Rate:
        if stage.name == "make-seeds":
            raise RuntimeError("no memory")
        return Rate(1, 2, 3)

    monkeypatch.setattr(Probe, "image_stage", image_stage)
    monkeypatch.setattr(Probe, "scoring", lambda self, out: Rate(4, 5, 6))
    monkeypatch.setattr(Probe, "training", lambda self, stage, parallel: Rate(parallel, 8, 9))
    flags = {**dict.fromkeys(NAMES, ""), "train-cls": "--batch-size 12 --accumulate 2"}
    with open_dataset(tiny_data) as data:
        rates = _measure.measure(STAGES, data, data.ids, flags, quiet=False)
    assert rates == {
        "train-cls": Rate(6, 8, 9),
        "make-cam": Rate(1, 2, 3),
        "eval cam.h5": Rate(4, 5, 6),
    }
    assert capsys.readouterr().err.splitlines() == [
        "plan: measuring train-cls",
        "plan: measuring make-cam",
        "plan: measuring make-seeds",
        "wsss: warning: make-seeds: cannot be measured (no memory), nor can what follows",
    ]


@pytest.mark.parametrize(
    ("code", "out", "err", "said"),
    [
        (1, "", "first\nlast\n", "last"),
        (-9, "", "", "it was killed"),
        (0, 'talk\n{"error": "none.pt: no such file"}\n', "", "none.pt: no such file"),
    ],
)
def test_a_process_that_fails_gives_its_reason(
    probe: Probe, monkeypatch: pytest.MonkeyPatch, code: int, out: str, err: str, said: str
) -> None:
    def run(words: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(words, code, out, err)

    monkeypatch.setattr(_measure.subprocess, "run", run)
    with pytest.raises(RuntimeError, match=f"^{said}$"):
        probe.image_stage(stage("make-cam"))
