"""Class names, their synonyms and plurals found in free text, as whole words.

A name is found where its words stand in a row, large or small letters alike, with a space, a hyphen
or the like between them, and no mark that ends a phrase. Where several names begin at one word, the
longest is taken, and its words are not looked at again: "hot dog" is no dog where it is listed. The
last word of a name may be a plural, by the rules of `plurals`. What a text says of a name is not
understood: "no dog" names a dog.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ..errors import WsssError
from .lists import read_lines

IRREGULAR = {
    "person": ("people",), "child": ("children",), "mouse": ("mice",), "foot": ("feet",),
    "tooth": ("teeth",), "goose": ("geese",), "ox": ("oxen",), "sheep": (), "fish": ("fishes",),
    "deer": (), "aircraft": (),
}  # fmt: skip
NOTHING = ""  # stands for words that name no class
_ENDS = re.compile(r"[.,;:!?()\[\]\"\n/]+")  # of phrases
_WORD = re.compile(r"[^\W_]+")


def words_of(text: str) -> tuple[str, ...]:
    """
    >>> words_of("Two dogs' T-shirts, a red_car")
    ('two', 'dogs', 't', 'shirts', 'a', 'red', 'car')
    """
    return tuple(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def plurals(word: str) -> tuple[str, ...]:
    """English plurals that a word may have.

    -s; -es after s, x, z, ch, sh and o; -ies for y after a consonant; -ves for f and fe; -men for
    man; and those of `IRREGULAR`.

    >>> plurals("bus"), plurals("pony"), plurals("knife"), plurals("fireman"), plurals("sheep")
    (('buses',), ('ponies',), ('knifes', 'knives'), ('firemans', 'firemen'), ())
    >>> plurals("boy"), plurals("potato"), plurals("person")
    (('boys',), ('potatos', 'potatoes'), ('persons', 'people'))
    """
    if word in ("sheep", "deer", "aircraft"):
        return ()
    if re.search("(s|x|z|ch|sh)$", word):
        return (word + "es", *IRREGULAR.get(word, ()))
    if re.search("[^aeiou]y$", word):
        return (word[:-1] + "ies",)
    found = [word + "s"]
    if word.endswith("o"):
        found.append(word + "es")
    if re.search("fe?$", word):
        found.append(re.sub("fe?$", "ves", word))
    if word.endswith("man"):
        found.append(word[:-3] + "men")
    return (*found, *IRREGULAR.get(word, ()))


class Vocabulary:
    """The words that stand for classes."""

    def __init__(self, classes: Sequence[str], synonyms: Iterable[tuple[str, str]] = ()) -> None:
        """
        Args:
            classes: names, which stand for themselves.
            synonyms: a class, or NOTHING, and what stands for it.

        Raises:
            ValueError: one text for two classes, a class that is not listed, a text without words.
        """
        self._phrases: dict[tuple[str, ...], tuple[str, str]] = {}
        pairs = [*((name, name) for name in classes), *synonyms]
        known = set(classes)
        for name, text in pairs:
            if name != NOTHING and name not in known:
                raise ValueError(f"{name!r} is not among the classes")
            words = words_of(text)
            if not words:
                raise ValueError(f"{text!r} holds no words")
            before = self._phrases.setdefault(words, (name, text))
            if before[0] != name:
                raise ValueError(f"{text!r} stands for {before[0] or 'no class'!r} and {name!r}")
        for words, found in list(self._phrases.items()):
            for plural in plurals(words[-1]):
                self._phrases.setdefault((*words[:-1], plural), found)
        self._longest = max(map(len, self._phrases), default=0)

    def found(self, text: str) -> Iterator[tuple[str, str]]:
        """Each class that a text names, and the words, in order, repeated ones too."""
        for phrase in _ENDS.split(text):
            yield from self._found_in(words_of(phrase))

    def _found_in(self, words: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        at = 0
        while at < len(words):
            for length in range(min(self._longest, len(words) - at), 0, -1):
                phrase = words[at : at + length]
                hit = self._phrases.get(phrase)
                if hit is not None:
                    if hit[0] != NOTHING:
                        yield hit[0], " ".join(phrase)
                    at += length
                    break
            else:
                at += 1


def read_synonyms(path: Path) -> list[tuple[str, str]]:
    """Lines `class: word, word`; `: word, word` are words that name no class.

    Raises:
        WsssError: unreadable, or a line without a colon or words.
    """
    found = []
    for number, line in enumerate(read_lines(path), 1):
        if line.startswith("#"):
            continue
        name, colon, rest = line.partition(":")
        words = [word.strip() for word in rest.split(",") if word.strip()]
        if not colon or not words:
            raise WsssError(f"{path}: entry {number}, {line[:40]!r}, is not 'class: word, word'")
        found += [(name.strip(), word) for word in words]
    return found


def counted(hits: Mapping[str, Mapping[str, int]]) -> str:
    """What was found, in words: each class with its words and how often they stood."""
    parts = []
    for name, words in hits.items():
        most = sorted(words.items(), key=lambda pair: (-pair[1], pair[0]))
        shown = ", ".join(f"{word} {count}" for word, count in most[:4])
        parts.append(f"{name} {sum(words.values())} ({shown}{', ...' if len(most) > 4 else ''})")
    return "; ".join(parts)
