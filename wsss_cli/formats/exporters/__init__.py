"""The formats of export: one module each. Of those for a kind of artifact, the first is usual."""

from . import boxes_csv, irn_npy, npy, png, psa_npy

EXPORTERS = (png.EXPORTER, npy.EXPORTER, irn_npy.EXPORTER, psa_npy.EXPORTER, boxes_csv.EXPORTER)
