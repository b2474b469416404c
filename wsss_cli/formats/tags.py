"""What looks wrong with the tags of a data set, whichever reader they come from.

Three things make classes of what is none: several tags taken for one ("cat dog"), one written in
several ways ("Cat", "cat"), and a word for nothing ("nan", "No Finding"). What is all but certain
is refused, what is likely is said. The names that the user lists are taken as they are.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from ..errors import WsssError

_USUAL = (";", "|", ",", " ")  # marks between two tags, the likeliest first
_SELDOM = (";", "|", ",")  # in names of classes
MISSING = frozenset({"nan", "none", "null", "<na>", "n/a", "na", "nat", "undefined"})
NOTHING = frozenset({
    "no finding", "no findings", "nothing", "empty", "normal", "healthy", "negative", "clear",
    "no object", "no objects", "unlabeled", "unlabelled", "no", "false", "absent", "unknown",
})  # fmt: skip
_PART = re.compile(r"^[\[{'\"]|^\([^)]*$|^[^\[]*\]$|^[^{]*\}$|^[^(]*\)$")
_KEEP = "if it is a class, list all classes with --classes FILE, one per line"
_NUMBER = re.compile(r"[+-]?(\d+|\d*[.]\d+)(e[+-]?\d+)?", re.I)
_VALUED = re.compile(r".*[^\W\d].*?\s*[:=(]\s*\d+([.]\d+)?\s*%?\)?")  # cat:0.9, cat (2)
_MANY = 10  # tags, from which on it is odd that hardly any is on two images
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


def marks_of(tags: Iterable[str]) -> list[str]:
    """What may stand between two tags: whatever is no letter and no digit, and "and".

    >>> marks_of(["cat & dog", "cat/dog"])
    [' ', '&', '/', ' and ']
    """
    held = {letter for tag in tags for letter in tag if not letter.isalnum()}
    others = sorted(held.difference(_USUAL))
    usual = [mark for mark in _USUAL if mark in held]
    return [*usual, *others, *([" and "] if " " in held else [])]


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
        if _PART.search(name):
            raise WsssError(
                f"the tag {name!r} looks like a part of a list or of quoted text", _KEEP
            )
        if name.casefold() in MISSING or (name.isascii() and not re.search(r"\w", name)):
            raise WsssError(
                f"the tag {name!r} ({_images(counts[name])}) is no class but says that there is "
                "none, or that it is not known",
                f"--negative {name!r} keeps such images as background only; {_KEEP}",
            )
    _refuse_twins(counts)
    said = [
        f"the tag {name!r} ({_images(counts[name])}) is never there with another: if it says that "
        f"an image shows none of the classes, --negative {name!r} keeps it as background only"
        for name in lone
        if alike(name) in NOTHING or (name == "0" and _is_odd_zero(counts))
    ]
    fractions = [name for name in counts if _NUMBER.fullmatch(name) and float(name) % 1]
    if fractions and all(map(_NUMBER.fullmatch, counts)):
        said.append(f"the tags are fractions, such as {fractions[0]!r}: are these classes?")
    if counts and all(map(_VALUED.fullmatch, counts)):
        said.append(
            f"all tags end in numbers, as {next(iter(counts))!r} does: are these parts of names?"
        )
    single = sum(count == 1 for count in counts.values())
    if len(counts) >= _MANY and single > 0.9 * len(counts):
        said.append(
            f"{single} of {len(counts)} tags are on one image only, such as "
            f"{min(counts, key=lambda name: counts[name])!r}: are these classes?"
        )
    return said if separator == "told" else [*said, *_several(counts, separator)]


def _is_odd_zero(names: Iterable[str]) -> bool:
    """Whether 0 stands beside 1 alone, or beside names."""
    others = {name for name in names if name != "0"}
    return others == {"1"} or (bool(others) and not any(map(str.isdigit, others)))


def inseparable(tagged: Iterable[Sequence[str]]) -> tuple[str, str] | None:
    """Two tags that stand behind one another on several images, and nowhere else.

    >>> inseparable([("sofa", "couch"), ("cat", "sofa", "couch"), ("cat",)])
    ('sofa', 'couch')
    """
    tagged = list(tagged)
    counts = Counter(tag for tags in tagged for tag in tags)
    pairs = Counter(pair for tags in tagged for pair in itertools.pairwise(tags))
    for (a, b), count in pairs.items():
        if count > 1 and count == counts[a] == counts[b]:
            return a, b
    return None


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
                "write them alike; if they are two classes, list all with --classes FILE",
            )


def _several(counts: Mapping[str, int], separator: str | None) -> list[str]:
    """What is likely several tags read as one.

    Raises:
        WsssError: what certainly is.
    """
    likely: list[str] = []
    for mark in marks_of(counts):
        found = _held(counts, mark)
        sure, example = _verdict(counts, found, mark)
        if example is None:
            continue
        free = (one for one in ";|#" if not any(one in tag for tag in counts))
        other = next(free, "<>")
        way = _SPLIT.format(mark, other) if separator == "asked" else _KEEP
        text = (
            f"{_tags(len(found))} several, such as {example!r} ({_images(counts[example])}), "
            f"which {mark!r} would part"
        )
        if sure:
            raise WsssError(text, way)
        likely.append(f"{text}; {way}")
    return likely[:1]


def _tags(count: int) -> str:
    return "1 tag seems to be" if count == 1 else f"{count} tags seem to be"


def _held(counts: Mapping[str, int], mark: str) -> dict[str, list[str]]:
    """The words of each tag that holds a mark between words."""
    words = {tag: words_of(tag, mark) for tag in counts}
    return {tag: parts for tag, parts in words.items() if len(parts) > 1}


def _verdict(
    counts: Mapping[str, int], held: Mapping[str, list[str]], mark: str
) -> tuple[bool, str | None]:
    """Whether it is certain that tags were meant to be split, and one of them if it is likely.

    Certain: all words of all of them are tags of their own, or numbers; one has the words of
    another in another order; or they have no more words than there are of them, and a word that
    ends one stands before the end of another, as the words of names do not. Likely: any of these.
    """
    if not held:
        return False, None
    apart = [tag for tag, words in held.items() if all(word in counts for word in words)]
    if len(apart) == len(held):
        return True, apart[0]
    numbers = [tag for tag, words in held.items() if all(map(str.isdigit, words))]
    if numbers and mark in _USUAL:
        return True, numbers[0]
    turned = Counter(tuple(sorted(words)) for words in held.values())
    for tag, words in held.items():
        if turned[tuple(sorted(words))] > 1:
            return True, tag
    last = {words[-1] for words in held.values()}
    moved = [tag for tag, words in held.items() if last.intersection(words[:-1])]
    more = len(held) - len({word for words in held.values() for word in words})
    if moved and more >= 0:
        return True, moved[0]
    if apart or more > 0 or mark in _SELDOM:
        return False, apart[0] if apart else next(iter(held))
    return False, moved[0] if moved and mark == " " else None
