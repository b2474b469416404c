"""The methods of train-cls."""

from . import cam, iam, oaa, seam

CARDS = (cam.CARD, seam.CARD, oaa.CARD, iam.CARD)
