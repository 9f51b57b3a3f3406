"""The only upward hop: what a run found goes to whoever reviews it."""

from django.dispatch import Signal

run_succeeded = Signal()
"""Sent with run=Run, inside the transaction that stores its findings."""
