"""XML that is read, and what of it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsss_cli.errors import WsssError
from wsss_cli.formats.xml_files import parse_xml, read_xml

LAUGHS = b"""<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<annotation>&b;</annotation>"""


def test_a_mark_in_front_and_other_encodings() -> None:
    assert parse_xml(b"\xef\xbb\xbf<a>\xc3\xa4</a>").text == "ä"
    assert (
        parse_xml('<?xml version="1.0" encoding="latin-1"?><a>ä</a>'.encode("latin-1")).text == "ä"
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (LAUGHS, "DOCTYPE"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "DOCTYPE"),
        (b"<a><b></a>", "broken XML"),
        (b"", "broken XML"),
        (b"\x00\x01", "broken XML"),
        (b'<?xml version="1.0" encoding="none"?><a/>', "broken XML"),
    ],
)
def test_what_is_refused(content: bytes, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        parse_xml(content)
    file = tmp_path / "a.xml"
    file.write_bytes(content)
    with pytest.raises(WsssError, match=rf"a\.xml: .*{said}"):
        read_xml(file)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(WsssError, match="No such file"):
        read_xml(tmp_path / "a.xml")
