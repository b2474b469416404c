"""Photographs through trained networks. One photograph goes one way, whatever the command:

1. source: a data set or image files (`images`) give its pixels by its id.
2. load: threads ahead of the network decode it and scale its copies (`feed`, `views`).
3. feed: images of one size make a batch, which travels to the device (`feed`).
4. look: the network sees the batch, at all scales and mirrored (`views.looked_at`).
5. make: class maps (`maps`), label probabilities (`masks`) or walked scores (`walking`) of each
   image, then labels of them (`masks`, `pseudo_masks`), in worker processes where there is a CRF.
6. write: the item goes to the file that keeps it, and is done for good (`writing`).

Seeds (`seeding`) start at step 5, from maps that are there. A step knows those before it by what
they give, and none that follows.
"""
