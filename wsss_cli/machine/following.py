"""Imported first by the server that workers are forked from: it ends when its parent does.

Whoever else imports it, as tools do that look at all modules, was not started by one of ours.
"""

from __future__ import annotations

import os

from .ending import PARENT, follow_parent

if os.environ.get(PARENT) == str(os.getppid()):
    follow_parent()
