"""Text damaged on its way: UTF-8 read as Windows-1252, HTML entities, invisible characters, stray spaces."""

from __future__ import annotations

import html
import re
import unicodedata

from detectors.formats.column import Remark

# Windows-1252 leaves five bytes undefined; the programs that did the damage passed them through as controls.
_TO_BYTES = {ord(bytes([code]).decode("latin-1")): code for code in range(256)}
_TO_BYTES |= {ord(bytes([code]).decode("cp1252", "ignore") or chr(code)): code for code in range(128, 160)}

_SUSPECT = re.compile("[\u00c2-\u00f4][\u0080-\u00bf\u0152-\u0178\u02c6\u02dc\u2013-\u203a\u20ac\u2122\u0192]")
_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|apos|nbsp|[A-Za-z]{4,8}|#\d{2,5}|#x[0-9A-Fa-f]{2,4});")
_INVISIBLE = re.compile(
    "[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]"
)
_SPACES = re.compile(r"[ \t\u00a0\u2000-\u200a\u202f\u3000]+")
_LOST = "\ufffd"
_ROUNDS = 3
"""Text that went through several wrong readers is damaged as many times; more than three was never seen."""


def repair_mojibake(text: str) -> str:
    """The text as it was before UTF-8 was read as Windows-1252 or Latin-1; unchanged where it was not."""
    for _ in range(_ROUNDS):
        if not _SUSPECT.search(text):
            return text
        repaired = _undo(text)
        if repaired == text:
            return text
        text = repaired
    return text


def _undo(text: str) -> str:
    try:
        return bytes(_TO_BYTES[ord(letter)] for letter in text).decode("utf-8")
    except (KeyError, UnicodeDecodeError):
        return _SUSPECT_RUN.sub(_undo_run, text)


_SUSPECT_RUN = re.compile("[\u00c2-\u00f4][\u0080-\u00bf\u0152-\u0178\u02c6\u02dc\u2013-\u203a\u20ac\u2122\u0192]{1,3}")


def _undo_run(match: re.Match[str]) -> str:
    """One damaged run inside text that is otherwise whole."""
    try:
        return bytes(_TO_BYTES[ord(letter)] for letter in match.group()).decode("utf-8")
    except (KeyError, UnicodeDecodeError):
        return match.group()


def clean(text: str) -> str:
    """The text without damage, in composed form (NFC), single-spaced and trimmed; line breaks are kept."""
    if text.isascii() and "&" not in text and "  " not in text and text.isprintable():
        return text.strip()
    text = repair_mojibake(text)
    if _ENTITY.search(text):
        text = html.unescape(text)
    text = _INVISIBLE.sub("", text)
    lines = (_SPACES.sub(" ", line).strip() for line in text.splitlines())
    return unicodedata.normalize("NFC", "\n".join(line for line in lines if line))


def remark(text: str) -> Remark | None:
    """Propose the text undamaged; the score says how sure the kind of damage is."""
    if _LOST in text:
        return Remark("encoding-lost", 0.8, "Letters were lost (\ufffd); only the original can tell them.")
    cleaned = clean(text)
    if cleaned == text:
        return None
    if not cleaned:
        return Remark("invisible-only", 0.9, "The cell holds only invisible characters.", empties=True)
    if _SUSPECT.search(text) and repair_mojibake(text) != text:
        return Remark("encoding", 0.95, f'UTF-8 was read with the wrong encoding; it reads "{cleaned}".', cleaned)
    if _ENTITY.search(text):
        return Remark("html-entity", 0.95, f'An HTML entity was left in; it reads "{cleaned}".', cleaned)
    if _INVISIBLE.search(text):
        return Remark("invisible-characters", 0.95, "Invisible characters keep it from matching equal text.", cleaned)
    if _SPACES.sub(" ", text).strip() == cleaned:
        return Remark("white-space", 0.9, "Spaces around or doubled inside the text.", cleaned)
    return Remark("unicode-form", 0.8, "Written with combining marks or odd line ends; same letters composed.", cleaned)
