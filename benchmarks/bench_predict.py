"""Labels of one photograph after the other, as `predict` makes them: how fast, and where time goes.

    python benchmarks/bench_predict.py --json predict.json [--networks resnet50,mobilenet_v2/unet]

From a JPEG's bytes in memory to its label map, of 21 labels at the photograph's own size, by the
functions of `predict` (batch norms folded, float32, no CRF); what is beside them, reading the file
and writing the labels, is not in it. One scale: `--scales 1 --no-flip`; three: `--scales
0.75,1,1.25`, mirrored too. Networks have random weights, which are as fast as trained ones, and
heads at output stride 16. `make best` has deeplabv2 at that stride; the backbone is its user's.
A network is named BACKBONE/HEAD; a BACKBONE alone stands for all four heads, `all` for all of them.
One that cannot be built here, such as timm's without timm, is named and left out. Everything is
measured on one thread and on --threads (2).

Rounds go over all settings in turn, in each of which a setting labels photographs for a moment, so
that a neighbour's work falls on all of them. p50 and p95 are of the clock, and so is images a
second: of a busy machine, go by CPU ms. Shares are of the CPU time: decoding, scaling and
normalising; the backbone; the head; enlarging and averaging logits, and softmax; the strongest
label.

The check: against a plain form (batch norms by themselves, NCHW; logits enlarged, then softmax and
numpy's argmax), of the first network, at one scale on one thread.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from made import jpeg, photograph
from measuring import finish, options, report, target

from wsss_cli.machine.cores import wait_politely

wait_politely()  # before torch is loaded, as the program does

import torch  # noqa: E402
from torch import nn  # noqa: E402

from wsss_cli.core.images import batch_to_input, decode_image, to_input  # noqa: E402
from wsss_cli.errors import WsssError  # noqa: E402
from wsss_cli.inference.masks import Labeller, load_image, look  # noqa: E402
from wsss_cli.inference.predicting import PredictSetting  # noqa: E402
from wsss_cli.machine.heap import keep_heap  # noqa: E402
from wsss_cli.machine.place import Place  # noqa: E402
from wsss_cli.nets.backbones import build_backbone  # noqa: E402
from wsss_cli.nets.folding import fold_batchnorm  # noqa: E402
from wsss_cli.nets.segmentation import Segmenter, build_segmenter  # noqa: E402
from wsss_cli.options.looking import Views  # noqa: E402

CLASSES, STRIDE = 20, 16
BACKBONES = "mobilenet_v2", "resnet50", "timm:tf_efficientnet_lite0", "timm:tf_efficientnet_lite2"
HEADS = "deeplabv2", "deeplabv3plus", "fcn", "unet"
USUAL = ("mobilenet_v2", *(f"{name}/deeplabv2" for name in BACKBONES[1:]))
SIZES = (240, 320), (375, 500)
VIEWS = {1: Views((1.0,), False, 0), 3: Views((0.75, 1.0, 1.25), True, 0)}
PHOTOGRAPHS = 4
MOMENT = 0.3  # seconds of a setting in each round
PARTS = "load", "backbone", "head", "enlarge", "label"


class Photographs:
    """What `load_image` wants of a source: encoded photographs by id."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.encoded = {str(i): jpeg(photograph(i, size)) for i in range(PHOTOGRAPHS)}

    def image(self, image_id: str) -> np.ndarray:
        return decode_image(self.encoded[image_id])


class Watch:
    """CPU seconds within a network's backbone and head, by hooks."""

    def __init__(self, model: Segmenter, device: str) -> None:
        self.device = device
        self.seconds = {"backbone": 0.0, "head": 0.0}
        for name in self.seconds:
            part = getattr(model, name)
            part.register_forward_pre_hook(lambda *_, name=name: self._add(name, -self.now()))
            part.register_forward_hook(lambda *_, name=name: self._add(name, self.now()))

    def now(self) -> float:
        finish(self.device)
        return time.process_time()

    def _add(self, name: str, seconds: float) -> None:
        self.seconds[name] += seconds


@dataclass
class Network:
    """A network as `predict` has it, and where its time goes."""

    name: str
    model: Segmenter
    watch: Watch


@dataclass
class Case:
    """A network, a size, threads and scales; seconds of each photograph."""

    network: Network
    size: tuple[int, int]
    threads: int
    scales: int
    wall: list[float] = field(default_factory=list)
    cpu: list[dict[str, float]] = field(default_factory=list)

    def label(self, source: Photographs, place: Place, image_id: str) -> np.ndarray:
        """(H, W) uint8, by the functions that `predict` calls; its time is kept."""
        setting, watch = PredictSetting(VIEWS[self.scales], False, 0.0, None), self.network.watch
        watch.seconds.update(backbone=0.0, head=0.0)
        began, times = time.perf_counter(), [watch.now()]
        loaded = load_image(source, CLASSES, setting, image_id)  # type: ignore[arg-type]
        copies = [copy.to(place.device) for copy in loaded.copies]
        times.append(watch.now())
        batch = [(image_id, loaded._replace(copies=copies))]
        (job,) = look(self.network.model, place, setting, [batch], Path("random"))
        times.append(watch.now())
        label = Labeller(None, 0.0)(*job)["label"]
        times.append(watch.now())
        self.wall.append(time.perf_counter() - began)
        load, seen, made = np.diff(times)
        network = dict(watch.seconds)
        rest = {"load": load, "enlarge": seen - sum(network.values()), "label": made}
        self.cpu.append(rest | network)
        return label

    def visit(self, source: Photographs, place: Place) -> None:
        """Label photographs for a moment, after one that is not counted.

        After visits to the others, the first photograph took 1.2 s with two threads; why, is not
        known. Where one setting is used alone it does not.
        """
        counted = len(self.wall)
        images = itertools.cycle(source.encoded)
        self.label(source, place, next(images))
        del self.wall[counted:], self.cpu[counted:]
        end = time.perf_counter() + MOMENT
        for image_id in images:
            self.label(source, place, image_id)
            if time.perf_counter() >= end:
                break

    def row(self) -> dict[str, Any]:
        cpu = {part: float(np.median([one[part] for one in self.cpu])) for part in PARTS}
        whole = sum(cpu.values())
        p50, p95 = (1000 * float(np.percentile(self.wall, q)) for q in (50, 95))
        return {
            "network": self.network.name,
            "longer side": max(self.size),
            "scales": self.scales,
            "threads": self.threads,
            "images": len(self.wall),
            "p50 ms": p50,
            "p95 ms": p95,
            "images/s": len(self.wall) / sum(self.wall),
            "CPU ms": 1000 * whole,
            **{f"{part} %": round(100 * cpu[part] / whole) for part in PARTS},
        }


def names_of(text: str) -> Iterator[tuple[str, str]]:
    """Backbone and head of each network that is named, once."""
    named = ",".join(BACKBONES) if text == "all" else text
    pairs: dict[tuple[str, str], None] = {}
    for name in named.split(","):
        backbone, _, head = name.rpartition("/") if name.endswith(HEADS) else (name, "", "")
        pairs |= dict.fromkeys(itertools.product([backbone], [head] if head else HEADS))
    yield from pairs


@torch.no_grad()
def settle(model: Segmenter) -> None:
    """Give random batch norms the statistics of what they see, so that numbers stay in range."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = None  # the mean over all that is seen
    model.train()
    model(torch.stack([to_input(photograph(100 + i, (192, 192))) for i in range(2)]))


def plain_network(backbone: str, head: str) -> Segmenter:
    """With random weights, in eval mode.

    Raises:
        ValueError, WsssError, ImportError: there is none of that name here.
    """
    torch.manual_seed(0)
    body = build_backbone(backbone, STRIDE, dilated=True)
    model = build_segmenter(head, body, CLASSES + 1)
    settle(model)
    return model.eval()


def networks(text: str, device: str) -> Iterator[Network]:
    """Those that can be built, as `methods/rebuild.py` places them."""
    for backbone, head in names_of(text):
        name = f"{backbone}/{head}"
        try:
            model = plain_network(backbone, head)
        except (ImportError, ValueError, WsssError) as err:
            print(f"{name}: left out ({err})")
            continue
        model = fold_batchnorm(model).to(device).to(memory_format=torch.channels_last)
        yield Network(name, model, Watch(model, device))


@torch.inference_mode()
def plain_label(model: Segmenter, data: bytes, device: str) -> np.ndarray:
    """(H, W) without our forms of things."""
    image = torch.from_numpy(decode_image(data)).permute(2, 0, 1)
    x = batch_to_input(image[None]).contiguous().to(device)
    return model(x)[0].softmax(0).cpu().numpy().argmax(0).astype(np.uint8)


def against_plain(case: Case, source: Photographs, place: Place, repeats: int) -> dict[str, Any]:
    """A line of the summary: one photograph in turn by the plain form and as `predict` does."""
    model = plain_network(*case.network.name.rsplit("/", 1)).to(place.device)
    torch.set_num_threads(1)
    plain, ours, alike = [], [], []
    for turn in range(repeats + 1):
        image_id = str(turn % PHOTOGRAPHS)
        began = case.network.watch.now()
        expected = plain_label(model, source.encoded[image_id], str(place.device))
        plain.append(case.network.watch.now() - began)
        began = case.network.watch.now()
        found = case.label(source, place, image_id)
        ours.append(case.network.watch.now() - began)
        alike.append((found == expected).mean())
    ratio = float(np.median(plain[1:]) / np.median(ours[1:]))  # the first ones warm up
    same = 100 * float(np.mean(alike))
    if same < 99.9:
        raise SystemExit(f"{case.network.name}: {same:.2f} % of the labels are the plain form's")
    work = f"a photograph's labels, {case.network.name}"
    return target(work, ratio, 1.2, None, f"{same:.3f} % of labels equal", "CPU seconds")


def main() -> None:
    parser = options(__doc__, threads=2)
    parser.add_argument(
        "--networks", default=",".join(USUAL), help="BACKBONE/HEAD,... (default %(default)s)"
    )
    arguments = parser.parse_args()
    device = arguments.device
    keep_heap()
    place = Place(torch.device(device))
    built = list(networks(arguments.networks, device))
    if not built:
        raise SystemExit("no such network can be built here")
    sources = {size: Photographs(size) for size in SIZES}
    choices = itertools.product(sorted({1, arguments.threads}), SIZES, VIEWS)
    cases = [Case(net, size, threads, scales) for threads, size, scales in choices for net in built]
    for _, case in itertools.product(range(arguments.repeats), cases):
        torch.set_num_threads(case.threads)
        case.visit(sources[case.size], place)
    rows = [case.row() for case in sorted(cases, key=lambda case: built.index(case.network))]
    one = next(case for case in cases if case.size == SIZES[-1] and case.scales == 1)
    targets = [against_plain(one, sources[SIZES[-1]], place, 2 * arguments.repeats)]
    report(rows, arguments.threads, arguments.json, targets)


if __name__ == "__main__":
    main()
