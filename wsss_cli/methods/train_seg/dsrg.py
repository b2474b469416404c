"""train-seg --loss dsrg: seeds that grow while the network learns from them."""

from __future__ import annotations

from ...artifacts.supervision import TAGS
from ...options.segmenter import bearable
from ...training.seeds import Seeding, SeedOptions, probes_if_asked, usual_of
from ...training.segmenting import SegmentingCard


class Dsrg(Seeding):
    """A network that learns from seeds which grow in each step."""

    name = "dsrg"


CARD = SegmentingCard(
    name="dsrg",
    by="loss",
    said="seeds that grow",
    options=SeedOptions,
    lesson=Dsrg,
    learns=(TAGS,),
    probes=probes_if_asked,
    source="DSRG: Huang et al., CVPR 2018, and its code",
    page="dsrg",
    usual=usual_of(terms="balanced,boundary", grow=True, lr=bearable(5e-4)),  # its own rate
)
