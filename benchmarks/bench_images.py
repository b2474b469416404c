"""Loading and augmenting training images: from encoded bytes to a normalised batch.

    python benchmarks/bench_images.py --json images.json

Plain, as in the published code of PSA and IRN: decode, resize the whole image with Pillow,
normalise it in float, mirror it, crop it into a square of zeros, transpose, stack. Ours: decode
(once, where the pixels are kept), resample only what the crop needs as bytes, normalise the batch.
Both draw the same windows. Seconds are per image, on one thread.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import torch
from made import jpeg, photograph
from measuring import median_times, options, report, target
from numpy.random import Generator
from PIL import Image
from torch import Tensor

from wsss_cli.core.images import IMAGENET_MEAN, IMAGENET_STD, batch_to_input, decode_image
from wsss_cli.training.augment import Augment, random_window
from wsss_cli.training.data import sample_generator, stack

BATCH = 16
RECIPES = {  # crop and range of the longer side
    "train-cls, crop 320": Augment(320, long_side=(200, 400)),
    "IRN, crop 512": Augment(512, long_side=(320, 640)),
    "PSA, crop 448, jitter": Augment(448, long_side=(256, 512), jitter=(0.3, 0.3, 0.3, 0.1)),
}


def plain_load(data: bytes, augment: Augment, rng: Generator) -> Tensor:
    """(3, crop, crop) float32 by the published order of things."""
    from wsss_cli.training.augment import colour_jitter

    picture = Image.open(io.BytesIO(data)).convert("RGB")
    height, width = picture.size[1], picture.size[0]
    crop = augment.crop
    window = random_window((height, width), augment.scale((height, width), rng), crop, rng)
    mirrored = rng.random() < 0.5
    large = np.asarray(picture.resize(window.scaled[::-1], Image.Resampling.BICUBIC))
    if augment.jitter is not None:
        large = colour_jitter(large, augment.jitter, rng)
    floats = np.empty(large.shape, np.float32)
    for channel in range(3):  # in float64, as numpy has it
        floats[..., channel] = (large[..., channel] / 255.0 - IMAGENET_MEAN[channel]) / (
            IMAGENET_STD[channel]
        )
    square = np.zeros((crop, crop, 3), np.float32)
    (top, left), (y, x), (h, w) = window.start, window.place, window.size
    square[y : y + h, x : x + w] = floats[top : top + h, left : left + w]
    if mirrored:
        square = square[:, ::-1]
    return torch.from_numpy(np.ascontiguousarray(square.transpose(2, 0, 1)))


def measure(name: str, size: tuple[int, int], repeats: int) -> list[dict[str, Any]]:
    augment = RECIPES[name]
    images = [jpeg(photograph(seed, size)) for seed in range(BATCH)]
    pixels = [decode_image(data) for data in images]

    def plain() -> Tensor:
        return torch.stack(
            [plain_load(data, augment, sample_generator(0, 0, i)) for i, data in enumerate(images)]
        )

    def ours(kept: bool) -> Tensor:
        samples = []
        for i, data in enumerate(images):
            image = pixels[i] if kept else decode_image(data)
            samples.append({"image": augment(image, None, sample_generator(0, 0, i))[0]})
        batch = stack(samples)
        assert isinstance(batch, dict)
        return batch_to_input(batch["image"])

    case = f"{name}, {size[0]}x{size[1]}"
    _, slow, expected = median_times(plain, repeats)
    rows = [{"case": case, "form": "plain", "ms an image": 1000 * slow / BATCH}]
    forms = {"ours, decoded each time": False, "ours, pixels kept": True}
    for form, kept in forms.items():
        _, fast, found = median_times(lambda kept=kept: ours(kept), repeats)
        rows.append(
            {
                "case": case,
                "form": form,
                "ms an image": 1000 * fast / BATCH,
                "images a second": BATCH / fast,
                "times faster": slow / fast,
                "mean difference": (found - expected).abs().mean().item(),
                "max difference": (found - expected).abs().max().item(),
            }
        )
    _, decoding, _ = median_times(lambda: [decode_image(data) for data in images], repeats)
    rows.append({"case": case, "form": "of which decoding", "ms an image": 1000 * decoding / BATCH})
    return rows


def main() -> None:
    arguments = options(__doc__).parse_args()
    torch.set_num_threads(arguments.threads)
    rows = [row for name in RECIPES for row in measure(name, (375, 500), arguments.repeats)]
    rows += measure("train-cls, crop 320", (1500, 2000), arguments.repeats)
    for row in rows:
        # jitter on bytes that differ by one level may turn a hue of near-grey pixels
        if row.get("max difference", 0) > 0.04 and "jitter" not in row["case"]:
            raise SystemExit(f"{row['case']}: pixels differ by {row['max difference']:.3f}")
    kept = [row for row in rows if row["form"] == "ours, pixels kept"]
    fresh = [row for row in rows if row["form"] == "ours, decoded each time"]
    check = f"normalised pixels within {max(row['max difference'] for row in kept[:2]):.3f}"
    targets = [
        target("images, pixels kept (crop 320)", kept[0]["times faster"], 5, 10, check),
        target(
            "images, first epoch (crop 320)",
            fresh[0]["times faster"],
            1,
            None,
            check,
            "bounded by decoding JPEG",
        ),
    ]
    report(rows, arguments.threads, arguments.json, targets)


if __name__ == "__main__":
    main()
