"""The formats that `wsss pack` reads: one module each."""

from . import (
    cvat,
    cvat_mask,
    demo,
    labelme,
    npy,
    scribblesup,
    supervisely,
    table,
    via,
    voc,
    whats_the_point,
)

READERS = (
    voc.READER,
    table.READER,
    npy.READER,
    demo.READER,
    via.READER,
    cvat.READER,
    labelme.READER,
    cvat_mask.READER,
    supervisely.READER,
    scribblesup.READER,
    whats_the_point.READER,
)
