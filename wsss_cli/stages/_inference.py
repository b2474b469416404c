"""What make-cam and predict share: options, loading ahead, networks on their device."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from ..errors import UsageError, WsssError
from ..options import free_cores

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..artifacts import Weights
    from ..nets.classifier import Classifier
    from ..nets.segmentation import Segmenter
    from ..training.compute import Compute

T = TypeVar("T")
Network = TypeVar("Network", "Classifier", "Segmenter")
SCALES = "0.5,1,1.5,2"  # PSA and IRN
MAX_SIDE = 1024  # above the longer side of VOC's images and of COCO's

Scales = Annotated[
    str,
    typer.Option("--scales", metavar="S,...", help="Sizes to look at, relative to the image's."),
]
Flip = Annotated[bool, typer.Option("--flip/--no-flip", help="Look at the mirror image too.")]
MaxSide = Annotated[
    int,
    typer.Option(
        "--max-side",
        min=0,
        metavar="PIXELS",
        help="Shrink longer images to this before scaling; 0: never.",
    ),
]
Threads = Annotated[
    int | None,
    typer.Option("--workers", min=0, metavar="N", help="Threads that load. Default: as fits."),
]


def parse_scales(text: str) -> tuple[float, ...]:
    """The numbers of --scales.

    Raises:
        UsageError: not different numbers above 0, at most 16.
    """
    try:
        scales = tuple(float(part) for part in text.split(","))
    except ValueError:
        scales = ()
    if not scales or not all(0 < scale <= 16 for scale in scales):  # NaN fails too
        raise UsageError(f"--scales {text}: need numbers above 0, at most 16, commas between")
    if len(set(scales)) < len(scales):
        raise UsageError(f"--scales {text}: names one twice")
    return scales


def load_ahead(
    load: Callable[[str], T], ids: Sequence[str], threads: int
) -> Iterator[tuple[str, T]]:
    """Yield (id, load(id)) in order, `threads` threads loading what comes next.

    Threads suffice where processes would have to copy the pixels: decoding, resizing and numpy's
    arithmetic release the GIL. An error of `load` comes up when its id's turn comes.
    """
    if threads == 0:
        for image_id in ids:
            yield image_id, load(image_id)
        return
    pool = ThreadPoolExecutor(threads, thread_name_prefix="load")
    waiting: deque[tuple[str, Future[T]]] = deque()
    coming = iter(ids)
    try:
        for image_id in coming:
            waiting.append((image_id, pool.submit(load, image_id)))
            if len(waiting) > threads:
                first, result = waiting.popleft()
                yield first, result.result()
        while waiting:
            first, result = waiting.popleft()
            yield first, result.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def view_inputs(image: np.ndarray, scales: Sequence[float], max_side: int) -> list[Tensor]:
    """(3, H_s, W_s) float32 network inputs of an image's scaled copies."""
    from ..core.images import to_input
    from ..core.views import scaled_copies

    return [to_input(copy) for copy in scaled_copies(image, scales, max_side)]


@contextmanager
def network_pass(compute: Compute, image_id: str) -> Iterator[None]:
    """Context of a forward pass; a lack of memory becomes one clear line.

    Raises:
        WsssError: no memory for this image.
    """
    import torch

    try:
        with torch.inference_mode(), compute.autocast():
            yield
    except (MemoryError, RuntimeError) as err:
        if isinstance(err, RuntimeError) and "memory" not in str(err).lower():
            raise
        raise WsssError(
            f"{image_id}: not enough memory for it",
            "a lower --max-side needs less; what is finished is kept",
        ) from err


def threads(workers: int | None, compute: Compute) -> int:
    """How many threads load: one keeps ahead of a CPU's networks, a GPU needs more."""
    if workers is not None:
        return workers
    return 1 if compute.device.type == "cpu" else min(8, free_cores())


def classifier(weights: Weights, compute: Compute) -> Classifier:
    """The trained classifier, on its device.

    Raises:
        WsssError: config or tensors make no such network.
    """
    from ..nets.rebuild import rebuild_classifier

    return _placed(weights, compute, rebuild_classifier, len(weights.classes))


def segmenter(weights: Weights, compute: Compute) -> Segmenter:
    """The trained segmentation network, on its device.

    Raises:
        WsssError: config or tensors make no such network.
    """
    from ..nets.rebuild import rebuild_segmenter

    return _placed(weights, compute, rebuild_segmenter, len(weights.classes) + 1)


def _placed(
    weights: Weights,
    compute: Compute,
    rebuild: Callable[[dict[str, Any], int, dict[str, Tensor]], Network],
    outputs: int,
) -> Network:
    import torch

    from ..nets.folding import fold_batchnorm

    try:
        model = rebuild(weights.config, outputs, weights.state_dict)
    except ValueError as err:
        raise WsssError(
            f"{weights.path}: damaged ({err})", "train again, or take other weights"
        ) from None
    return fold_batchnorm(model).to(compute.device).to(memory_format=torch.channels_last)
