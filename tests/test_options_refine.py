"""--refine in make-seeds, random-walk and predict: one group of options, one place in each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made import contents, same, write_sloping_cam, wsss
from test_cli_make_seeds import pixels_of
from test_cli_predict import FAST, probabilities, write_segmenter
from test_cli_random_walk import write_weights

from wsss_cli.artifacts import CAM, LABEL, open_artifact, open_dataset
from wsss_cli.core.cam import dequantise
from wsss_cli.core.crf import PRESETS, CrfParams
from wsss_cli.core.pamr import PamrParams
from wsss_cli.core.pseudo import score_stack, stack_labels
from wsss_cli.core.refine import refine_scores
from wsss_cli.core.seeds.irn import irn_seeds
from wsss_cli.core.seeds.psa import psa_seeds
from wsss_cli.core.walk_defaults import IRN_THRESHOLD
from wsss_cli.options.refine import Refine, RefineOptions, in_this_process, recorded

PAMR = ["--refine", "pamr", "--pamr-iterations", "3", "--pamr-dilations", "1,2,5", "--device"]
PARAMS = PamrParams(3, (1, 2, 5))
RECORD = {"iterations": 3, "dilations": [1, 2, 5], "stride": 4}


@pytest.fixture
def cam(tiny_data: Path) -> Path:
    return write_sloping_cam(tiny_data.with_name("cam.h5"), tiny_data)


@pytest.mark.parametrize("method", ["irn", "psa"])
def test_seeds(tiny_data: Path, cam: Path, method: str) -> None:
    folder = tiny_data.parent
    for workers in (0, 2):
        out = folder / f"{workers}.h5"
        command = ["make-seeds", "--cam", cam, "-o", out, "--method", method, *PAMR, "cpu"]
        result = wsss(*command, "--workers", workers)
        assert result.exit_code == 0, result.stderr
    same(folder / "0.h5", folder / "2.h5")
    with open_artifact(folder / "0.h5", LABEL) as seeds, open_dataset(tiny_data) as data:
        assert seeds.params["crf"] is None
        assert seeds.params["pamr"] == RECORD
        function = irn_seeds if method == "irn" else psa_seeds
        scene = data.image("a/3"), pixels_of(cam, "a/3"), data.tags("a/3")
        found = seeds["a/3"]["label"]
        assert np.array_equal(found, function(*scene, crf=PARAMS))
        assert not np.array_equal(found, function(*scene, crf=None))


def test_walk(tiny_data: Path, cam: Path) -> None:
    folder = tiny_data.parent
    weights = write_weights(folder / "irn.pt", "irn", tiny_data)
    command = ["random-walk", "--cam", cam, "-w", weights, "--device", "cpu"]
    for unary in ("scores", "labels"):
        out, walked = folder / f"{unary}.h5", folder / f"walk-{unary}.h5"
        options = ["-o", out, "--scores", walked, "--crf-unary", unary, *PAMR[:-1]]
        result = wsss(*command, *options, "--pamr-stride", 2)
        assert result.exit_code == 0, result.stderr
        with open_artifact(out, LABEL) as masks, open_artifact(walked, CAM) as maps:
            assert masks.params["pamr"] == {**RECORD, "stride": 2}
            assert masks.params["crf_unary"] == unary
            scores = dequantise(maps["a/3"]["cam"])
            found, classes = masks["a/3"]["label"], maps["a/3"]["classes"]
        with open_dataset(tiny_data) as data:
            image = data.image("a/3")
        stack = score_stack(scores, image.shape[:2], 4, IRN_THRESHOLD)
        params = PamrParams(3, (1, 2, 5), 2)
        expected = stack_labels(stack, classes, image=image, crf=params, unary=unary)
        assert (found == expected).mean() > 0.99  # kept maps are rounded
        assert set(np.unique(found)) <= {0, *(classes + 1)}


def test_predict(tiny_data: Path) -> None:
    weights, out = write_segmenter(tiny_data), tiny_data.with_name("pred.h5")
    result = wsss("predict", "-w", weights, "-o", out, *FAST, *PAMR, "cpu")
    assert result.exit_code == 0, result.stderr
    with open_dataset(tiny_data) as reader:
        image = reader.image("a/3")
    chance = probabilities(weights, image, (1.0,), False, [0, 1, 2, 3])
    refined = refine_scores(image, [chance.astype(np.float32)], PARAMS)[0]
    assert (contents(out)["a/3"]["label"] == refined.argmax(0)).mean() > 0.99
    with open_artifact(out) as labels:
        assert (labels.params["crf"], labels.params["pamr"]) == (None, RECORD)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--refine", "crf"], PRESETS["irn"]),
        (["--refine", "crf", "--crf", "deeplab-v2"], PRESETS["deeplab-v2"]),
        (["--refine", "none"], None),
    ],
)
def test_the_crf_by_this_name(
    tiny_data: Path, cam: Path, options: list[str], expected: CrfParams | None
) -> None:
    out = tiny_data.with_name("seeds.h5")
    assert wsss("make-seeds", "--cam", cam, "-o", out, *options).exit_code == 0
    with open_artifact(out, LABEL) as seeds:
        crf = seeds.params["crf"]
        assert (crf if crf is None else CrfParams(**crf)) == expected
        assert "pamr" not in seeds.params


def test_a_stage_without_a_crf_of_its_own_takes_psas(tiny_data: Path) -> None:
    weights, out = write_segmenter(tiny_data), tiny_data.with_name("pred.h5")
    listed = tiny_data.with_name("ids.txt")
    listed.write_text("a/0\n")
    command = ["predict", "-w", weights, "-o", out, *FAST, "--refine", "crf", "--ids", listed]
    assert wsss(*command).exit_code == 0
    with open_artifact(out, LABEL) as labels:
        assert CrfParams(**labels.params["crf"]) == PRESETS["psa"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--pamr-iterations", "3"], "--pamr-iterations: needs --refine pamr"),
        (["--refine", "crf", "--pamr-stride", "3"], "--pamr-stride: needs --refine pamr"),
        (["--refine", "pamr", "--crf", "psa"], "--crf: is of the CRF, and there is none"),
        (["--refine", "none", "--crf-iterations", "2"], "--crf-iterations: is of the CRF"),
        (["--refine", "pamr", "--pamr-dilations", "1,x"], "--pamr-dilations 1,x: need whole"),
        (["--refine", "pamr", "--pamr-dilations", "0"], "--refine pamr: PAMR's dilations must"),
        (["--refine", "pamr", "--pamr-stride", "99"], "--refine pamr: PAMR's stride must lie"),
        (["--refine", "pamr", "--device", "moon"], "--device moon: unknown"),
        (
            ["--refine", "pamr", "--method", "threshold"],
            "--refine pamr: --method threshold refines nothing",
        ),
    ],
)
def test_options_that_contradict(cam: Path, options: list[str], message: str) -> None:
    out = cam.with_name("seeds.h5")
    result = wsss("make-seeds", "--cam", cam, "-o", out, *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not out.exists()


def test_what_is_recorded_is_the_one_or_the_other_and_no_machine() -> None:
    assert recorded(None) == {"crf": None}
    crf = {"gaussian_sxy": 3, "gaussian_compat": 3, "bilateral_sxy": 50, "bilateral_srgb": 5}
    assert recorded(PRESETS["irn"]) == {"crf": {**crf, "bilateral_compat": 10, "iterations": 10}}
    expected = {"crf": None, "pamr": RECORD}
    assert recorded(PARAMS) == recorded(PamrParams(3, (1, 2, 5), 4, "cuda")) == expected


def test_pamr_is_the_published_one_unless_told() -> None:
    found = RefineOptions(refine=Refine.pamr).refinement("irn", "cpu")
    assert found == PamrParams(10, (1, 2, 4, 8, 12, 24), 4, "cpu")
    none = RefineOptions(refine=Refine.pamr, pamr_iterations=0, crf="none")
    assert none.refinement("irn", "cpu") == PamrParams(0, (1, 2, 4, 8, 12, 24), 4, "cpu")


def test_a_gpu_refines_in_this_process() -> None:
    assert in_this_process(None)
    assert in_this_process(PamrParams(device="cuda:1"))
    assert not in_this_process(PamrParams(device="cpu"))
    assert not in_this_process(PRESETS["psa"])
