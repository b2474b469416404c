"""The table of backbones in docs/results.md: the whole chain of one backbone, stage by stage.

    python benchmarks/chain_table.py run --data data.h5 --out runs/lite0-0 --seed 0 \
        --backbone timm:tf_efficientnet_lite0 --weights lite0.pth --tags all --masks train
    python benchmarks/chain_table.py full ... --out runs/lite0-full-0 --labels true.h5
    python benchmarks/chain_table.py table runs/*

`run` trains a classifier on the split --tags; draws maps of --masks and of --choose; makes seeds
and pseudo masks of --masks; trains a network by DSRG on the seeds and one by cross-entropy on the
pseudo masks; and scores both on --val, at one scale without mirror and at three with it. Thresholds
are chosen on the masks of --choose, which nothing learns from: that of maps is the best there,
seeds take a class from 0.1 above it, and the walk's is the best of the walked maps. `full` trains a
network on other label maps, from the same classifier.

Each stage is one wsss command. A stage whose file exists is not run again, so an interrupted run
goes on. CPU seconds of each stage stand in times.json, with those of the attempts that failed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shlex
import subprocess
import sys
from collections.abc import Iterator
from os.path import abspath
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from measuring import print_table

WSSS = [sys.executable, "-m", "wsss_cli"]
SCALES = {"1": "--scales 1 --no-flip", "3": "--scales 0.75,1,1.25"}
NETWORK = "--model deeplabv2 --output-stride 16 --crop 321 --epochs 6 --freeze-stages 2"
AFFINITY = "--method irn --crop 256 --batch-size 8 --lr 0.03 --epochs 5"
ABOVE_MAPS = 0.1  # where seeds of a class begin, above the maps' threshold
BOOTSTRAP = 2000
Stage = tuple[str, str]  # the file it writes, and its command without that


def best_threshold(scores: Path) -> float:
    """The best threshold in an eval's JSON."""
    return float(json.loads(scores.read_text())["scores"]["oracle"]["threshold"])


def evaluation(name: str, split: str, more: str = "") -> Stage:
    """Scores of NAME.h5, with intervals."""
    return f"{name}.json", f"eval {name}.h5 --split {split} --bootstrap {BOOTSTRAP} {more} --json"


def scored(network: str, asked: argparse.Namespace) -> Iterator[Stage]:
    """A network on --val, at one scale and at three."""
    for name, scales in SCALES.items():
        labels = f"{network}-{name}"
        yield f"{labels}.h5", f"predict --weights {network}.pt --split {asked.val} {scales} -o"
        yield evaluation(labels, asked.val)


def chain(asked: argparse.Namespace) -> Iterator[Stage]:
    """All stages of `run`, in order. What one writes decides on those after it."""
    out: Path = asked.out
    backbone = f"--backbone {asked.backbone} --backbone-weights"
    seed, blind = f"--seed {asked.seed}", "--val-every 0"
    start = f"{backbone} {asked.weights} {seed}"
    yield "cls.pt", f"train-cls --split {asked.tags} {start} {blind} {asked.classifier_flags} -o"
    yield "cam-choose.h5", f"make-cam --weights cls.pt --split {asked.choose} -o"
    yield "cam.h5", f"make-cam --weights cls.pt --split {asked.masks} -o"
    yield evaluation("cam-choose", asked.choose)
    yield evaluation("cam", asked.masks, "--threshold-from cam-choose.json")
    foreground = round(best_threshold(out / "cam-choose.json") + ABOVE_MAPS, 2)
    yield "seeds.h5", f"make-seeds --cam cam.h5 --method irn --fg {foreground} -o"
    yield evaluation("seeds", asked.masks)
    network = f"{backbone} cls.pt {NETWORK} {blind} {seed} {asked.network_flags} -o"
    yield "dsrg.pt", f"train-seg --labels seeds.h5 --loss dsrg --probe {network}"
    yield from scored("dsrg", asked)
    if asked.no_walk:
        return
    yield "aff.pt", f"train-aff --seeds seeds.h5 {AFFINITY} {start} -o"
    walk = "random-walk --weights aff.pt --cam"
    yield "walk-choose.h5", f"{walk} cam-choose.h5 -o walked-choose.h5 --scores"
    yield evaluation("walk-choose", asked.choose)
    threshold = best_threshold(out / "walk-choose.json")
    yield "pseudo.h5", f"{walk} cam.h5 --threshold {threshold} -o"
    yield evaluation("pseudo", asked.masks)
    yield "ce.pt", f"train-seg --labels pseudo.h5 {network}"
    yield from scored("ce", asked)


def full(asked: argparse.Namespace) -> Iterator[Stage]:
    """The stages of `full`."""
    start = f"--backbone {asked.backbone} --backbone-weights {asked.weights}"
    learn = f"{NETWORK} --val-every 0 --seed {asked.seed} {asked.network_flags}"
    yield "ce.pt", f"train-seg --labels {asked.labels} {start} {learn} -o"
    yield from scored("ce", asked)


def cpu_seconds() -> float:
    """Of all processes that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def carry_out(stages: Iterator[Stage], asked: argparse.Namespace) -> None:
    """Run every stage that has not been run.

    Raises:
        SystemExit: a stage failed, with its exit code.
    """
    out: Path = asked.out
    out.mkdir(parents=True, exist_ok=True)
    times = out / "times.json"
    environment = {**os.environ, "WSSS_DATA": str(asked.data)}
    for name, command in stages:
        if (out / name).exists():
            continue
        words = [*shlex.split(command), name]
        print(f"{out.name}: wsss " + shlex.join(words), file=sys.stderr, flush=True)
        before = cpu_seconds()
        done = subprocess.run(
            [*WSSS, *words, "-q"], cwd=out, env=environment, stdout=subprocess.DEVNULL, check=False
        )
        spent = json.loads(times.read_text()) if times.exists() else {}
        spent[name] = spent.get(name, 0) + cpu_seconds() - before
        times.write_text(json.dumps(spent, indent=1))
        if done.returncode:
            raise SystemExit(done.returncode)


def cell(values: list[float], interval: list[float] | None) -> str:
    """Percent: mean and deviation of several seeds, or the only one and its interval."""
    if not values:
        return ""
    found = f"{100 * mean(values):.1f}"
    if len(values) > 1:
        return f"{found} ± {100 * stdev(values):.1f}"
    return (
        found
        if interval is None
        else found + " [{:.1f}, {:.1f}]".format(*(100 * end for end in interval))
    )


def row_of(folders: list[Path]) -> dict[str, str]:
    """What the runs of one backbone with several seeds give."""

    def at(name: str, point: str) -> str:
        files = [folder / f"{name}.json" for folder in folders]
        found = [json.loads(f.read_text())["scores"][point] for f in files if f.exists()]
        interval = found[0].get("miou_interval") if found else None
        return cell([one["miou"] for one in found], interval)

    kept = [folder / "times.json" for folder in folders]
    times = [json.loads(file.read_text()) for file in kept if file.exists()]
    row = {"run": family(folders[0]), "trainings": str(len(folders))}
    row["maps"], row["maps (oracle)"] = at("cam", "chosen"), at("cam", "oracle")
    row["seeds: background / classes right, labelled"] = precision_of_seeds(folders)
    row["pseudo masks"] = at("pseudo", "labels")
    for network in ("dsrg", "ce"):
        for name in SCALES:
            row[f"{network}, {name}"] = at(f"{network}-{name}", "labels")
    if times:
        row["CPU minutes"] = f"{mean(sum(one.values()) for one in times) / 60:.0f}"
    return row


def precision_of_seeds(folders: list[Path]) -> str:
    """Of background and of classes, and the share of pixels that are labelled, in percent."""
    files = [folder / "seeds.json" for folder in folders]
    found = [json.loads(file.read_text())["scores"]["labels"] for file in files if file.exists()]
    names = ("background_precision", "foreground_precision", "coverage")
    return " / ".join(f"{100 * mean(one[name] for one in found):.1f}" for name in names if found)


def family(folder: Path) -> str:
    """The name of a run without the seed behind its last hyphen."""
    return folder.name.rpartition("-")[0] or folder.name


def groups(folders: list[Path]) -> list[list[Path]]:
    """Folders of one family each."""
    found: dict[str, list[Path]] = {}
    for folder in folders:
        found.setdefault(family(folder), []).append(folder)
    return list(found.values())


def absolute(text: str) -> Path:
    """A path that holds from any folder; a word such as random stays as it is."""
    return Path(text) if text in ("random", "imagenet") else Path(abspath(text))


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    does = parser.add_subparsers(dest="does", required=True)
    table = does.add_parser("table", help="print the rows of finished runs")
    table.add_argument("folders", nargs="+", type=Path)
    for name in ("run", "full"):
        of = does.add_parser(name)
        of.add_argument("--data", required=True, type=absolute, help="data set")
        of.add_argument("--out", required=True, type=absolute, help="folder, NAME-SEED")
        of.add_argument("--backbone", required=True)
        of.add_argument("--weights", required=True, type=absolute)
        of.add_argument("--val", default="val", help="split that networks are scored on")
        of.add_argument("--seed", default=0, type=int)
        of.add_argument("--network-flags", default="", help="more options of train-seg")
    does.choices["full"].add_argument("--labels", required=True, type=absolute)
    run = does.choices["run"]
    run.add_argument("--tags", required=True, help="split that the classifier learns from")
    run.add_argument("--masks", required=True, help="split that networks learn from")
    run.add_argument("--choose", default="dev", help="split whose masks choose thresholds")
    run.add_argument("--classifier-flags", default="", help="more options of train-cls")
    run.add_argument("--no-walk", action="store_true", help="seeds and DSRG only")
    return parser.parse_args(given)


def main() -> None:
    asked = arguments()
    if asked.does == "table":
        rows: list[dict[str, Any]] = [row_of(group) for group in groups(asked.folders)]
        print_table(rows)
        return
    carry_out((chain if asked.does == "run" else full)(asked), asked)


if __name__ == "__main__":
    main()
