"""Part `mutations`: a file of each format changed at random, and a command that reads it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from . import child, files, hdf5, weights
from .judge import Finding, greed, kept, last_line, manner, refusal, unfinished
from .points import calls_of, die_at
from .recipes import RECIPES, Recipe, recipe
from .world import World, inputs, made

LIMIT = 40.0  # seconds; undisturbed, each of these takes less than one


@dataclass(frozen=True)
class Format:
    """A kind of file, by one of the world's.

    Attributes:
        name: as --only takes it.
        file: the world's file of it.
        kind: artifact, weights, text, or binary; what knows its structure.
        whole: whether it says itself where it ends.
        used: a recipe that reads it, where that one has to be killed to have it.
    """

    name: str
    file: str
    kind: str = "binary"
    whole: bool = True
    used: str = ""


FORMATS = (
    Format("dataset", "data.h5", "artifact"),
    Format("boxed", "boxed.h5", "artifact"),
    Format("linked", "linked.h5", "artifact"),
    Format("cam", "cam.h5", "artifact"),
    Format("shard", "cam.1.h5", "artifact"),
    Format("seeds", "seeds.h5", "artifact"),
    Format("label", "pseudo.h5", "artifact"),
    Format("classifier", "cls.pt", "weights"),
    Format("affinity", "aff.pt", "weights"),
    Format("segmenter", "seg.pt", "weights"),
    Format("journal", "out.h5.partial", whole=False, used="make-cam"),
    Format("journal of labels", "out.h5.partial", whole=False, used="make-seeds threshold"),
    Format("journal of pack", "out.h5.partial", whole=False, used="pack csv"),
    Format("checkpoint", "out.pt.partial", used="train-cls"),
    Format("PNG", "photos/a/0.png"),
    Format("JPEG", "photos/a/1.jpg"),
    Format("TIFF", "photos/a/2.tif"),
    Format("GIF", "photos/a/3.gif"),
    Format("WebP", "photos/a/4.webp"),
    Format("mask", "masks/a/1.png"),
    Format("saliency", "saliency/a/2.png"),
    Format("VOC mask", "voc/SegmentationClass/2.png"),
    Format("table", "tags.csv", "text", whole=False),
    Format("list of ids", "ids.txt", "text", whole=False),
    Format("list of a split", "train.txt", "text", whole=False),
    Format("class names", "classes.txt", "text", whole=False),
    Format("VIA", "via.json", "text"),
    Format("COCO", "coco.json", "text"),
    Format("Label Studio", "studio.json", "text"),
    Format("points", "points.csv", "text", whole=False),
    Format("GeoJSON", "geo/a/0.geojson", "text"),
    Format("Open Images labels", "open/human-imagelabels.csv", "text", whole=False),
    Format("Open Images boxes", "open/bbox.csv", "text", whole=False),
    Format("captions", "captions.csv", "text", whole=False),
    Format("scores", "scores.json", "text"),
    Format("clusters", "clusters.csv", "text", whole=False),
    Format("VOC boxes", "voc/Annotations/0.xml", "text"),
    Format("VOC list", "voc/ImageSets/Segmentation/train.txt", "text", whole=False),
    Format("npy", "tags.npy"),
    Format("cues", "cues.pickle"),
    Format("list of cues", "cues.txt", "text", whole=False),
)


def names() -> list[str]:
    """What can be tried."""
    return [one.name for one in FORMATS]


def attempt(world: World, name: str, number: int, random: Random) -> Iterator[Finding]:
    """Change a file of the format, and run one of the commands that read it."""
    form = next(one for one in FORMATS if one.name == name)
    readers = [form.used] if form.used else _readers(form)
    what = recipe(readers[number % len(readers)])
    folder = world.fresh(what)
    if form.used:
        leave_unfinished(world, what, folder)
    done, refused = change(folder / form.file, form, random)
    (folder / "secret").write_text("secret\n")  # what a file must not make a command read
    before = inputs(folder, what)
    outcome = child.forked(what.words, folder, limit=LIMIT)
    if outcome.code == 0 and refused:
        yield Finding("misread", f"{what.name}: {form.file}, {done}: exit code 0")
    for finding in _judged(world, what, form, folder, before, outcome):
        yield Finding(finding.kind, f"{what.name}: {form.file}, {done}: {finding.text}")
    world.drop(folder)


def _readers(form: Format) -> list[str]:
    return [one.name for one in RECIPES if form.file.split("/")[0] in one.reads.split()]


def change(path: Path, form: Format, random: Random) -> files.Done:
    """Change a file, half of the time by what knows its structure."""
    if random.random() < 0.7:
        if form.kind == "artifact":
            shutil.copy(path, path.with_name("other.h5"))
            done = hdf5.mutate(path, random)
            if "other.h5" in done[0] or "external link" in done[0]:
                hdf5.move_values(path.with_name("other.h5"), done[0].split()[0])
            else:
                path.with_name("other.h5").unlink()
            return done
        if form.kind == "weights":
            return weights.mutate(path, random)
        if form.kind == "text":
            return files.mutate_text(path, random)
    return files.mutate(path, random, form.whole)


def leave_unfinished(world: World, what: Recipe, folder: Path) -> None:
    """Kill the recipe when all of its work is done and none in place."""
    calls = calls_of(world, what.name, False)
    index = next(i for i, call in enumerate(calls) if call == f"replace {what.makes.split()[0]}")
    child.forked(what.words, folder, before=lambda: die_at(index, False))
    for path in folder.glob(".*.tmp"):
        path.unlink()


def _judged(
    world: World,
    what: Recipe,
    form: Format,
    folder: Path,
    before: dict[str, bytes],
    outcome: child.Outcome,
) -> Iterator[Finding]:
    yield from manner(outcome)
    yield from greed(outcome, world.whole(what).outcome)
    yield from kept(before, folder, what)
    found = made(folder, what)
    if "secret" in outcome.out:
        yield Finding("misread", "prints what it must not read")
    if outcome.code in (2, 3):
        path = Path(form.file)
        said = {path.name, f"a/{path.stem}", f" {path.stem}: "}
        if form.kind == "text":  # what it says may not fit to another input, which is named then
            said |= set(what.reads.split())
        yield from refusal(outcome, said)
        yield from unfinished(folder, what, ALLOWED)
    elif outcome.code == 0:
        rest = [name for name in found if re.search(UNFINISHED, name)]
        if rest:
            yield Finding("leftover", f"done, and left {', '.join(rest)}")
        secret = {"secret": found["secret"]}
        if form.name.startswith("journal") and found != world.whole(what).made | secret:
            yield Finding("misread", f"goes on to another result: {last_line(outcome)}")


UNFINISHED = r"\.(partial|tmp|lock)$|(^|/)\."
# What a command that fails may leave: finished items, whole files in a folder, what we put there.
ALLOWED = r"^secret$|^other\.h5$|\.partial$|^(out|png)/[^.][^.]*(\.(png|npy))?$|^out$|^png$"
