"""Web addresses (RFC 3986): scheme, host and usual slips. Nothing is fetched."""

from __future__ import annotations

import re

from detectors.formats.column import Column, Remark, Remarks

_HOST = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+(?:[^\W\d_]{2,18}|xn--[a-z0-9-]+)(?::\d{1,5})?")
_WHOLE = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>[^/?#\s]+)(?P<rest>[/?#]\S*)?", re.IGNORECASE)
_SLIPPED_SCHEME = re.compile(r"^(?:h+t+p?t?p?(?P<s>s?)|http(?P<s2>s?))\s*[:;.]?\s*(?:/|\\){1,3}", re.IGNORECASE)
_SLIPPED_WWW = re.compile(r"^(?:www[,;:]\.?|ww\.|w{4,}\.)(?=[^\W_])", re.IGNORECASE)
_LONGEST = 2048


def is_valid(text: str) -> bool:
    """Whether the text is a web address, with or without its scheme."""
    text = text.strip()
    if len(text) > _LONGEST:
        return False
    match = _WHOLE.fullmatch(text if "://" in text else f"https://{text}")
    return bool(match and match["scheme"].lower() in {"http", "https"} and _HOST.fullmatch(match["host"]))


def remarks(column: Column) -> Remarks:
    """Repair schemes and hosts; a missing scheme only where most of the column has one."""
    schemed = column.share(lambda text: "://" in text)
    found = {}
    for position, value in enumerate(column.values):
        remark = _remark(value, schemed)
        if remark is not None:
            found[position] = remark
    return found


def _remark(text: str, schemed: float) -> Remark | None:
    mended = _mend(text)
    if not is_valid(mended):
        return Remark("url-invalid", 0.75, f'"{text[:80]}" is no web address.')
    if "://" not in mended and schemed >= 0.5:
        return Remark("url-scheme", 0.5 + 0.4 * schemed, "Most rows give http:// or https://.", f"https://{mended}")
    if mended == text:
        return None
    if mended.lower() == text.lower():
        return Remark("url-case", 0.7, "A host is written in small letters.", mended)
    return Remark("url-syntax", 0.85, f'Read as "{mended[:120]}".', mended)


def _mend(text: str) -> str:
    """The address without spaces, with its scheme and www spelled right and the host in small letters."""
    text = re.sub(r"\s+", "", text).replace("\\", "/").strip("<>\"'")
    slipped = _SLIPPED_SCHEME.match(text)
    scheme = ""
    if slipped:
        scheme = "https://" if slipped["s"] or slipped["s2"] else "http://"
        text = text[slipped.end() :]
    text = _SLIPPED_WWW.sub("www.", text)
    text = re.sub(r"^www\.{2,}", "www.", text, flags=re.IGNORECASE)
    host, slash, rest = text.partition("/")
    return f"{scheme}{host.lower().replace(',', '.')}{slash}{rest}"
