"""How a network holds on other ground: its scores on corrupted copies of a devkit's images.

    python benchmarks/robustness.py --weights seg.pt --voc VOCdevkit/VOC2012 --split val

For the images as they are and for each corruption (`corrupt.py`): wsss pack, predict and eval, then
one table. "of clean" is the share of the score on clean images that is left. Images, data sets,
labels and scores stay in --out; the same command goes on where it was interrupted. Where `eval` has
--bootstrap, the table has its intervals.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from corrupt import VALUES, claim, corrupt, parse
from measuring import print_table

from wsss_cli.errors import WsssError
from wsss_cli.report.scores import in_percent

CLEAN = "clean"
KINDS = "blur", "noise", "jpeg", "dark"
USUAL = [*(f"{kind}{severity}" for kind in KINDS for severity in (1, 3, 5)), "lowres2", "small2"]
WSSS = [sys.executable, "-m", "wsss_cli"]


def wsss(*arguments: object) -> None:
    """Run a command as a user would, its messages shown.

    Raises:
        SystemExit: it failed, with its exit code.
    """
    command = [*WSSS, *map(str, arguments)]
    print("wsss " + shlex.join(command[len(WSSS) :]), file=sys.stderr, flush=True)
    if code := subprocess.run(command, check=False).returncode:
        raise SystemExit(code)


@cache
def has_option(command: str, option: str) -> bool:
    """Whether this version's command has such an option."""
    done = subprocess.run([*WSSS, command, "--help"], capture_output=True, text=True, check=True)
    return option in done.stdout.split()


def score(voc: Path, name: str, split: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """The report of `eval` on a devkit's images."""
    place: Path = arguments.out
    data, labels, scores = (
        place / f"{name}-{split}{ending}" for ending in (".h5", "-pred.h5", ".json")
    )
    if not data.exists():
        flags = shlex.split(arguments.pack_flags)
        wsss("pack", "--voc", voc, "--split", split, *flags, "-q", "-o", data)
    if not labels.exists():
        flags = shlex.split(arguments.predict_flags)
        wsss("predict", "--weights", arguments.weights, "--data", data, *flags, "-q", "-o", labels)
    intervals = ["--bootstrap", arguments.bootstrap] if has_option("eval", "--bootstrap") else []
    wsss("eval", labels, "--data", data, *intervals, "--json", scores, "--force", "-q")
    report: dict[str, Any] = json.loads(scores.read_text())
    return report


def about(arguments: argparse.Namespace) -> dict[str, object]:
    """What the files of a run hang on.

    Raises:
        WsssError: the weights cannot be read.
    """
    try:
        weights = hashlib.sha256(arguments.weights.read_bytes()).hexdigest()[:16]
    except OSError as err:
        raise WsssError(f"{arguments.weights}: {err.strerror}") from None
    flags = {name: getattr(arguments, name) for name in ("pack_flags", "predict_flags")}
    return {"weights": weights, "voc": str(arguments.voc.resolve()), **flags}


def row_of(name: str, report: dict[str, Any], clean: float) -> dict[str, Any]:
    """A line of the table."""
    kind, value = (name, None) if name == CLEAN else parse(name)
    point = report["scores"]["labels"]
    return {
        "corruption": kind,
        "severity": None if name == CLEAN else int(name[-1]),
        "value": value,
        "images": len(report["ids"]),
        "mIoU %": round(100 * report["miou"], 1),
        "95 % interval": in_percent(point["miou_interval"]) if "miou_interval" in point else None,
        "of clean %": round(100 * report["miou"] / clean, 1) if clean else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weights", type=Path, required=True, help="from `wsss train-seg`")
    parser.add_argument("--voc", type=Path, required=True, help="folder of a VOC devkit")
    parser.add_argument("--split", default="val", help="its list of images (default val)")
    parser.add_argument("--out", "-o", type=Path, default=Path("robustness"), help="folder to use")
    parser.add_argument(
        "--corruptions",
        default=",".join(USUAL),
        help=f"kinds ({', '.join(VALUES)}) with severities of 1 to 5 (default %(default)s)",
    )
    parser.add_argument(
        "--pack-flags", default="--labels-from mask", help="of `wsss pack` (default '%(default)s')"
    )
    parser.add_argument(
        "--predict-flags",
        default="--scales 1 --no-flip",
        help="of `wsss predict` (default '%(default)s')",
    )
    parser.add_argument("--bootstrap", type=int, default=1000, help="resamples (default 1000)")
    parser.add_argument("--json", type=Path, help="write the table to this file as well")
    arguments = parser.parse_args()
    names = [name for name in arguments.corruptions.split(",") if name]
    try:
        for name in names:
            parse(name)
        claim(arguments.out, about(arguments))
        reports = {CLEAN: score(arguments.voc, CLEAN, arguments.split, arguments)}
        for name in names:
            folder = arguments.out / name
            corrupt(arguments.voc, arguments.split, name, folder)
            reports[name] = score(folder, name, arguments.split, arguments)
    except (WsssError, ValueError) as err:
        parser.exit(2, f"{err}\n")
    clean = reports[CLEAN]["miou"]
    rows = [row_of(name, report, clean) for name, report in reports.items()]
    print_table(rows)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
