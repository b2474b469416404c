"""What a mask is called whose image is known: its name, and what --mask-suffix says of it."""

from __future__ import annotations

import itertools
import os
import re
import shlex
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence

from .names import is_image, loose

SHOWN = 3  # suffixes that a hint names


def mask_names(stem: str, suffix: str) -> list[str]:
    """Names, without extension, that the mask of an image may have.

    Args:
        stem: the image's, relative and without extension.
        suffix: NEW, which stands behind the image's name; OLD=NEW, where NEW stands in the place
            of OLD at its end or else its beginning; or a name in which * is the image's. It may
            end in an extension.

    >>> mask_names("a/f0", "mask_*"), mask_names("f0_sat", "_sat=_mask"), mask_names("f0", ".png")
    (['a/mask_f0'], ['f0_mask'], ['f0.png', 'f0'])
    """
    old, equals, new = suffix.rpartition("=")
    if equals:
        old = os.path.splitext(old)[0] if is_image(old) else old
        folder, slash, last = stem.rpartition("/")
        if stem.endswith(old):
            name = stem.removesuffix(old) + new
        elif last.startswith(old):
            name = folder + slash + new + last.removeprefix(old)
        else:
            return []
    elif "*" in suffix:
        folder, slash, last = stem.rpartition("/")
        name = folder + slash + suffix.replace("*", last)
    else:
        name = stem + suffix
    return [name, os.path.splitext(name)[0]] if is_image(f"*{suffix}") else [name]


def found_suffix(stems: Sequence[str], names: Sequence[str]) -> str:
    """The only suffix by which all images or all masks belong together; empty where none does."""
    for form, turned in (("{}", str), ("{}*", _turned)):
        ordered = sorted(map(turned, names))
        endings = (one for stem in stems for one in _endings(turned(stem), ordered))
        counts = Counter(endings)
        whole = [end for end, count in counts.items() if count in (len(stems), len(names))]
        if len(whole) == 1 and not (form != "{}" and whole[0][0].isdigit()):
            return form.format(whole[0] if form == "{}" else whole[0][::-1])
    return ""


def way_to(stem: str, there: Sequence[str]) -> str:
    """What may help where the mask of an image was not found.

    Args:
        stem: the image's.
        there: relative names of the files that are there.
    """
    folder, _, last = stem.rpartition("/")
    ways = []
    for name in there:
        above, _, inner = os.path.splitext(name)[0].rpartition("/")
        if inner != last and loose(inner) == loose(last):
            return "small and capital letters in the names of images and masks must be the same"
        if above == folder and (way := _suffix_of(last, inner)) is not None:
            ways.append(way)
        elif inner == last and above != folder:
            return (
                "a mask lies in the same folder below --masks as its image does below --images: "
                f"here in {above or '.'} and in {folder or '.'}"
            )
    if ways:
        nearest = min(changed for changed, _ in ways)  # the others are those of other images
        suffixes = dict.fromkeys(suffix for changed, suffix in ways if changed == nearest)
        listed = " or ".join(map(shlex.quote, list(suffixes)[:SHOWN]))
        return f"--mask-suffix {listed} finds what is called so"
    return "a mask has the name of its image; --mask-suffix _mask finds NAME_mask.png"


def _suffix_of(last: str, name: str) -> tuple[int, str] | None:
    """The suffix that makes the last part of an image's name a mask's, if there is one.

    Returns:
        how many letters of the image's name it takes away, and the suffix.
    """
    before, found, behind = name.partition(last)
    if found:
        return (0, f"{before}*{behind}" if before else behind) if before or behind else None
    head = re.sub(r"[^\W_]*$", "", _common(last, name))
    if re.search(r"\w", head):
        old, new = last[len(head) :], name[len(head) :]
        return (len(old), f"{old}={new}")
    tail = _common(last[::-1], name[::-1])[::-1]
    if not (tail[:1].isdigit() and not last.removesuffix(tail)[-1:].isdigit()):
        tail = re.sub(r"^[^\W_]+", "", tail)
    old, new = last.removesuffix(tail), name.removesuffix(tail)
    return (len(old), f"{old}={new}") if re.search(r"\w", tail) else None


def _common(one: str, other: str) -> str:
    """What two texts begin with."""
    pairs = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return "".join(letter for letter, _ in pairs)


def _turned(name: str) -> str:
    """A name whose last part is written from its end."""
    folder, slash, last = name.rpartition("/")
    return folder + slash + last[::-1]


def _endings(stem: str, names: Sequence[str]) -> Iterator[str]:
    """What names, sorted, have behind a stem."""
    for place in range(bisect_left(names, stem), len(names)):
        if not names[place].startswith(stem):
            break
        if names[place] != stem:
            yield names[place][len(stem) :]
