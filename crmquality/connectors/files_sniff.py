"""How a text file is written: its encoding, its delimiter, its quotes."""

from __future__ import annotations

import codecs
import math
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import charset_normalizer

from crmquality.connectors.files_tokens import Dialect, read_record
from crmquality.connectors.tables import Unreadable

SAMPLE = 256 * 1024
_CHUNK = 2**20
_BOMS = (
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_LEGACY = [
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "iso8859_2", "koi8_r",
    "mac_roman", "cp850", "shift_jis", "gb18030", "big5", "euc_kr", "euc_jp",
]  # fmt: skip
_DELIMITERS = ",;\t|:~^\x1f"
_SEPARATOR_LINE = re.compile(rb"sep=(.)\r?\n", re.IGNORECASE)
_KEEP_BYTES = "crmquality.keep-bytes"
_KEPT = re.compile("([\udc00-\udcff]+)")


# Encoding


def detect_encoding(path: Path) -> str:
    """The encoding of a text file: by its byte order mark, as UTF-8, as UTF-16 without a mark, else by statistics.

    Reads until enough text outside ASCII was seen, to the end if there is none. UTF-8 stands as long as most such
    characters are valid in it: the rows where they are not are then told apart one by one.
    """
    with path.open("rb") as file:
        head = file.read(4096)
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name
    if name := _utf16_without_mark(head):
        return name
    sample = _text_outside_ascii(path)
    decoded = sample.decode("utf-8", errors="replace")
    broken = decoded.count("\ufffd")
    outside_ascii = len(decoded) - len(decoded.encode("ascii", errors="ignore"))
    if outside_ascii >= 2 * broken:
        return "utf-8"
    return _legacy_encoding(sample)


def mark_length(path: Path, encoding: str) -> int:
    """How many bytes of byte order mark the file begins with, in this encoding."""
    with path.open("rb") as file:
        head = file.read(4)
    return next((len(mark) for mark, name in _BOMS if name == encoding and head.startswith(mark)), 0)


def known_encoding(name: str) -> str:
    """The canonical name of an encoding a person gave. Raises Unreadable if it is none."""
    try:
        info = codecs.lookup(name)
        "".encode(info.name)
    except LookupError:
        raise Unreadable(f"There is no text encoding {name!r}: try utf-8, cp1252 or utf-16.") from None
    plain = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le", "ascii": "utf-8"}
    return plain.get(info.name, info.name)


def _utf16_without_mark(head: bytes) -> str:
    """Every other byte of western text in UTF-16 is zero."""
    pairs = len(head) // 2
    even, odd = head[0 : 2 * pairs : 2].count(0), head[1 : 2 * pairs : 2].count(0)
    if pairs and odd > 0.4 * pairs and even < 0.05 * pairs:
        return "utf-16-le"
    if pairs and even > 0.4 * pairs and odd < 0.05 * pairs:
        return "utf-16-be"
    return ""


def _text_outside_ascii(path: Path) -> bytes:
    """Lines that are not ASCII, up to SAMPLE bytes."""
    kept = bytearray()
    with path.open("rb") as file:
        rest = b""
        while (chunk := file.read(_CHUNK)) and len(kept) < SAMPLE:
            if chunk.isascii() and rest.isascii():
                rest = b""
                continue
            *lines, rest = (rest + chunk).splitlines(keepends=True)
            kept += b"".join(line for line in lines if not line.isascii())[:SAMPLE]
            rest = rest[-SAMPLE:]
    return bytes(kept if rest.isascii() else kept + rest)


def _legacy_encoding(sample: bytes) -> str:
    """The likeliest single-byte or East Asian encoding; Windows' western one unless another fits clearly better."""
    matches = charset_normalizer.from_bytes(sample[: 32 * 1024], cp_isolation=_LEGACY)
    best = matches.best()
    western = next((match for match in matches if match.encoding == "cp1252"), None)
    if best is None:
        return "cp1252"
    if western is not None and western.chaos <= best.chaos + 0.02 and western.coherence >= best.coherence - 0.1:
        return "cp1252"
    return str(best.encoding)


# Reading as UTF-8, so that one tokeniser serves all encodings


def utf8_chunks(path: Path, encoding: str, size: int) -> Iterator[tuple[bytes, int]]:
    """The file's text as chunks of UTF-8, each with the position in the file behind it.

    Bytes that are no text in `encoding` become lone surrogates, which are invalid in UTF-8: the row that holds them
    is found later, and `original` gives its bytes back. A file in UTF-8 is passed on as it is.
    """
    with path.open("rb") as file:
        file.seek(mark_length(path, encoding))
        if encoding == "utf-8":
            while chunk := file.read(size):
                yield chunk, file.tell()
            return
        decoder = codecs.getincrementaldecoder(encoding)(errors=_KEEP_BYTES)
        while chunk := file.read(size):
            yield decoder.decode(chunk).encode("utf-8", "surrogatepass"), file.tell()
        yield decoder.decode(b"", final=True).encode("utf-8", "surrogatepass"), file.tell()


def original(raw: bytes, encoding: str) -> bytes:
    """The bytes that stood in the file, from what `utf8_chunks` made of them."""
    if encoding == "utf-8":
        return raw
    parts = _KEPT.split(raw.decode("utf-8", "surrogatepass"))
    return b"".join(
        bytes(ord(char) - 0xDC00 for char in part) if place % 2 else part.encode(encoding, "replace")
        for place, part in enumerate(parts)
    )


def _keep_bytes(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(_KEEP_BYTES, _keep_bytes)


# Delimiter and quotes


def separator_line(text: bytes) -> tuple[str, int]:
    """The delimiter that a first line "sep=;" names, as Excel writes it, and that line's length; ("", 0) if none."""
    found = _SEPARATOR_LINE.match(text)
    return (found[1].decode("ascii", "replace"), found.end()) if found else ("", 0)


def detect_dialect(sample: bytes) -> Dialect:
    """Delimiter and quote from the first rows, in UTF-8: the delimiter that gives most rows the header's many cells."""
    best = max(_DELIMITERS, key=lambda delimiter: _regularity(sample, delimiter))
    if _regularity(sample, best) == 0:
        best = ","
    return Dialect(best, "'" if _single_quoted(sample, best) else '"')


def widths(sample: bytes, dialect: Dialect, *, most: int = 200) -> list[int]:
    """How many cells each of the first rows has; 0 for a broken row. Blank lines are left out."""
    counts: list[int] = []
    position = 0
    while position < len(sample) and len(counts) < most:
        row = read_record(sample, position, dialect, width=0, final=True)
        if row is None:
            break
        if row.end > position:
            counts.append(len(row.cells) if row.cells is not None else 0)
        position = row.next
    return counts


def _regularity(sample: bytes, delimiter: str) -> float:
    counts = widths(sample, Dialect(delimiter))
    if not counts:
        return 0.0
    common, times = Counter(counts).most_common(1)[0]
    if common < 2:
        common, times = counts[0], counts.count(counts[0])
    trust = 1.0 if counts[0] == common else 0.3
    return trust * times / len(counts) * math.log(common) if common > 1 else 0.0


def _single_quoted(sample: bytes, delimiter: str) -> bool:
    """Whether cells are quoted by ' throughout, and never by "."""
    mark = re.escape(delimiter.encode())
    cell = re.compile(rb"(?:^|" + mark + rb")'[^'\r\n]*'(?=" + mark + rb"|\r?$)")
    lines = sample.splitlines()[:200]
    quoted = sum(cell.search(line) is not None for line in lines)
    return bool(lines) and quoted >= 0.8 * len(lines) and b'"' not in sample
