"""What numbers of masks stand for where the folders of a data set say so.

Source: cityscapesscripts' labels.py; label_colors.txt as Datumaro's writer for CVAT has it.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import WsssError
from .lists import read_lines
from .mask_values import NamedValues

MAX_NUMBER = (1 << 16) - 1  # in a mask
# Of Cityscapes: the numbers of labelIds that count, in the order of labelTrainIds.
CITYSCAPES = {
    7: "road", 8: "sidewalk", 11: "building", 12: "wall", 13: "fence", 17: "pole",
    19: "traffic light", 20: "traffic sign", 21: "vegetation", 22: "terrain", 23: "sky",
    24: "person", 25: "rider", 26: "car", 27: "truck", 28: "bus", 31: "train",
    32: "motorcycle", 33: "bicycle",
}  # fmt: skip
UNCOUNTED = 34  # numbers of labelIds


def cityscapes_numbers(kind: str) -> NamedValues:
    """Cityscapes' own numbers."""
    if kind == "labelTrainIds":
        numbers = dict(enumerate(CITYSCAPES.values()))
    else:
        numbers = {number: CITYSCAPES.get(number, "ignore") for number in range(UNCOUNTED)}
    return NamedValues({**numbers, 255: "ignore"}, {}, f"Cityscapes' {kind}", of_file=True)


def numbered_lines(path: Path) -> NamedValues:
    """CVAT's label_colors.txt: R G B and a name a line, which number the labels from 0.

    Raises:
        WsssError: another line.
    """
    numbers: dict[int, str] = {}
    for line in read_lines(path):
        if line.startswith("#"):
            continue
        *colour, name = [*line.split(None, 3), ""][:4]
        if not name or not all(part.isdecimal() for part in colour):
            raise WsssError(f"{path}: line {line!r} is not R G B and a name")
        numbers[len(numbers)] = name
    return NamedValues(numbers, {}, str(path), of_file=True)


def numbers_of_tables(files: list[Path]) -> NamedValues:
    """Numbers and names of the tables of all splits.

    Raises:
        WsssError: a line that is no number and a name; two that contradict.
    """
    numbers: dict[int, str] = {}
    for file in files:
        for line in read_lines(file)[1:]:
            number, _, name = (part.strip() for part in line.partition(","))
            name = name.strip('"')
            if not name or not number.isdecimal() or int(number) > MAX_NUMBER:
                raise WsssError(f"{file}: line {line!r} is not a number and a name")
            if numbers.setdefault(int(number), name) != name:
                raise WsssError(
                    f"{file}: {number} is {name!r}, and {numbers[int(number)]!r} before",
                    "pack the folders of splits that agree",
                )
    return NamedValues(numbers, {}, files[0].name, of_file=True)
