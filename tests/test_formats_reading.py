"""The cards of the formats that pack reads, against the command that is made of them."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path

import pytest

from wsss_cli.commands import pack
from wsss_cli.formats.readers import READERS
from wsss_cli.formats.reading import Asked, Reader

OPTIONS = set(inspect.signature(pack.run).parameters)
each_reader = pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)


def test_every_format_is_named_once() -> None:
    assert sorted(reader.name for reader in READERS) == [
        "csv",
        "cvat",
        "demo",
        "npy",
        "via",
        "voc",
        "yolo",
    ]


@each_reader
def test_what_a_format_takes_and_needs_are_options_of_pack(reader: Reader) -> None:
    assert set(reader.takes) <= OPTIONS
    assert set(reader.needs) <= set(reader.takes)
    assert not reader.option or reader.name in OPTIONS
    assert reader.option or reader.detect is not None
    assert set(reader.before) <= {one.name for one in READERS}


@each_reader
def test_own_options_have_defaults_and_are_of_pack(reader: Reader) -> None:
    assert dataclasses.asdict(reader.options()).keys() <= OPTIONS


@each_reader
def test_only_what_is_made_from_a_seed_needs_no_file(reader: Reader) -> None:
    kind = getattr(reader.source, "__origin__", reader.source)
    assert kind is (int if reader.drawn else Path)


def test_nothing_is_asked_unless_said() -> None:
    assert Asked() == Asked(images=None, masks=None, classes=None, splits={}, seed=0)
    assert Asked().splits is not Asked().splits  # each has its own
