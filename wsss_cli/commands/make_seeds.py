"""make-seeds: confident partial labels from class activation maps."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..artifacts.maps import cam_stride, check_maps, checked_item, fitting_image
from ..console import log, track
from ..errors import UsageError
from ..methods.make_seeds.cues import Ground, Published, seeds_from_cues
from ..options.crf import NONE, fitting_crf
from ..options.files import Reads, Writes
from ..options.groups import grouped
from ..options.ids import select_ids
from ..options.refine import Refine, RefineOptions, in_this_process, recorded
from ..options.shared import Data, Force, Ids, Quiet, ShardOption, Workers

if TYPE_CHECKING:
    import numpy as np

    from ..artifacts import Artifact, DatasetReader
    from ..core.refine import Refinement

NAME = "make-seeds"


class Method(str, enum.Enum):
    """How seeds are told from doubt."""

    threshold = "threshold"
    irn = "irn"
    psa = "psa"
    oaa = "oaa"
    cues = "cues"


class Mode(str, enum.Enum):
    """What --low and --high mean."""

    fixed = "fixed"
    fraction_of_max = "fraction-of-max"
    quantile = "quantile"


class Overlap(str, enum.Enum):
    """Which of several classes takes a pixel."""

    strongest = "strongest"
    smallest_first = "smallest-first"


# The options that each method has, by the names of its function's parameters; and its CRF.
SETTINGS: dict[Method, tuple[str, ...]] = {
    Method.threshold: ("mode", "low", "high", "overlap"),
    Method.irn: ("fg", "bg"),
    Method.psa: ("alpha_low", "alpha_high"),
    Method.oaa: (),
    Method.cues: (),
}
EVEN_SHARE = 0.5  # where the best class and the background are equal
DEFAULT_CRF = {
    Method.threshold: NONE,
    Method.irn: "irn",
    Method.psa: "psa",
    Method.oaa: NONE,
    Method.cues: NONE,
}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The options of all methods; each has some of them."""

    method: Annotated[Method, typer.Option("--method", help="How.")] = Method.irn
    fg: Annotated[
        float | None, typer.Option(help="irn: score that a sure class exceeds. Default: 0.3.")
    ] = None
    bg: Annotated[
        float | None,
        typer.Option(help="irn: score that no class exceeds on background. Default: 0.05."),
    ] = None
    alpha_low: Annotated[
        float | None, typer.Option(help="psa: exponent that makes classes sure. Default: 4.")
    ] = None
    alpha_high: Annotated[
        float | None, typer.Option(help="psa: exponent that makes background sure. Default: 32.")
    ] = None
    mode: Annotated[
        Mode | None, typer.Option(help="threshold: what --low and --high are. Default: fixed.")
    ] = None
    low: Annotated[
        float | None, typer.Option(help="threshold: background below. Default: as the mode has it.")
    ] = None
    high: Annotated[
        float | None, typer.Option(help="threshold: class above. Default: as the mode has it.")
    ] = None
    overlap: Annotated[
        Overlap | None,
        typer.Option(help="threshold: who gets shared pixels. Default: strongest."),
    ] = None

    def given(self) -> dict[str, Any]:
        """What was given of SETTINGS, as plain values by name."""
        return {
            name: value.value if isinstance(value, enum.Enum) else value
            for name, value in asdict(self).items()
            if name != "method" and value is not None
        }

    def refine(self, options: RefineOptions, device: str) -> Refinement | None:
        """The CRF or PAMR that the method uses.

        Raises:
            UsageError: it has none, or an option is out of range or of another method.
        """
        given = self.given()
        for owner, names in SETTINGS.items():
            for name in names:
                if owner is not self.method and name in given:
                    raise UsageError(
                        f"{_option(name)}: is of --method {owner.value}, not {self.method.value}"
                    )
        if DEFAULT_CRF[self.method] == NONE:
            own = f"--method {self.method.value}"
            if options.crf not in (None, NONE):
                raise UsageError(f"--crf {options.crf}: {own} has no CRF", "irn and psa have one")
            if options.refine not in (None, Refine.none):
                raise UsageError(
                    f"--refine {options.refine.value}: {own} refines nothing", "irn and psa do"
                )
        return options.refinement(DEFAULT_CRF[self.method], device)

    def settings(self, has_background: bool) -> dict[str, Any]:
        """The method's settings, as given or else by default; they go into the artifact.

        Args:
            has_background: the maps come with a background of their own.

        Raises:
            UsageError: settings that the method's function refuses.
        """
        if self.method is Method.oaa:
            return {}
        found = {**_defaults(self.method, self.mode, has_background), **self.given()}
        check_settings(self.method, found)
        return found


RULE, REFINE, PUBLISHED = Rule(), RefineOptions(), Published()


@grouped()
def run(
    cam: Annotated[
        Path,
        typer.Option(
            "--cam", metavar="FILE", help="Maps, from `wsss make-cam` or `random-walk --scores`."
        ),
        Reads(),
    ] = Path("cam.h5"),
    data: Data = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="Seeds to write."), Writes()
    ] = Path("seeds.h5"),
    rule: Rule = RULE,
    published: Published = PUBLISHED,
    refinement: RefineOptions = REFINE,
    ids: Ids = None,
    device: Annotated[
        str,
        typer.Option("--device", metavar="NAME", help="Of PAMR: auto, cpu, cuda, cuda:N or mps."),
    ] = "auto",
    shard: ShardOption = "1/1",
    workers: Workers = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Label what the maps are sure of; the rest becomes 255.

    irn compares two thresholds, psa two strengths of background, each after a CRF of the same
    name, or PAMR; threshold refines nothing. Of maps that hold their own background (psa's random
    walk), threshold takes the classes' shares against it: 0.5 is where both are equal, and the
    default. oaa labels whole images, by maps against saliency. cues takes no maps but SEC's
    published cues.

    Example: wsss make-seeds --cam cam.h5 -o seeds.h5 --method irn --fg 0.3 --bg 0.05
    """
    from ..artifacts import CAM, LABEL, Shard, create, open_artifact, open_dataset
    from ..machine.pool import WorkerPool, worker_count

    refine = rule.refine(refinement, device)
    published.check(rule.method is Method.cues, rule.method is Method.oaa)
    if rule.method is Method.cues:
        seeds_from_cues(published, data, out, ids, shard, force, quiet)
        return
    ground = published.ground()
    part = Shard.parse(shard)
    with open_artifact(cam, CAM) as maps, open_dataset(data, maps) as reader:
        settings = rule.settings(maps.column("background").holds_values)
        wanted = select_ids(maps.ids, ids, maps.path)
        check_maps(maps, reader, wanted)
        with create(
            out,
            LABEL,
            classes=maps.classes,
            params={
                "method": rule.method.value,
                **settings,
                **recorded(refine),
                **_salient(ground, rule.method, wanted),
            },
            inputs=[reader, maps],
            ids=wanted,
            shard=part,
            force=force,
        ) as target:
            jobs = [(image_id,) for image_id in target.todo]
            idle = in_this_process(refine)
            count = 0 if refine and idle else worker_count(workers, len(jobs), heavy=not idle)
            maker = SeedMaker(maps, reader, rule.method, settings, refine, ground)
            with WorkerPool(maker, count) as pool:
                for image_id, item in track(
                    pool.map(jobs), NAME, total=target.total, done=len(target), quiet=quiet
                ):
                    target.put(image_id, **item)
        log(f"{NAME}: {len(target)} items -> {out}", quiet)


def _salient(ground: Ground | None, method: Method, ids: Sequence[str]) -> dict[str, Any]:
    """What the artifact records of saliency."""
    if ground is None:
        return {}
    return ground.params(ids) if method is Method.oaa else ground.background(ids)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _defaults(method: Method, mode: Mode | None, has_background: bool) -> dict[str, Any]:
    from ..core import seeds

    if method is Method.irn:
        return {"fg": seeds.IRN_FG, "bg": seeds.IRN_BG}
    if method is Method.psa:
        return {"alpha_low": seeds.PSA_ALPHA_LOW, "alpha_high": seeds.PSA_ALPHA_HIGH}
    mode = mode or Mode.fixed
    low, high = seeds.MODES[mode.value]
    if has_background and mode is Mode.fixed:
        low = high = EVEN_SHARE
    return {"mode": mode.value, "low": low, "high": high, "overlap": seeds.OVERLAPS[0]}


def check_settings(method: Method, settings: Mapping[str, Any]) -> None:
    """Have the method's own function judge its settings, on an image of one pixel and no class.

    Raises:
        UsageError: what it says.
    """
    import numpy as np

    for name, value in settings.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"{_option(name)} {value}: must be finite")
    no_image, no_cam = np.zeros((1, 1, 3), np.uint8), np.zeros((0, 1, 1), np.float32)
    try:
        make_seeds(method, no_image, no_cam, np.zeros(0, np.uint16), settings, None)
    except ValueError as err:
        raise UsageError(f"--method {method.value}: {err}") from None


@dataclass(frozen=True)
class SeedMaker:
    """Makes an image's seeds; sent to worker processes, each of which opens the files itself."""

    maps: Artifact
    data: DatasetReader
    method: Method
    settings: Mapping[str, Any]
    crf: Refinement | None
    ground: Ground | None = None

    def __call__(self, image_id: str) -> dict[str, np.ndarray]:
        """The fields of a `wsss/label` item."""
        from ..core.cam import dequantise
        from ..core.grid import upsample_grid
        from ..core.pseudo import against_background

        item, size = checked_item(self.maps, image_id)
        stride = cam_stride(self.maps)
        scores = upsample_grid(dequantise(item["cam"]), size, stride)
        if self.method is Method.oaa:
            assert self.ground is not None
            label = self.ground.masks(image_id, scores.numpy(), item["classes"])
            return {"label": label, "present": item["classes"]}
        image = None
        if self.method is not Method.threshold:
            image = fitting_image(self.data, self.maps, image_id, size)
        elif "background" in item:
            background = upsample_grid(dequantise(item["background"]), size, stride)
            scores = against_background(scores, background)
        with fitting_crf(image_id):
            label = make_seeds(
                self.method, image, scores.numpy(), item["classes"], self.settings, self.crf
            )
        if self.ground is not None:
            label = self.ground(image_id, label)
        return {"label": label, "present": item["classes"]}


def make_seeds(
    method: Method,
    image: np.ndarray | None,
    cam: np.ndarray,
    classes: np.ndarray,
    settings: Mapping[str, Any],
    crf: Refinement | None,
) -> np.ndarray:
    """(H, W) uint8 seeds of one image by the method's function in `core.seeds`."""
    from ..core.seeds import irn_seeds, psa_seeds, threshold_seeds

    if method is Method.threshold:
        return threshold_seeds(cam, classes, **settings)
    assert image is not None
    function = irn_seeds if method is Method.irn else psa_seeds
    return function(image, cam, classes, crf=crf, **settings)
