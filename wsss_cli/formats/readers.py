"""The formats that `wsss pack` reads: one module each."""

from . import (
    captions,
    coco,
    cvat,
    demo,
    geojson_qupath,
    label_studio,
    npy,
    open_images,
    point_tables,
    table,
    via,
    voc,
)

READERS = (
    voc.READER,
    table.READER,
    npy.READER,
    demo.READER,
    via.READER,
    captions.READER,
    coco.READER,
    cvat.READER,
    label_studio.READER,
    point_tables.READER,
    geojson_qupath.READER,
    open_images.READER,
)
