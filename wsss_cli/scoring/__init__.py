"""What eval counts, chooses and says: the rules that make a number comparable."""
