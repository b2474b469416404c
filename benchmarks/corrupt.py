"""Corrupted copies of a VOC devkit's images, so that a network can be scored on other ground.

    python benchmarks/corrupt.py --voc VOCdevkit/VOC2012 --split val blur3 -o blur3

A corruption is a kind and a severity of 1 to 5, as in ImageNet-C (Hendrycks and Dietterich, ICLR
2019), whose constants blur, noise, jpeg and the two of size have; those of dark are this script's.

    blur    Gaussian blur of 1, 2, 3, 4, 6 pixels
    noise   Gaussian noise of .08, .12, .18, .26, .38 of white
    jpeg    JPEG of quality 25, 18, 15, 10, 7
    dark    pixel values times .7, .5, .35, .25, .15
    lowres  shrunk to .6, .5, .4, .3, .25 and enlarged again: masks stay (ImageNet-C's pixelate, but
            bicubic both ways)
    small   shrunk by the same factors, and the masks with it, by nearest pixels, void kept

The result is a devkit again, which `wsss pack --voc` reads: images of the same names as PNG, which
loses nothing; what else there is (ImageSets, Annotations, masks) is linked, or copied where links
cannot be made. Annotations are as before, so boxes of `small` do not fit: only their names do.
The same command goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from wsss_cli.artifacts.inputs import contents
from wsss_cli.core.images import as_tensor, decode_image
from wsss_cli.core.views import resize_image, scaled_size
from wsss_cli.errors import WsssError
from wsss_cli.formats.files import ImageFolder
from wsss_cli.formats.lists import read_lists

FACTORS = 0.6, 0.5, 0.4, 0.3, 0.25
VALUES: dict[str, tuple[float, ...]] = {  # of severity 1 to 5
    "blur": (1, 2, 3, 4, 6),  # pixels
    "noise": (0.08, 0.12, 0.18, 0.26, 0.38),  # of white
    "jpeg": (25, 18, 15, 10, 7),  # quality
    "dark": (0.7, 0.5, 0.35, 0.25, 0.15),  # factor of pixel values
    "lowres": FACTORS,
    "small": FACTORS,
}
REACH = 4  # standard deviations that a blur's kernel reaches, as scikit-image cuts it
ABOUT = "about.json"  # what a folder holds, so that nothing else is added to it


def parse(name: str) -> tuple[str, float]:
    """Kind and value of a corruption.

    Raises:
        ValueError: there is none of that name.

    >>> parse("blur3"), parse("jpeg5")
    (('blur', 3), ('jpeg', 7))
    """
    found = re.fullmatch(r"([a-z]+)([1-5])", name)
    if not found or found[1] not in VALUES:
        raise ValueError(f"{name}: need one of {', '.join(VALUES)} and a severity of 1 to 5")
    return found[1], VALUES[found[1]][int(found[2]) - 1]


def _on_tensor(change: Callable[[Tensor], Tensor], image: np.ndarray) -> np.ndarray:
    return change(as_tensor(image)).permute(1, 2, 0).contiguous().numpy()


def _noisy(image: Tensor, strength: float) -> Tensor:
    """In float, rounded once: torchvision's noise of bytes is cut towards zero."""
    noisy = v2.GaussianNoise(sigma=strength)(image.float() / 255)
    return (noisy * 255).round().byte()


def corrupted(image: np.ndarray, kind: str, value: float, image_id: str) -> np.ndarray:
    """An image as a corruption leaves it.

    Args:
        image: (H, W, 3) uint8.
        kind: one of `VALUES`.
        value: its strength, in the kind's own unit.
        image_id: what random numbers are drawn by, with the kind: at all strengths the same ones.

    Returns:
        (H, W, 3) uint8, of `small` (H', W', 3).
    """
    size = image.shape[:2]
    if kind in ("lowres", "small"):
        shrunk = resize_image(image, scaled_size(size, value))
        return resize_image(shrunk, size) if kind == "lowres" else shrunk
    if kind == "dark":
        return _on_tensor(lambda x: F.adjust_brightness(x, value), image)
    if kind == "jpeg":
        stream = io.BytesIO()  # by Pillow, as ImageNet-C: torchvision's encoder is on its way out
        Image.fromarray(image).save(stream, "JPEG", quality=int(value))
        return decode_image(stream.getvalue())
    if kind == "blur":
        # Its border is mirrored, so a kernel must not reach over the image
        reach = min(int(REACH * value), min(size) - 1)
        return _on_tensor(v2.GaussianBlur(2 * reach + 1, float(value)), image)
    digest = hashlib.sha256(f"{kind} {image_id}".encode()).digest()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int.from_bytes(digest[:8], "big") >> 1)
        return _on_tensor(lambda x: _noisy(x, value), image)


def shrunk_mask(path: Path, value: float) -> Image.Image:
    """A mask at another size: each pixel the nearest one's label, the palette kept."""
    with Image.open(path) as mask:
        height, width = scaled_size((mask.height, mask.width), value)
        return mask.resize((width, height), Image.Resampling.NEAREST)


def write_png(image: Image.Image, path: Path) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    begun = path.with_name(path.name + ".part")
    image.save(begun, "PNG")
    os.replace(begun, path)


def link(source: Path, target: Path) -> None:
    """The same folder or file, by a link where those can be made."""
    if target.exists():
        return
    try:
        target.symlink_to(source.resolve(), target_is_directory=source.is_dir())
    except OSError:
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy2(source, target)


def claim(out: Path, about: dict[str, object]) -> None:
    """Say what a folder is for.

    Raises:
        WsssError: it is there for something else.
    """
    note = out / ABOUT
    if note.exists():
        if json.loads(note.read_text()) != about:
            raise WsssError(
                f"{out}: holds something else ({note.read_text().strip()})", "name another folder"
            )
    elif out.exists() and any(out.iterdir()):
        raise WsssError(f"{out}: is not empty, and no earlier result", "name another folder")
    out.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps(about) + "\n")


def images_of(voc: Path, split: str) -> dict[str, Path]:
    """The images of a devkit's list, by id.

    Raises:
        WsssError: no such folder or list, or images of the list that are not there.
    """
    listed = voc / "ImageSets" / "Segmentation" / f"{split}.txt"
    paths, _, problems = read_lists({split: listed}, ImageFolder(voc / "JPEGImages"))
    if problems:
        raise WsssError(f"{listed}: {len(problems)} images are not there, first {problems[0].id}")
    return paths


def corrupt(voc: Path, split: str, name: str, out: Path) -> int:
    """Write the devkit `out`, or go on with it; returns how many images were made now.

    Raises:
        WsssError: what is read is not there, or `out` is there for something else.
        ValueError: no such corruption.
    """
    kind, value = parse(name)
    paths = images_of(voc, split)
    claim(out, {"kind": kind, "value": value, "voc": str(voc.resolve())})
    done = 0
    for image_id, path in paths.items():
        target = out / "JPEGImages" / f"{image_id}.png"
        if target.exists():
            continue
        mask = voc / "SegmentationClass" / f"{image_id}.png"
        if kind == "small" and mask.exists():  # before the image, which says that both are done
            write_png(shrunk_mask(mask, value), out / "SegmentationClass" / mask.name)
        image = decode_image(contents(path))
        write_png(Image.fromarray(corrupted(image, kind, value, image_id)), target)
        done += 1
    for part in sorted(voc.iterdir()):
        made = ("JPEGImages", "SegmentationClass") if kind == "small" else ("JPEGImages",)
        if part.name not in (*made, "SegmentationObject", ABOUT):
            link(part, out / part.name)
    return done


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        epilog="Kinds: " + ", ".join(f"{kind} {values}" for kind, values in VALUES.items()),
    )
    parser.add_argument("corruption", help="kind and severity, such as blur3")
    parser.add_argument("--voc", type=Path, required=True, help="folder of a VOC devkit")
    parser.add_argument("--split", default="val", help="its list of images (default val)")
    parser.add_argument("--out", "-o", type=Path, required=True, help="folder to write")
    arguments = parser.parse_args()
    try:
        done = corrupt(arguments.voc, arguments.split, arguments.corruption, arguments.out)
    except (WsssError, ValueError) as err:
        parser.exit(2, f"{err}\n")
    print(f"{arguments.out}: {done} images made")


if __name__ == "__main__":
    main()
