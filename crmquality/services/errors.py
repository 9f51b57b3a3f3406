"""What can be wrong with a request, said so that a person can mend it."""

from __future__ import annotations


class Refused(Exception):
    """The request cannot be done; the message is for the person who asked."""


class Conflict(Refused):
    """Something else happened first: reload and decide again."""
