"""What `wsss pack` asks of a format: its card, which the command learns its options from."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from .masks import USUAL, MaskOptions
from .place import Place
from .sample import Collection

PACK = "pack"  # the command

# Options of pack that most formats take.
TAGGED = (
    "masks", "mask_values", "mask_suffix", "first_label", "classes", "negative", "split", "ids",
    "link", "span", "stretch", "alpha", "bands",
)  # fmt: skip


# And those that formats take in which people draw on images.
DRAWN = ("images", "outlines", "fill_boxes", *TAGGED)


class Unplaced(str, enum.Enum):
    """What tiles are told of a tag of their image that has no place in it."""

    inherit = "inherit"
    unsaid = "unsaid"


@dataclass(frozen=True, kw_only=True)
class NoOptions:
    """The options of a format that has none of its own."""


@dataclass(frozen=True, kw_only=True)
class Unclassed:
    """The option of formats that have shapes without a class."""

    label: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Class of shapes of which the file says none."),
    ] = None


@dataclass(frozen=True)
class Asked:
    """What the options of `pack` ask of any reader.

    Attributes:
        images: folder of the images; None for the format's usual place.
        masks: folder of label images; None where there is none, or for the format's usual place.
        classes: names in order; None to take those of the source.
        negative: tags that say that an image shows none of the classes.
        splits: splits to take, by name; None for a file stands for the source's own list.
        seed: of a source that is drawn.
        mask_options: what is said of the masks beside their folder.
    """

    images: Path | None = None
    masks: Path | None = None
    classes: tuple[str, ...] | None = None
    negative: tuple[str, ...] = ()
    splits: Mapping[str, Path | None] = field(default_factory=dict)
    seed: int = 0
    mask_options: MaskOptions = USUAL


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A format that `pack` reads.

    Attributes:
        name: of the option that names the source, without dashes.
        source: that option's type, Annotated as Typer wants it.
        read: reads a source, of what that option holds, what is asked, and the own options.
        options: dataclass of the format's own options: fields Annotated as Typer wants them, each
            with its true default.
        takes: options of the command, by parameter, that mean something for this format.
        needs: those it cannot do without, and what they say.
        drawn: whether the source is made from a seed, and no file.
        said: what people call the format.
        option: whether the source has an option of its own, --NAME; else --format NAME says so.
        detect: tells by what a source shows that it is of this format, in a few words such as
            "annotations.xml of CVAT"; None where it is not. It reads no more than the beginnings
            of few files.
        before: formats of which sources look like this one, too; where both are found, it is this.
    """

    name: str
    read: Callable[[Any, Asked, Any], Collection]
    source: Any = Path
    options: type = NoOptions
    takes: tuple[str, ...] = TAGGED
    needs: Mapping[str, str] = field(default_factory=dict)
    drawn: bool = False
    said: str = ""
    option: bool = True
    detect: Callable[[Place], str | None] | None = None
    before: tuple[str, ...] = ()
