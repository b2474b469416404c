"""The methods of make-seeds."""

from . import cues, irn, oaa, psa, threshold

CARDS = (irn.CARD, psa.CARD, threshold.CARD, oaa.CARD, cues.CARD)
