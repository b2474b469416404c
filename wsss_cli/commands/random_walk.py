"""random-walk: pseudo masks, from maps spread along learned affinities."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..artifacts.maps import check_maps
from ..console import log, track
from ..errors import UsageError, WsssError
from ..inference.feed import MAX_SIDE
from ..machine.devices import Precision, resolve_device, resolve_precision
from ..methods.random_walk.nearest import OWN, NearestSettings, resolve_nearest
from ..methods.random_walk.walk import Labeller, Settings, Walker, resolve, stored
from ..methods.rebuild import affinity as network
from ..options.crf import NONE
from ..options.files import Reads, Writes
from ..options.groups import grouped
from ..options.ids import select_ids
from ..options.refine import RefineOptions, in_this_process, recorded
from ..options.shared import Data, Device, Force, Ids, PrecisionOption, Quiet, ShardOption, Workers

if TYPE_CHECKING:
    import numpy as np

    from ..artifacts import Artifact, Shard, Writer
    from ..artifacts.provenance import Source
    from ..core.pseudo import Unary

NAME = "random-walk"


class Border(str, enum.Enum):
    """Which pairs there are near the image's border."""

    full = "full"
    reference = "reference"


class CrfUnary(str, enum.Enum):
    """What the CRF is told about a pixel."""

    scores = "scores"
    labels = "labels"


class Method(str, enum.Enum):
    """How scores spread."""

    walk = "walk"
    nearest = "nearest"


@dataclass(frozen=True, kw_only=True)
class WalkOptions:
    """How the walk goes and what labels it leaves; None where the weights' method decides."""

    method: Annotated[
        Method, typer.Option("--method", help="Walk, or take the nearest by mean similarity.")
    ] = Method.walk
    beta: Annotated[
        float | None,
        typer.Option(
            "--beta", help="Exponent of affinities. Default: 8 (psa), 10 (irn). nearest: 1."
        ),
    ] = None
    steps: Annotated[
        str | None,
        typer.Option(
            "--steps",
            metavar="N|auto",
            help="Steps of the walk; auto: 256 at 500x375, by area. Default: auto.",
        ),
    ] = None
    radius: Annotated[
        int | None, typer.Option("--radius", help="Of the neighbourhood, in cells. Default: 5.")
    ] = None
    alpha: Annotated[
        float | None,
        typer.Option("--alpha", help="psa: exponent of the background score. Default: 16."),
    ] = None
    border: Annotated[
        Border | None,
        typer.Option(
            "--border",
            help="psa: all pairs, or fewer near the border, as published. Default: full.",
        ),
    ] = None
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", help="irn: score that a class exceeds. Default: 0.25."),
    ] = None
    flip: Annotated[
        bool | None,
        typer.Option(
            "--flip/--no-flip", help="irn: see boundaries in the mirror image too. Default: flip."
        ),
    ] = None

    fg: Annotated[
        float | None,
        typer.Option("--fg", help="nearest: score that makes a class sure. Default: 0.3."),
    ] = None
    bg: Annotated[
        float | None,
        typer.Option("--bg", help="nearest: below it, background is sure. Default: 0.05."),
    ] = None

    def settings(self, weights_method: str) -> Settings | NearestSettings:
        """What the options and the weights' method decide.

        Raises:
            UsageError: options that contradict, or out of range.
            WsssError: weights that do not serve.
        """
        border = self.border and self.border.value
        given = asdict(self) | {"border": border, "steps": parse_steps(self.steps)}
        del given["method"]
        if self.method is Method.nearest:
            return resolve_nearest(weights_method, given)
        for name in OWN:
            if given.pop(name) is not None:
                raise UsageError(f"--{name}: needs --method nearest")
        return resolve(weights_method, given)


REFINE, WALK = RefineOptions(crf=NONE), WalkOptions()


@grouped()
def run(
    cam: Annotated[
        Path, typer.Option("--cam", metavar="FILE", help="Maps, from `wsss make-cam`."), Reads()
    ] = Path("cam.h5"),
    weights: Annotated[
        Path,
        typer.Option("--weights", "-w", metavar="FILE", help="From `wsss train-aff`."),
        Reads(),
    ] = Path("aff.pt"),
    data: Data = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="Pseudo masks to write."), Writes()
    ] = Path("pseudo.h5"),
    scores: Annotated[
        Path | None,
        typer.Option(
            "--scores",
            metavar="FILE",
            help="Also keep the walked maps, for `make-seeds --cam` and `eval`.",
        ),
        Writes(),
    ] = None,
    walk: WalkOptions = WALK,
    refinement: RefineOptions = REFINE,
    crf_unary: Annotated[
        CrfUnary | None,
        typer.Option(
            "--crf-unary", help="Refine the walked scores, or the labels. Default: scores."
        ),
    ] = None,
    ids: Ids = None,
    max_side: Annotated[
        int,
        typer.Option(
            "--max-side",
            min=0,
            metavar="PIXELS",
            help="Look at and walk over longer images at this size; 0: never.",
        ),
    ] = MAX_SIDE,
    precision: PrecisionOption = Precision.f32,
    device: Device = "auto",
    shard: ShardOption = "1/1",
    workers: Workers = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Spread the maps of each image along the affinities of its pixels, and label it by them.

    The weights decide how: psa walks background and classes on a grid of stride 8, and the
    strongest wins; irn walks the classes within boundaries at stride 4, and a class wins above
    --threshold of the strongest score in the image. nearest does not walk: what the maps are unsure
    of takes the class whose sure pixels its psa features resemble most on average. Workers run
    the CRF, if there is one.
    The published 256 steps reach across a third of a 500x375 image, and across all of a small
    one; auto takes fewer there and more on large images, in powers of two.

    Example: wsss random-walk --cam cam.h5 --weights aff.pt -o pseudo.h5 --scores walk.h5
    """
    from ..artifacts import CAM, Shard, load_weights, open_artifact, open_dataset
    from ..machine.precision import autocast_type
    from ..training.compute import Compute

    parse_steps(walk.steps)  # so that a wrong one is refused before anything is read
    refine = refinement.refinement(device=device)
    if refine is None and crf_unary is not None:
        raise UsageError("--crf-unary: there is no CRF", "--crf names one")
    unary: Unary = "labels" if crf_unary is CrfUnary.labels else "scores"
    part = Shard.parse(shard)
    place = resolve_device(device)
    precision = resolve_precision(precision, place)
    compute = Compute(place, autocast_type(precision.value))
    trained = load_weights(weights, "wsss/aff")
    settings = walk.settings(str(trained.config.get("method")))
    with open_artifact(cam, CAM) as maps, open_dataset(data, maps, trained) as reader:
        wanted = select_ids(maps.ids, ids, maps.path)
        check_maps(maps, reader, wanted)
        walker = Walker(maps, reader, network(trained, compute), compute, settings, max_side)
        labeller = Labeller(maps, reader, settings, refine, unary)
        task = Task(out, scores, maps, [reader, maps, trained], wanted, part, force)
        walk_params = settings.walk_params()
        walk_params |= {"max_side": max_side, "precision": precision.value}
        label_params = settings.label_params() | recorded(refine)
        label_params["crf_unary"] = unary if refine else None
        with task.open(walk_params, label_params) as outputs:
            fill(outputs, walker, labeller, workers, quiet)
        log(f"{NAME}: {len(outputs.labels)} items -> {out}", quiet)
        if scores is not None:
            log(f"{NAME}: walked maps -> {scores}", quiet)


def parse_steps(text: str | None) -> int | str | None:
    """The value of --steps.

    Raises:
        UsageError: neither a number nor auto.
    """
    if text is None or text == "auto":
        return text
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"--steps {text}: needs a number of steps, or auto") from None


@dataclass(frozen=True)
class Outputs:
    """The masks, and the walked maps where they are wanted and not yet complete."""

    labels: Writer
    scores: Writer | None

    @property
    def todo(self) -> list[str]:
        """The ids that either lacks: a kill can fall between the two."""
        lacking = set(self.labels.todo)
        if self.scores is not None:
            lacking |= set(self.scores.todo)
        return sorted(lacking)


@dataclass(frozen=True)
class Task:
    """What is to be written, and from what."""

    out: Path
    scores: Path | None
    maps: Artifact
    inputs: Sequence[Source]
    ids: Sequence[str]
    shard: Shard
    force: bool

    @contextmanager
    def open(
        self, walk_params: Mapping[str, Any], label_params: Mapping[str, Any]
    ) -> Iterator[Outputs]:
        """Begin both outputs or go on with them; finish both at the end.

        Raises:
            UsageError: both are one file, or one exists and there is no --force.
        """
        from ..artifacts import CAM, LABEL, create
        from ..artifacts.writer import check_target

        if self.scores is not None and self.scores.resolve() == self.out.resolve():
            raise UsageError(f"--scores {self.scores}: is --out too")
        scores = None if self._scores_complete(walk_params) else self.scores
        for path in (self.out, scores):
            if path is not None:
                check_target(path, self.force)
        common: dict[str, Any] = {
            "classes": self.maps.classes,
            "inputs": self.inputs,
            "ids": self.ids,
            "shard": self.shard,
            "force": self.force,
        }
        with ExitStack() as stack:
            params = {**walk_params, **label_params}
            labels = stack.enter_context(create(self.out, LABEL, params=params, **common))
            if scores is None:
                yield Outputs(labels, None)
                return
            walked = stack.enter_context(create(scores, CAM, params=walk_params, **common))
            yield Outputs(labels, walked)

    def _scores_complete(self, params: Mapping[str, Any]) -> bool:
        """Whether a kill fell between the finishing of the two: the maps are there, as this very
        run makes them, and the masks are not.
        """
        from ..artifacts import CAM, open_artifact
        from ..artifacts.ledger import looking_back
        from ..artifacts.provenance import run_digest
        from ..artifacts.writer import partial_path

        if self.scores is None or not self.scores.exists():
            return False
        if not partial_path(self.out).exists():
            return False
        expected = run_digest(
            CAM.name, CAM.version, params, None, self.maps.classes, self.inputs, self.ids
        )
        try:
            with looking_back():
                found = open_artifact(self.scores, CAM)
        except WsssError:
            return False
        complete = (found.run, found.shard) == (expected, self.shard)
        if complete:  # its journal may have survived too
            partial_path(self.scores).unlink(missing_ok=True)
        return complete


def fill(
    outputs: Outputs, walker: Walker, labeller: Labeller, workers: int | None, quiet: bool
) -> None:
    """Do every image that an output lacks."""
    from ..machine.pool import WorkerPool, worker_count

    walked: dict[str, np.ndarray] = {}  # of the images under way

    def jobs(ids: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
        for image_id, scores in walker.walked(ids):
            walked[image_id] = scores
            yield image_id, scores

    todo, total = outputs.todo, outputs.labels.total
    idle = in_this_process(labeller.crf)
    count = 0 if labeller.crf and idle else worker_count(workers, len(todo), heavy=not idle)
    with WorkerPool(labeller, count, behind=True) as pool:
        for image_id, item in track(
            pool.map(jobs(todo)), NAME, total=total, done=total - len(todo), quiet=quiet
        ):
            if outputs.scores is not None:
                outputs.scores.put(image_id, **stored(walker, image_id, walked[image_id]))
            outputs.labels.put(image_id, **item)
            del walked[image_id]
