"""Commands under kills, signals, damaged files and in odd places (docs/testing.md)."""
