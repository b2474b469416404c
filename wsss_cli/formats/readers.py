"""The formats that `wsss pack` reads: one module each."""

from . import cvat, demo, npy, table, via, voc, yolo

READERS = (voc.READER, table.READER, npy.READER, demo.READER, via.READER, cvat.READER, yolo.READER)
