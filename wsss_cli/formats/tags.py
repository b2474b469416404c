"""What looks wrong with the tags of a data set, whichever reader they come from.

Three things make classes of what is none: several tags taken for one ("cat dog"), one written in
several ways ("Cat", "cat"), and a word for nothing ("nan", "No Finding"). What is all but certain
is refused, what is likely is said. The names that the user lists are taken as they are.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping

from ..errors import WsssError

MARKS = (" ", ";", "|", ",", "/", "+", "&", "_", "-")  # what may stand between two tags
_SELDOM = ";|,"  # in names of classes
MISSING = frozenset({"nan", "none", "null", "<na>", "n/a", "na", "nat", "undefined"})
NOTHING = frozenset({
    "no finding", "no findings", "nothing", "empty", "normal", "healthy", "negative", "clear",
    "no object", "no objects", "unlabeled", "unlabelled",
})  # fmt: skip
_KEEP = "--classes FILE lists the classes, one per line, where it is one"
_SPLIT = "--separator {!r} splits tags there, and another, such as --separator {!r}, keeps them"


def alike(name: str) -> str:
    """What two spellings of one name have in common.

    >>> alike("Traffic_Light") == alike("traffic  light"), alike("1.0") == alike("01")
    (True, True)
    """
    name = unicodedata.normalize("NFKC", name).casefold()
    name = "".join(letter for letter in name if unicodedata.category(letter) != "Cf")
    name = re.sub(r"[\s_-]+", " ", name).strip()
    return re.sub(r"^0+(?=\d)", "", re.sub(r"^(\d+)\.0+$", r"\1", name))


def twin_of(name: str, others: Iterable[str]) -> str | None:
    """Another spelling of a name, if there is one among the others."""
    return next((one for one in others if one != name and alike(one) == alike(name)), None)


def words_of(tag: str, mark: str) -> list[str]:
    """The parts between which a mark stands."""
    return [word.strip() for word in tag.split(mark) if word.strip()]


def examine(counts: Mapping[str, int], lone: Iterable[str], separator: str | None) -> list[str]:
    """What is likely wrong with tags, to be said.

    Args:
        counts: each tag, and how many images have it.
        lone: tags that are never on an image together with another.
        separator: what the user says of how tags are told apart: "asked" where an option may
            say it, "told" where it was said, None where the reader has no such option.

    Raises:
        WsssError: what is all but certainly wrong.
    """
    for name in counts:
        if name.casefold() in MISSING:
            raise WsssError(
                f"the tag {name!r} ({_images(counts[name])}) is no class but says that there is "
                "none, or that it is not known",
                f"--negative {name!r} keeps such images as background only; {_KEEP}",
            )
        if re.match(r"[\[{'\"]", name) or re.search(r"^[^\[{]*[\]}]$", name):
            raise WsssError(f"the tag {name!r} looks like a part of a list", _KEEP)
    _refuse_twins(counts)
    said = [
        f"the tag {name!r} ({_images(counts[name])}) is never there with another: if it says that "
        f"an image shows none of the classes, --negative {name!r} keeps it as background only"
        for name in lone
        if alike(name) in NOTHING
    ]
    return said if separator == "told" else [*said, *_several(counts, separator)]


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count} images"


def _refuse_twins(counts: Mapping[str, int]) -> None:
    """
    Raises:
        WsssError: two names are spellings of one.
    """
    first: dict[str, str] = {}
    for name in counts:
        other = first.setdefault(alike(name), name)
        if other != name:
            a, b = (f"{one!a} ({_images(counts[one])})" for one in (other, name))
            raise WsssError(
                f"the tags {a} and {b} are two spellings of one name",
                "write them alike; --classes FILE lists both, one per line, where they are two",
            )


def _several(counts: Mapping[str, int], separator: str | None) -> list[str]:
    """What is likely several tags read as one.

    Raises:
        WsssError: what certainly is.
    """
    likely = []
    for mark in MARKS:
        found = _held(counts, mark)
        sure, example = _verdict(counts, found, mark)
        if example is None:
            continue
        other = next(one for one in (";", "|", "#") if not any(one in tag for tag in counts))
        way = _SPLIT.format(mark, other) if separator == "asked" else _KEEP
        text = (
            f"{_tags(len(found))} with {mark!r} seem to be several, such as {example!r} "
            f"({_images(counts[example])})"
        )
        if sure:
            raise WsssError(text, way)
        likely.append(f"{text}; {way}")
    return likely


def _tags(count: int) -> str:
    return "1 tag" if count == 1 else f"{count} tags"


def _held(counts: Mapping[str, int], mark: str) -> dict[str, list[str]]:
    """The words of each tag that holds a mark between words."""
    words = {tag: words_of(tag, mark) for tag in counts}
    return {tag: parts for tag, parts in words.items() if len(parts) > 1}


def _verdict(
    counts: Mapping[str, int], held: Mapping[str, list[str]], mark: str
) -> tuple[bool, str | None]:
    """Whether it is certain that tags were meant to be split, and one of them if it is likely.

    Certain: all words of all of them are tags of their own, or numbers; one has the words of
    another in another order; or there are few words in many of them. Likely: it is so of one; a
    word that ends one begins another; or a mark that names of classes seldom have.
    """
    if not held:
        return False, None
    apart = [tag for tag, words in held.items() if all(word in counts for word in words)]
    if len(apart) == len(held):
        return True, apart[0]
    numbers = [tag for tag, words in held.items() if all(map(str.isdigit, words))]
    if numbers and mark in " ;|,":
        return True, numbers[0]
    turned = Counter(tuple(sorted(words)) for words in held.values())
    for tag, words in held.items():
        if turned[tuple(sorted(words))] > 1:
            return True, tag
    vocabulary = {word for words in held.values() for word in words}
    if len(held) >= 4 and 2 * len(vocabulary) <= len(held):
        return True, next(iter(held))
    if apart:
        return False, apart[0]
    last = {words[-1] for words in held.values()}
    for tag, words in held.items():
        if mark == " " and last.intersection(words[:-1]):
            return False, tag
    if mark in _SELDOM or len(held) > len(vocabulary):
        return False, next(iter(held))
    return False, None
