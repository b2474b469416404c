"""train-seg --loss sec: seeds, expanded to what tags say and constrained to borders of colour."""

from __future__ import annotations

from ...artifacts.supervision import TAGS
from ...training.seeds import Seeding, SeedOptions, probes_if_asked, usual_of
from ...training.segmenting import SegmentingCard


class Sec(Seeding):
    """A network that learns from seeds that stay as they are."""

    name = "sec"


CARD = SegmentingCard(
    name="sec",
    by="loss",
    said="seed, expand and constrain",
    options=SeedOptions,
    lesson=Sec,
    learns=(TAGS,),
    probes=probes_if_asked,
    source="SEC: Kolesnikov and Lampert, ECCV 2016, and its code",
    page="sec",
    usual=usual_of(terms="seed,expand,constrain", grow=False),
)
