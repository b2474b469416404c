"""The methods of train-seg: losses of label maps, then methods that learn from tags."""

from . import ce, dice, dsrg, rrm, sec, single_stage

CARDS = (ce.CARD, dice.CARD, sec.CARD, dsrg.CARD, rrm.CARD, single_stage.CARD)
