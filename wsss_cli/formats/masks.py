"""Finding the masks of a collection's images, and settling what their pixels stand for."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..artifacts.inputs import is_dir, need_folder, walk
from ..core.label_numbers import BACKGROUND, IGNORE
from ..core.mask_values import NoLabel, ValueTable
from ..errors import UsageError, WsssError
from .files import ImageFolder
from .kinds import kind_of_name
from .mask_names import found_suffix, mask_names, way_to
from .mask_values import NamedValues, labelmap_beside, parse_values
from .names import is_image
from .sample import Collection, MaskFacts, Problem, Sample, need_class_order
from .true_boxes import BadBox

EXTENSIONS = (".png", ".tif", ".tiff", ".gif", ".bmp")  # the first is preferred
LOSSY = (".jpg", ".jpeg", ".webp")


@dataclass(frozen=True)
class MaskOptions:
    """What the options of `pack` say of masks, beside their folder.

    Attributes:
        values: what numbers and colours stand for, as `parse_values` takes it.
        suffix: NEW, which the name of a mask has behind the image's, or OLD=NEW, where NEW stands
            in the place of OLD, or a name in which * is the image's; None to find one.
        first: number of the first class in the masks, 1 or 0; None for 1, unless tags say 0.

    Raises:
        UsageError: options that contradict.
    """

    values: tuple[str, ...] = ()
    suffix: str | None = None
    first: int | None = None

    def __post_init__(self) -> None:
        if self.values and self.first is not None:
            raise UsageError("--first-label does not go with --mask-values")


USUAL = MaskOptions()


def way_out(error: ValueError) -> str | None:
    """What may help where a mask or box cannot be used, as the hint of a `Problem`."""
    if isinstance(error, BadBox):
        return "--no-boxes packs the tags without the boxes, which only scoring needs"
    if isinstance(error, NoLabel):
        return "--mask-values says what numbers and colours of masks stand for"
    return None


class Masks:
    """The masks of one reading: first the files, then, once classes are known, their values."""

    def __init__(
        self, folder: Path | None, options: MaskOptions, usual: Path | None = None
    ) -> None:
        """
        Args:
            folder: the one asked for.
            options: beside it.
            usual: where masks are if none is asked for; it may be missing.

        Raises:
            WsssError: `folder` is none; a file of values that cannot be read.
            UsageError: as `parse_values`.
        """
        if folder is not None:
            need_folder(folder)
        self.folder = folder or (usual if usual is not None and is_dir(usual) else None)
        self.options, self._given = options, folder is not None
        self.named: NamedValues | None = parse_values(options.values)
        if self.named is None and self.folder is not None and options.first is None:
            self.named = labelmap_beside(self.folder)
        self._files: dict[str, list[Path]] | None = None
        self._used: set[Path] = set()
        self._own: set[str] = set()  # the images, which may be in the same folder
        self._suffix = options.suffix
        self._whole: list[str] = []  # ids of masks read that hold no background

    def classes(self, found: Iterable[str]) -> tuple[str, ...]:
        """All class names in order, where nobody lists them.

        Args:
            found: of the tags, in order; a file that names them all decides on another.
        """
        names, known = tuple(found), self.named.classes if self.named is not None else ()
        if self.named is not None and self.named.of_file and set(names) <= set(known):
            return known
        return (*names, *(name for name in known if name not in names))

    def attach(
        self, samples: Iterable[Sample], images: ImageFolder
    ) -> tuple[list[Sample], list[Problem]]:
        """The samples, those without a mask with the one that the folder holds.

        Raises:
            WsssError: there are masks, and none is found; says what was looked for.
        """
        samples = list(samples)
        if self.folder is None:
            return samples, []
        paths = {one.id: one.image for one in samples if isinstance(one.image, Path)}
        stems = {image_id: _key(images.stem(path)) for image_id, path in paths.items()}
        root = os.path.realpath(images.root)
        self._own = {os.path.join(root, os.path.relpath(p, images.root)) for p in paths.values()}
        if self._suffix is None:
            self._suffix = self._found_suffix(stems.values())
        kept, problems = [], []
        for sample in samples:
            try:
                mask = sample.mask or self._mask(stems[sample.id])
            except LookupError as err:
                problems.append(Problem(sample.id, err.args[0]))
                continue
            kept.append(replace(sample, mask=mask))
            if isinstance(mask, Path):
                self._used.add(mask)
        if self._given and stems and not problems and not any(one.mask for one in kept):
            raise self._none(min(stems.values()))
        return kept, problems

    def order(self, source: str, samples: Iterable[Sample]) -> None:
        """As `need_class_order`, unless names say which label is which class."""
        if self.named is None or not self.named.settles_order:
            need_class_order(source, samples)

    def table(self, classes: Sequence[str]) -> ValueTable:
        """What numbers and colours stand for.

        Raises:
            WsssError: as `NamedValues.table`.
        """
        if self.named is None:
            return ValueTable(first=1 if self.options.first is None else self.options.first)
        return self.named.table(classes)

    def names(self, sample: Sample, classes: Sequence[str]) -> tuple[str, ...]:
        """The classes that a sample's mask holds, in order.

        An image without one has none where a file names the colours: CVAT leaves out the masks of
        images without objects.

        Raises:
            ValueError: no mask where there should be one, or one that cannot be used.
        """
        from .check import held_labels  # loads Pillow

        if sample.mask is None:
            if self._used and self.named is not None and self.named.of_file:
                return ()
            assert isinstance(sample.image, Path)
            raise ValueError(f"no mask {self.folder and self.folder.name}/{sample.id}.png")
        try:
            held = held_labels(sample.mask, self.table(classes), len(classes))
        except OSError as err:
            raise ValueError(f"its mask: {err.strerror or err}") from None
        if BACKGROUND not in held:
            self._whole.append(sample.id)
        return tuple(classes[label - 1] for label in held if 0 < label < IGNORE)

    def remarks(self) -> list[str]:
        """What looks wrong with the masks that `names` read, where a file names their colours."""
        if not self._whole or self.named is None or not self.named.of_file:
            return []
        return [
            f"{len(self._whole)} masks hold no background, first that of {self._whole[0]}: some "
            "exports paint the background in the colour of the first class"
        ]

    def settle(self, found: Collection) -> Collection:
        """The collection, with what is known of its masks.

        Raises:
            WsssError: options about masks, and there are none; as `table`.
        """
        if not any(sample.mask is not None for sample in found.samples):
            if self.options != USUAL and found.samples:
                raise WsssError(
                    "no image has a mask, so nothing is known of their values and names",
                    "--masks names their folder; leave out --mask-values, --mask-suffix and "
                    "--first-label",
                )
            return found
        files = [path for paths in (self._files or {}).values() for path in paths]
        notes = {
            **found.notes,
            "mask_suffix": self._suffix or None,
            "mask_values": self._said(),
            "first_label": self.options.first,
        }
        facts = MaskFacts(
            self.table(found.classes),
            self._given,
            self.named is not None or self.options.first is not None,
            self.options.first == 1,
            tuple(sorted(set(files) - self._used)),
        )
        added = {key: value for key, value in notes.items() if value is not None}
        return replace(found, notes={**found.notes, **added}, masks=facts)

    def _said(self) -> str | None:
        if self.named is None:
            return None
        return self.named.source if not self.options.values else ", ".join(self.options.values)

    def _index(self) -> Mapping[str, list[Path]]:
        """Label images below the folder, but for the images, by relative name without extension."""
        if self._files is None:
            self._files = {}
            root = os.path.realpath(self.folder) if self.folder is not None else ""
            for path in walk(self.folder, is_image) if self.folder is not None else ():
                relative = os.path.relpath(path, self.folder)
                stem, extension = os.path.splitext(relative)
                if (
                    extension.lower() in EXTENSIONS
                    and os.path.join(root, relative) not in self._own
                ):
                    self._files.setdefault(_key(stem), []).append(path)
        return self._files

    def _mask(self, stem: str) -> Path | None:
        """The mask of an image's name.

        Raises:
            LookupError: several.
        """
        names = mask_names(stem, self._suffix or "")
        found = next((self._index()[name] for name in names if name in self._index()), [])
        first = [one for one in found if one.suffix.lower() == EXTENSIONS[0]] or found
        if len(first) > 1:
            both = " and ".join(one.name for one in first[:2])
            raise LookupError(f"{both} could both be its mask")
        return first[0] if first else None

    def _found_suffix(self, stems: Iterable[str]) -> str:
        """The only ending that all names of masks have behind the images', where none is alike."""
        wanted, names = list(stems), sorted(self._index())
        if any(stem in self._index() for stem in wanted):
            return ""
        return found_suffix(wanted, names)

    def _none(self, stem: str) -> WsssError:
        """That not one mask was found."""
        assert self.folder is not None
        root = os.path.realpath(self.folder)
        all_files = walk(self.folder, lambda name: True)
        every = sorted(os.path.relpath(path, self.folder) for path in all_files)
        there = [name for name in every if os.path.join(root, name) not in self._own]
        first = [*mask_names(stem, self._suffix or ""), stem][0]
        looked = f"{self.folder}/{first}.png"
        if not there:
            held = "it holds the images and no others" if every else "it holds no images"
            return WsssError(f"{self.folder}: no image has a mask there: {held}")
        last = stem.rpartition("/")[2]
        like = [name for name in there if last in name] or there
        hint = way_to(stem, [_key(name) for name in like])
        if all(name.lower().endswith(LOSSY) for name in like):
            hint = "masks are PNG, TIFF, GIF or BMP: saving as JPEG or WebP changes the labels"
        elif (kind := kind_of_name(like[0])) is not None:
            hint = f"masks are PNG, TIFF, GIF or BMP, and that is {kind[0]}: {kind[1]}"
        return WsssError(
            f"{self.folder}: holds no image's mask: looked for {looked}, there is {like[0]}", hint
        )


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name.replace(os.sep, "/"))
