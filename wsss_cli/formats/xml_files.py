"""XML of annotation tools: parsed without entities, which none of them needs."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from ..artifacts import ledger
from ..artifacts.inputs import contents
from ..errors import WsssError


def read_xml(path: Path) -> ElementTree.Element:
    """The root of an XML file.

    Raises:
        WsssError: missing, unreadable, broken, or with a DOCTYPE, whose entities can grow without
            end.
    """
    ledger.read(path)
    try:
        return parse_xml(contents(path))
    except OSError as err:
        raise WsssError(f"{path}: {err.strerror or err}") from err
    except ValueError as err:
        raise WsssError(f"{path}: {err}") from None


def parse_xml(content: bytes) -> ElementTree.Element:
    """As `read_xml`, of bytes.

    Raises:
        ValueError: broken, or with a DOCTYPE.
    """
    parser = ElementTree.XMLParser(target=_Builder())
    try:
        parser.feed(content)
        root: ElementTree.Element = parser.close()
    except (ElementTree.ParseError, ValueError, LookupError) as err:  # LookupError: its encoding
        if isinstance(err, _Doctype):
            raise ValueError(str(err)) from None
        raise ValueError(f"is broken XML ({err})") from None
    return root


class _Doctype(ValueError):
    """A DOCTYPE, which stops the parser before it expands anything."""


class _Builder(ElementTree.TreeBuilder):
    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise _Doctype("holds a DOCTYPE, as no annotation tool writes")
