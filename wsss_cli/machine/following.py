"""Imported first by the server that workers are forked from: it ends when its parent does."""

from __future__ import annotations

from .ending import follow_parent

follow_parent()
