"""The chain as Make rules: complete, then up to date; a change rebuilds what hangs on it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from wsss_cli.artifacts import LABEL, open_artifact

ROOT = Path(__file__).resolve().parent.parent
WSSS = Path(sys.executable).with_name("wsss")
NET = "--backbone tiny --backbone-weights random --workers 0 --epochs 1 --crop 32"


@pytest.mark.skipif(not WSSS.exists() or not shutil.which("make"), reason="needs make and wsss")
def test_the_chain_by_make(tiny_data: Path) -> None:
    run = tiny_data.parent / "run"
    variables = {
        "WSSS": WSSS,
        "RUN": run,
        "DATA": tiny_data,
        "FLAGS_cls": f"{NET} --freeze-stages 0",
        "FLAGS_cam": "--scales 1 --workers 0",
        "FLAGS_seeds": "--method threshold",
        "FLAGS_aff": f"{NET} --radius 3",
        "FLAGS_walk": "--steps 4",
        "FLAGS_seg": f"{NET} --model fcn --freeze-stages 0",
        "FLAGS_pred": "--scales 1 --no-flip",
        "FLAGS_view": "--limit 1",
    }

    def make(*options: str, **changed: str) -> tuple[int, list[str]]:
        """Exit code, and the stages that ran, in order."""
        settings = [f"{name}={value}" for name, value in {**variables, **changed}.items()]
        done = subprocess.run(
            ["make", "-C", str(ROOT), *options, *settings], capture_output=True, text=True
        )
        ran = re.findall(rf"^{re.escape(str(WSSS))} ([a-z-]+) ", done.stdout, re.MULTILINE)
        assert done.returncode == 0 or "-q" in options, done.stdout[-2000:] + done.stderr[-2000:]
        return done.returncode, [name for name in ran if name not in ("eval", "view", "info")]

    _, ran = make()
    chain = "train-cls make-cam make-seeds train-aff random-walk train-seg predict"
    assert ran == chain.split()
    with open_artifact(run / "pred.h5", LABEL) as masks:
        assert masks.ids == ["a/2", "a/5"]
    names = ("cam", "seeds", "pseudo", "pred")
    assert all((run / f"{name}.json").stat().st_size > 0 for name in names)
    assert make()[1] == []
    # nothing but the summary, which has no file, is left to do
    assert make("-q", str(run / "pred.json"), str(run / "sheet.png"))[0] == 0

    (run / "pseudo.h5").unlink()
    assert make()[1] == ["random-walk", "train-seg", "predict"]
    assert make(FLAGS_pred="--scales 1 --flip")[1] == ["predict"]
    variables["FLAGS_pred"] = "--scales 1 --flip"

    with open_artifact(run / "pseudo.h5", LABEL) as masks:
        before = {image_id: masks[image_id]["label"].tobytes() for image_id in masks.ids}
        identity = masks.run
    (run / "pseudo.h5").unlink()
    _, ran = make("-j2", str(run / "pseudo.h5"), SHARDS="2")
    assert sorted(ran) == ["merge", "random-walk", "random-walk"]
    with open_artifact(run / "pseudo.h5", LABEL) as masks:
        assert {image_id: masks[image_id]["label"].tobytes() for image_id in masks.ids} == before
        assert masks.run == identity
