"""The formats that `wsss pack` reads: one module each."""

from . import cvat, demo, labelme, npy, table, via, voc

READERS = (
    voc.READER,
    table.READER,
    npy.READER,
    demo.READER,
    via.READER,
    cvat.READER,
    labelme.READER,
)
