"""The methods of make-cam."""

from . import cam, gradcam, gradcam_plus_plus, layercam

CARDS = (cam.CARD, gradcam.CARD, gradcam_plus_plus.CARD, layercam.CARD)
