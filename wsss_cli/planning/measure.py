"""What each stage of the chain takes here, found by running it on a few of the images."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..artifacts.placing import scratch, write_whole
from ..console import log, warn
from ..machine.ending import PARENT
from .chain import EVAL, Stage, parse
from .recipe import recipe

if TYPE_CHECKING:
    from ..artifacts import DatasetReader

IMAGES = 4  # that a stage is run on: the largest, and three around the median of areas
BATCH = 4  # images per update of a measured training step, at most
STEPS = 2  # measured, after one that is not


@dataclass(frozen=True)
class Rate:
    """What a stage takes.

    Attributes:
        start: seconds before the first image: imports, loading the network.
        work: seconds per megapixel that it looks at; of a training stage, per training image.
        memory: bytes at the peak.
        per_image: bytes that another image of the batch adds; 0 where there is no batch.
        weights: bytes of the file of weights that it makes.
    """

    start: float
    work: float
    memory: float
    per_image: float = 0.0
    weights: int = 0


def seen_megapixels(size: tuple[int, int], max_side: int) -> float:
    """Of an image, after --max-side."""
    shrunk = min(1.0, max_side / max(size)) if max_side else 1.0
    return size[0] * size[1] * shrunk**2 / 1e6


def choose_images(data: DatasetReader, ids: Sequence[str]) -> list[str]:
    """The images to measure with: around the median of areas, and last the largest of all."""

    def area(image_id: str) -> int:
        height, width = data.size(image_id)
        return height * width

    tagged = [image_id for image_id in ids if len(data.tags(image_id))] or list(ids)
    ordered = sorted(tagged, key=area)
    middle = [ordered[int(len(ordered) * part)] for part in (0.3, 0.5, 0.7)]
    return list(dict.fromkeys([*middle, ordered[-1]]))


def small_copy(data: DatasetReader, ids: Sequence[str], path: Path) -> list[str]:
    """Write a data set of IMAGES images, repeating `ids` where they are fewer; the new ids.

    The largest comes last. Those that are no repetition keep their id, by which options such as
    --targets and --saliency find what belongs to them.
    """
    import numpy as np

    from ..artifacts import DATASET, create

    fewer = [ids[k % len(ids)] for k in range(IMAGES - 1)] + [ids[-1]]
    names = [
        image_id if image_id not in fewer[:number] else f"{image_id} repeated {number}"
        for number, image_id in enumerate(fewer)
    ]
    params = data.reading.record()
    with create(path, DATASET, classes=data.classes, params=params, ids=names) as out:
        for name, image_id in zip(names, fewer, strict=True):
            out.put(
                name,
                image=np.frombuffer(data.encoded_image(image_id), np.uint8),
                tags=data.tags(image_id),
                size=np.array(data.size(image_id), np.int32),
                mask=data.field(image_id, "mask"),
            )
    return names


class Probe:
    """Runs stages on a small copy of a data set, each in a process of its own.

    Args:
        folder: an empty folder to work in.
        data: the data set.
        ids: the images that the chain is for.
        flags: by stage, as the user gives them.

    Attributes:
        masks: whether the images have masks to score with.
    """

    def __init__(
        self, folder: Path, data: DatasetReader, ids: Sequence[str], flags: Mapping[str, str]
    ) -> None:
        self._folder, self._flags = folder, flags
        chosen = choose_images(data, ids)
        self._names = small_copy(data, chosen, folder / "data.h5")
        self._sizes = [data.size(chosen[k % len(chosen)]) for k in range(IMAGES - 1)]
        self._sizes.append(data.size(chosen[-1]))
        self.masks = all(data.has_mask(image_id) for image_id in chosen)
        for name, part in (("one", self._names[:1]), ("all", self._names)):
            write_whole(folder / name, "\n".join(part).encode())

    def image_stage(self, stage: Stage) -> Rate:
        """Time of all images less that of one, over the pixels of the others."""
        flags, inputs = self._words(stage.name), stage.inputs.split()
        one = [stage.name, *inputs, *flags, "--ids", "one", "-o", "one.h5", "--force", "-q"]
        every = [stage.name, *inputs, *flags, "--ids", "all", "-o", stage.out, "-q"]
        return self._slope([one, one, every], parse(stage, self._flags[stage.name]))

    def scoring(self, out: str) -> Rate:
        """The same, of `wsss eval` on the file that an image stage has left."""
        flags = self._words(EVAL)
        one = [EVAL, out, *flags, "--ids", "one", "--json", "one.json", "--force", "-q"]
        every = [EVAL, out, *flags, "--ids", "all", "--json", "all.json", "--force", "-q"]
        return self._slope([one, one, every], {})

    def training(self, stage: Stage, parallel: int) -> Rate:
        """Time of STEPS more steps, over their images; memory at a batch and at half of it."""
        options = parse(stage, self._flags[stage.name])
        batch = max(2, min(BATCH, parallel))

        def words(batch_size: int, epochs: int) -> list[str]:
            changed: dict[str, Any] = {
                "epochs": epochs,
                "batch-size": batch_size,
                "accumulate": 1,
                "backbone-weights": "random",
                "val-every": 0,
                "warmup": 0,
            }
            own = [f"--{name}={value}" for name, value in changed.items() if name in options]
            words = [stage.name, *stage.inputs.split(), *self._words(stage.name), *own]
            return [*words, "-o", stage.out, "--force", "-q"]

        whole = self._run([words(batch, 1), words(batch, 1), words(batch, 1 + STEPS)])
        half = self._run([words(batch // 2, 1)])
        first, short, long = whole["seconds"]
        per_image = max(0.0, whole["peak"] - half["peak"]) / (batch - batch // 2)
        return Rate(
            start=first,
            work=max(0.0, long - short) / (STEPS * IMAGES),
            memory=whole["peak"] + per_image * (parallel - batch),
            per_image=per_image,
            weights=(self._folder / stage.out).stat().st_size,
        )

    def _slope(self, commands: list[list[str]], options: Mapping[str, Any]) -> Rate:
        found = self._run(commands)
        first, one, every = found["seconds"]
        megapixels = [seen_megapixels(size, options.get("max-side") or 0) for size in self._sizes]
        work = max(0.0, every - one) / sum(megapixels[1:])
        return Rate(start=max(0.0, first - work * megapixels[0]), work=work, memory=found["peak"])

    def _words(self, name: str) -> list[str]:
        return ["--data", "data.h5", *shlex.split(self._flags.get(name, ""))]

    def _run(self, commands: list[list[str]]) -> dict[str, Any]:
        """Seconds and peak of commands run in one fresh process.

        Raises:
            RuntimeError: one of them failed; with its reason.
        """
        script = [sys.executable, "-m", "wsss_cli.timed", json.dumps(commands)]
        known = {**os.environ, PARENT: str(os.getpid())}
        done = subprocess.run(script, cwd=self._folder, env=known, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError((done.stderr.strip().splitlines() or ["it was killed"])[-1])
        answer = json.loads(done.stdout.strip().splitlines()[-1])
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer


def measure(
    stages: Sequence[Stage],
    data: DatasetReader,
    ids: Sequence[str],
    flags: Mapping[str, str],
    quiet: bool,
) -> dict[str, Rate]:
    """Rates by stage, and by `eval FILE`; without those from the first on that cannot be had."""
    rates: dict[str, Rate] = {}
    with scratch("wsss-plan-") as folder:
        probe = Probe(folder, data, ids, flags)
        for stage in stages:
            log(f"plan: measuring {stage.name}", quiet)
            try:
                if stage.trains:
                    parallel = recipe(stage, flags[stage.name])["parallel"]
                    rates[stage.name] = probe.training(stage, parallel)
                    continue
                rates[stage.name] = probe.image_stage(stage)
                if probe.masks:
                    rates[f"{EVAL} {stage.out}"] = probe.scoring(stage.out)
            except RuntimeError as err:
                warn(f"{stage.name}: cannot be measured ({err}), nor can what follows")
                break
    return rates
