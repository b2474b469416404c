"""Words that stand for classes."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsss_cli.errors import WsssError
from wsss_cli.formats.caption_words import Vocabulary, plurals, read_synonyms


def found(vocabulary: Vocabulary, text: str) -> list[str]:
    return [name for name, _ in vocabulary.found(text)]


def test_names_are_whole_words() -> None:
    words = Vocabulary(["cat", "car"])
    assert found(words, "A Cat, a CAR; a cat!") == ["cat", "car", "cat"]
    assert found(words, "concatenate a scar, cartoon, catkin") == []
    assert found(words, "the cat's toy; red_car cat-like") == ["cat", "car", "cat"]
    assert found(words, "no cat") == ["cat"]  # as is said


def test_the_longest_name_is_taken() -> None:
    words = Vocabulary(
        ["dog", "bed", "dog bed", "tvmonitor"], [("", "hot dog"), ("tvmonitor", "tv")]
    )
    assert found(words, "a dog in a dog-bed, a hot dog on the bed by two TVs") == [
        "dog", "dog bed", "bed", "tvmonitor",
    ]  # fmt: skip


def test_only_the_last_word_has_a_plural() -> None:
    words = Vocabulary(["potted plant"])
    assert found(words, "potted plants") == ["potted plant"]
    assert found(words, "potteds plant") == []


def test_names_do_not_cross_the_end_of_a_phrase() -> None:
    words = Vocabulary(["potted plant"])
    assert found(words, "potted, plants. It was potted; plant it. potted-plant") == ["potted plant"]


@pytest.mark.parametrize(
    ("word", "many"),
    [
        ("cat", ["cats"]), ("bus", ["buses"]), ("bench", ["benches"]), ("box", ["boxes"]),
        ("pony", ["ponies"]), ("boy", ["boys"]), ("knife", ["knives"]), ("leaf", ["leaves"]),
        ("tomato", ["tomatoes"]), ("photo", ["photos"]), ("woman", ["women"]),
        ("person", ["people", "persons"]), ("child", ["children"]), ("mouse", ["mice"]),
        ("sheep", []), ("fish", ["fishes"]),
    ],
)  # fmt: skip
def test_plurals(word: str, many: list[str]) -> None:
    assert set(many) <= set(plurals(word))
    words = Vocabulary([word])
    for text in [word, *many]:
        assert found(words, f"two {text} here") == [word]


def test_a_name_is_sooner_itself_than_a_plural() -> None:
    words = Vocabulary(["glass", "glasses"])
    assert found(words, "glasses and a glass") == ["glasses", "glass"]


def test_what_cannot_be() -> None:
    for synonyms, said in (
        ([("cow", "moo")], "'cow' is not among"),
        ([("cat", "pet"), ("dog", "pet")], "'pet' stands for 'cat' and 'dog'"),
        ([("", "cat")], "'cat' stands for"),
        ([("cat", "!")], "holds no words"),
    ):
        with pytest.raises(ValueError, match=said):
            Vocabulary(["cat", "dog"], synonyms)


def test_files_of_synonyms(tmp_path: Path) -> None:
    file = tmp_path / "s.txt"
    file.write_text("# by hand\ncat: kitten, tabby cat\n: catwalk\n\n")
    assert read_synonyms(file) == [("cat", "kitten"), ("cat", "tabby cat"), ("", "catwalk")]
    for text in ("cat kitten\n", "cat:\n", "cat: ,\n"):
        file.write_text(text)
        with pytest.raises(WsssError, match="entry 1"):
            read_synonyms(file)
