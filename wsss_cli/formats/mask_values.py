"""--mask-values, and the files that say which number or colour of a mask stands for what."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..artifacts.inputs import is_file
from ..core.label_numbers import BACKGROUND, IGNORE, MAX_CLASSES
from ..core.mask_values import Colour, ValueTable
from ..errors import UsageError, WsssError
from .lists import read_lines

LABELMAP = "labelmap.txt"  # of CVAT and Datumaro: label:r,g,b:parts:actions
VOC = "voc"  # in place of a file: VOC's colour map
BACKGROUND_NAMES = frozenset({"background", "_background_"})
IGNORE_NAMES = frozenset({"ignore", "ignored", "__ignore__", "void", "unlabeled", "unlabelled"})

_BYTE = r"(\d{1,3})"
_LABELMAP = re.compile(rf"(.+?):{_BYTE},{_BYTE},{_BYTE}(?::.*)?")
_UNCOLOURED = re.compile(r"([^:]+)::[^:]*:[^:]*")  # a labelmap's line of a class without colour
_NAME_FIRST = re.compile(rf"(.+?)[,;\t]\s*{_BYTE}[,;\t]\s*{_BYTE}[,;\t]\s*{_BYTE}\s*")
_COLOUR_FIRST = re.compile(rf"{_BYTE}[ ,;\t]+{_BYTE}[ ,;\t]+{_BYTE}[ ,;\t]+(.+)")
_NUMBER_FIRST = re.compile(r"(\d{1,5})[,;:\t]\s*(.+)")
_HEX = re.compile(r"#([0-9a-fA-F]{6})")
_HEADER = re.compile(r"(pixel value|name|class|label|r|value|index|id)\b.*", re.IGNORECASE)


@dataclass(frozen=True)
class NamedValues:
    """What numbers and colours stand for, by name, before the classes are settled.

    Attributes:
        numbers, colours: to a name of a class, of background or of what is no label, or to a
            label in digits.
        source: what messages call it.
        of_file: whether a file names the classes, in order.
    """

    numbers: Mapping[int, str]
    colours: Mapping[Colour, str]
    source: str
    of_file: bool = False

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that it names, each once, in its order."""
        names = dict.fromkeys((*self.numbers.values(), *self.colours.values()))
        return tuple(name for name in names if not _is_no_class(name) and not name.isdigit())

    @property
    def settles_order(self) -> bool:
        """Whether names alone say which label is which class."""
        named = [*self.numbers.values(), *self.colours.values()]
        return bool(self.classes) and not any(name.isdigit() for name in named)

    def table(self, classes: Sequence[str]) -> ValueTable:
        """The labels that it stands for, of classes in order.

        Raises:
            WsssError: a name that is no class.
        """
        numbers = {number: self._label(name, classes) for number, name in self.numbers.items()}
        colours = {colour: self._label(name, classes) for colour, name in self.colours.items()}
        closed = any(BACKGROUND < label < IGNORE for label in numbers.values())
        return ValueTable(numbers, colours, closed)

    def _label(self, name: str, classes: Sequence[str]) -> int:
        if name in classes:
            return list(classes).index(name) + 1
        if name.lower() in BACKGROUND_NAMES:
            return BACKGROUND
        if name.lower() in IGNORE_NAMES:
            return IGNORE
        if name.isdigit() and (int(name) <= len(classes) or int(name) == IGNORE):
            return int(name)
        listed = ", ".join(classes[:6]) + (", ..." if len(classes) > 6 else "")
        raise WsssError(
            f"{self.source}: {name!r} is no class",
            f"the classes are {listed}; background and ignore are names, too",
        )


def parse_values(options: Sequence[str]) -> NamedValues | None:
    """What --mask-values options say; None where there are none.

    Args:
        options: VALUE=NAME each, VALUE a number, R,G,B or #RRGGBB; or a file, or "voc".

    Raises:
        UsageError: neither; a value twice.
        WsssError: a file that cannot be read, or names a value twice.
    """
    if not options:
        return None
    if len(options) == 1 and options[0] == VOC:
        return voc_colours()
    if len(options) == 1 and ("=" not in options[0] or is_file(options[0])):
        return read_values(Path(options[0]))
    pairs = []
    for option in options:
        value, _, name = option.rpartition("=")
        key = _value(value.strip())
        if key is None or not name.strip():
            raise UsageError(
                f"--mask-values {option}: give VALUE=NAME, or one file alone",
                "VALUE is a number, R,G,B or #RRGGBB; NAME a class, background or ignore",
            )
        pairs.append((key, name.strip()))
    twice = _twice(key for key, _ in pairs)
    if twice is not None:
        raise UsageError(f"--mask-values: {_said(twice)} is named twice")
    return _named(pairs, "--mask-values")


def read_values(path: Path) -> NamedValues:
    """A file of names and what stands for them, a line each, in one of these forms.

    CVAT's and Datumaro's labelmap.txt (name:r,g,b:parts:actions), whose lines also number the
    labels of grey masks from 0; name,r,g,b; r g b name; number,name; VALUE=NAME.

    Raises:
        WsssError: a line of none of these; a value twice; no lines.
    """
    pairs: list[tuple[int | Colour, str]] = []
    names: list[str] = []  # of the lines of a labelmap
    for place, line in enumerate(_lines(path)):
        if found_name := _UNCOLOURED.fullmatch(line):
            names.append(found_name.group(1).strip())
            continue
        found = _parsed(line)
        if found is None:
            if place == 0 and _HEADER.fullmatch(line):
                continue
            raise WsssError(
                f"{path}: line {line!r} names no number or colour",
                "a line is name:r,g,b as in CVAT's labelmap.txt, or number,name, or VALUE=NAME",
            )
        pairs.append(found)
        if _LABELMAP.fullmatch(line):
            names.append(found[1])
    pairs += enumerate(names)
    if not pairs:
        raise WsssError(f"{path}: names no numbers or colours")
    twice = _twice(key for key, _ in pairs)
    if twice is not None:
        raise WsssError(f"{path}: {_said(twice)} is named twice", "give each class its own")
    return _named(pairs, str(path), of_file=True)


def labelmap_beside(masks: Path) -> NamedValues | None:
    """What a labelmap.txt in a folder of masks, or in the folder above, says of colours.

    Greys are numbers by its lines only where these are the labels: otherwise nobody could tell
    what they mean.

    Raises:
        WsssError: as `read_values`.
    """
    for folder in (masks, masks.parent):
        path = folder / LABELMAP
        if is_file(path) and any(map(_LABELMAP.fullmatch, _lines(path))):  # others are called so
            found = read_values(path)
            expected = dict(enumerate(["background", *found.classes]))
            same = {k: _plain(v) for k, v in found.numbers.items()} == expected
            return found if same else NamedValues({}, found.colours, found.source, True)
    return None


def _lines(path: Path) -> list[str]:
    """The lines of a file that are no remarks."""
    return [line for line in read_lines(path) if not line.startswith("#") or _HEX.match(line)]


def voc_colours() -> NamedValues:
    """VOC's colour map: the colour of label k stands for label k."""
    from ..core.images import voc_palette  # loads Pillow

    colours: dict[Colour, str] = {}
    for label, (red, green, blue) in enumerate(voc_palette().tolist()):
        if label <= MAX_CLASSES or label == IGNORE:
            colours[red, green, blue] = str(label)
    return _VocColours({}, colours, VOC)


class _VocColours(NamedValues):
    """Colours of more labels than there are classes."""

    def table(self, classes: Sequence[str]) -> ValueTable:
        labels = {colour: int(name) for colour, name in self.colours.items()}
        fit = {c: k for c, k in labels.items() if k <= len(classes) or k == IGNORE}
        return ValueTable(colours=fit)


def _named(
    pairs: Iterable[tuple[int | Colour, str]], source: str, of_file: bool = False
) -> NamedValues:
    numbers: dict[int, str] = {}
    colours: dict[Colour, str] = {}
    for key, name in pairs:
        if isinstance(key, int):
            numbers[key] = name
        else:
            colours[key] = name
    if colours:
        colours.setdefault((0, 0, 0), "background")  # as the number 0 is where none is named
    return NamedValues(numbers, colours, source, of_file)


def _parsed(line: str) -> tuple[int | Colour, str] | None:
    """A line's value and its name."""
    if _is_pair(line):
        value, _, name = line.rpartition("=")
        key = _value(value.strip())
        return None if key is None else (key, name.strip())
    for form in (_LABELMAP, _NAME_FIRST):
        if found := form.fullmatch(line):
            key = _value(",".join(found.groups()[1:]))
            return None if key is None else (key, found.group(1).strip())
    if found := _COLOUR_FIRST.fullmatch(line):
        key = _value(",".join(found.groups()[:3]))
        return None if key is None else (key, found.group(4).strip())
    if found := _NUMBER_FIRST.fullmatch(line):
        return int(found.group(1)), found.group(2).strip()
    return None


def _value(text: str) -> int | Colour | None:
    """A number or a colour; None where a text is neither."""
    if found := _HEX.fullmatch(text):
        red, green, blue = bytes.fromhex(found.group(1))
        return red, green, blue
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and part.isascii() for part in parts):
        return None
    values = [int(part) for part in parts]
    if len(values) == 1 and values[0] < 1 << 16:
        return values[0]
    if len(values) == 3 and max(values) <= 255:
        return values[0], values[1], values[2]
    return None


def _is_pair(text: str) -> bool:
    value, equals, _ = text.rpartition("=")
    return bool(equals) and _value(value.strip()) is not None


def _plain(name: str) -> str:
    return "background" if name.lower() in BACKGROUND_NAMES else name


def _is_no_class(name: str) -> bool:
    return name.lower() in BACKGROUND_NAMES | IGNORE_NAMES


def _twice(keys: Iterable[int | Colour]) -> int | Colour | None:
    seen: set[int | Colour] = set()
    for key in keys:
        if key in seen:
            return key
        seen.add(key)
    return None


def _said(key: int | Colour) -> str:
    return str(key) if isinstance(key, int) else ",".join(map(str, key))
