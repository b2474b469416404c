"""Options declared once: groups, the cards of methods, and what many commands share."""
