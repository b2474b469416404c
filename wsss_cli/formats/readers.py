"""The formats that `wsss pack` reads: one module each."""

from . import coco, cvat, demo, npy, table, via, voc

READERS = (voc.READER, table.READER, npy.READER, demo.READER, via.READER, cvat.READER, coco.READER)
