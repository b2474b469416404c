"""`cls_labels.npy`: image labels as research code passes them around, id -> 0/1 per class."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import WsssError
from .files import ImageFolder
from .lists import read_lists, refuse_twice
from .masks import USUAL, MaskOptions, Masks
from .place import Place
from .reading import TAGGED, Asked, Reader
from .sample import VOC_CLASSES, Collection, Problem, Sample, collect

if TYPE_CHECKING:
    import numpy as np

_SQUEEZED = re.compile(r"(\d{4})(\d{6})")  # 2007000032: IRN's number for VOC's 2007_000032


def read_npy(
    path: Path,
    images: Path,
    splits: Mapping[str, Path | None] | None = None,
    classes: tuple[str, ...] | None = None,
    masks: Path | None = None,
    negative: tuple[str, ...] = (),
    mask_options: MaskOptions = USUAL,
) -> Collection:
    """Read a pickled dict of image id to a vector of 0 and 1, through a restricted unpickler.

    Args:
        path: the .npy file.
        images: folder of the images; only those that the dict names are taken.
        splits: list files by split name.
        classes: names in order; VOC's 20 where the vectors have 20 entries.
        masks: folder of label images named like the images.
        negative: of the names, those that say that an image shows no class.
        mask_options: what is said of the masks beside.

    Raises:
        WsssError: see `load_pickled_dict`; vectors of different length or with other numbers;
            class names missing or too few.
    """
    import numpy as np

    vectors = _vectors(path)
    count = len(next(iter(vectors.values())))
    if classes is None and count != len(VOC_CLASSES):
        raise WsssError(
            f"{path}: labels {count} classes without naming them",
            "name them in order with --classes FILE",
        )
    names = classes or VOC_CLASSES
    if len(names) != count:
        raise WsssError(f"{path}: labels {count} classes, {len(names)} are named")
    label_images = Masks(masks, mask_options)
    folder = ImageFolder(images, "--images names the folder of the images")
    images_of, problems = _images(path, vectors, folder)
    splits_of, problems = _choose(path, images_of, folder, splits or {}, problems)
    samples = []
    for image_id, (name, image) in images_of.items():
        if splits and image_id not in splits_of:
            continue
        tags = tuple(names[index] for index in np.flatnonzero(vectors[name]))
        samples.append(Sample(image_id, image, tags, None, splits_of.get(image_id, ())))
    samples, more = label_images.attach(samples, folder)
    return label_images.settle(
        collect(
            samples, names, classes, list(splits or {}), {"source": "npy"}, problems + more,
            source=str(path), negative=negative, remarks=folder.remarks(),
        )
    )  # fmt: skip


def _images(
    path: Path, vectors: Mapping[str, np.ndarray], folder: ImageFolder
) -> tuple[dict[str, tuple[str, Path]], list[Problem]]:
    """The name that the dict has for an image, and its file, by id; problems.

    Raises:
        WsssError: two names are of one image.
    """
    found: dict[str, tuple[str, Path]] = {}
    problems = []
    for name in vectors:
        try:
            image = folder.search(name)
            image_id = folder.id_of(image)
        except LookupError as err:
            problems.append(Problem(name, *err.args))
            continue
        if image_id in found:
            raise WsssError(
                f"{path}: {found[image_id][0]!a} and {name!a} are both image {image_id!a}"
            )
        found[image_id] = name, image
    return found, problems


def _choose(
    path: Path,
    images: Mapping[str, tuple[str, Path]],
    folder: ImageFolder,
    splits: Mapping[str, Path | None],
    problems: list[Problem],
) -> tuple[dict[str, tuple[str, ...]], list[Problem]]:
    """Split names by id, and the problems that are left where splits choose.

    Raises:
        WsssError: a split without a list.
    """
    absent = [name for name, file in splits.items() if file is None]
    if absent:
        raise WsssError(
            f"{path}: has no split '{absent[0]}'", "--split NAME=FILE names a list of ids"
        )
    if not splits:
        return {}, problems
    files = {name: file for name, file in splits.items() if file is not None}
    _, splits_of, unlisted = read_lists(files, folder)
    unlabelled = [image_id for image_id in splits_of if image_id not in images]
    return splits_of, [*unlisted, *(Problem(i, f"no labels in {path.name}") for i in unlabelled)]


def _vectors(path: Path) -> dict[str, np.ndarray]:
    """0/1 vectors by id, all of one length; at least one."""
    from .unpickle import load_pickled_dict

    content = load_pickled_dict(path)
    if not content:
        raise WsssError(f"{path}: labels no image")
    strange = [key for key in content if not isinstance(key, str | int)]
    if strange:
        raise WsssError(f"{path}: its keys are no image ids, first a {type(strange[0]).__name__}")
    refuse_twice(str(path), "images", map(_id_of_key, content))
    vectors = {_id_of_key(key): _vector(path, key, value) for key, value in content.items()}
    lengths = {len(vector) for vector in vectors.values()}
    if len(lengths) > 1 or 0 in lengths:
        raise WsssError(f"{path}: label vectors of {sorted(lengths)[:3]} entries")
    return vectors


def _id_of_key(key: str | int) -> str:
    text = key if isinstance(key, str) else f"{key:d}" if abs(key) < 1 << 64 else hex(key)
    squeezed = _SQUEEZED.fullmatch(text) if isinstance(key, int) else None
    return "_".join(squeezed.groups()) if squeezed else text


def _vector(path: Path, key: Any, value: Any) -> np.ndarray:
    import numpy as np

    # A list in a list is none, and could unfold into more than memory holds.
    flat = isinstance(value, np.ndarray) or (
        isinstance(value, list | tuple) and all(isinstance(one, int | float) for one in value)
    )
    try:
        vector = np.asarray(value if flat else np.nan, np.float64)
    except (TypeError, ValueError, OverflowError):
        vector = np.array(np.nan)
    if vector.ndim != 1 or not np.isin(vector, (0, 1)).all():
        raise WsssError(f"{path}: labels of {key} are not a vector of 0 and 1")
    return vector


def read(path: Path, asked: Asked, _: Any) -> Collection:
    """`read_npy` of what is asked."""
    assert asked.images is not None  # the card needs it
    return read_npy(
        path, asked.images, asked.splits, asked.classes, asked.masks, asked.negative,
        asked.mask_options,
    )  # fmt: skip


def detect(place: Place) -> str | None:
    """As `Reader.detect`."""
    told = place.single and place.path.suffix.lower() == ".npy"
    return f"{place.path.name} is a NumPy file" if told else None


READER = Reader(
    name="npy",
    source=Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="A cls_labels.npy file: a dict from id to a 0 or 1 for each class."
        ),
    ],
    read=read,
    takes=("images", *TAGGED),
    needs={"images": "it names the folder of the images"},
    said="vectors of tags by id",
    detect=detect,
)
