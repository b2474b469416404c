"""Open Images' CSV files by their columns."""

from __future__ import annotations

import pytest

from wsss_cli.formats.open_images_rows import kind_of_head


@pytest.mark.parametrize(
    ("name", "head", "kind"),
    [
        ("x.csv", "ImageID,Source,LabelName,Confidence\n", "labels"),
        ("x.csv", "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax\n", "boxes"),
        ("x.csv", "MaskPath,ImageID,LabelName,BoxID,BoxXMin,BoxXMax\n", "masks"),
        ("x.csv", "ImageID,Subset,OriginalURL,Rotation\n", "images"),
        ("oidv7-class-descriptions.csv", "/m/01,cat\n", "names"),
        ("x.csv", "/m/01,cat\n", None),
        ("x.csv", "ImageID,label\n", None),
        ("x.csv", "", None),
    ],
)
def test_kinds(name: str, head: str, kind: str | None) -> None:
    assert kind_of_head(name, head) == kind
