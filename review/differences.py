"""What changed between two texts, letter by letter, for a card: marked by words and signs, never by colour alone."""

from __future__ import annotations

from dataclasses import dataclass

from rapidfuzz.distance import Indel

LONGEST = 400
"""Longer texts are shown whole: aligning them letter by letter helps nobody."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text: "same", "gone" (only before) or "new" (only after)."""

    kind: str
    text: str

    @property
    def shown(self) -> str:
        """The text; blanks as a sign of their own, since a line through a blank reads as a dash."""
        return "␣" * len(self.text) if self.kind != "same" and self.text.isspace() else self.text


def pieces(before: str | None, after: str | None) -> tuple[list[Piece], list[Piece]]:
    """Both texts in stretches: the first holds "same" and "gone", the second "same" and "new"."""
    old, new = before or "", after or ""
    if not old or not new or max(len(old), len(new)) > LONGEST or Indel.normalized_similarity(old, new) < 0.4:
        return _whole(old, "gone"), _whole(new, "new")
    left: list[Piece] = []
    right: list[Piece] = []
    for step in Indel.opcodes(old, new):
        if step.tag == "equal":
            left.append(Piece("same", old[step.src_start : step.src_end]))
            right.append(Piece("same", new[step.dest_start : step.dest_end]))
        elif step.tag == "delete":
            left.append(Piece("gone", old[step.src_start : step.src_end]))
        else:
            right.append(Piece("new", new[step.dest_start : step.dest_end]))
    return left, right


def _whole(text: str, kind: str) -> list[Piece]:
    return [Piece(kind, text)] if text else []
