"""The chain, and how its stages read their options."""

from __future__ import annotations

from wsss_cli.planning.chain import plain


def test_plain_values() -> None:
    from wsss_cli.formats.voc import LabelsFrom

    assert (plain(LabelsFrom.xml), plain("xml"), plain(None)) == ("xml", "xml", None)
