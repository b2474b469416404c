"""The methods of train-aff."""

from . import irn, psa

CARDS = (irn.CARD, psa.CARD)
