"""Files of images that are drawn together."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsss_cli.errors import WsssError
from wsss_cli.scoring.clusters import read_clusters


def test_clusters_are_numbered_in_the_order_of_the_images(tmp_path: Path) -> None:
    file = tmp_path / "c.csv"
    file.write_text('image,cluster\na/1, film\nb,other\n"c,d",film\nnever scored,third\n')
    assert read_clusters(file, ["b", "a/1", "c,d"]).tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,1\nb,2\n", "its first row is not `image,cluster`"),
        ("cluster,image\n1,a\n2,b\n", "its first row is not `image,cluster`"),
        ("image,cluster\na,1\nb\n", "line 3 does not hold an image and a cluster"),
        ("image,cluster\na,1\nb,\n", "line 3 does not hold an image and a cluster"),
        ("image,cluster\na,1\nb,2,3\n", "line 3 does not hold an image and a cluster"),
        ("image,cluster\na,1\nb,2\na,1\n", "image 'a' stands twice, again in line 4"),
        ("image,cluster\na,1\n", "lacks 1 of the 2 images scored, first 'b'"),
        ("", "holds no rows"),
    ],
)
def test_what_are_no_clusters(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "c.csv"
    file.write_text(text)
    with pytest.raises(WsssError) as caught:
        read_clusters(file, ["a", "b"])
    assert str(caught.value).startswith(f"{file}: {said}")
