"""The methods of random-walk."""

from . import nearest, walk

CARDS = (walk.CARD, nearest.CARD)
