"""Compiled comparisons: how far two records agree on one thing, as a small whole number.

0 is "not comparable" (a value is missing), 1 "different", higher is nearer. Every kernel fills `out` for the
pairs (left[i], right[i]) of row positions and releases the interpreter lock.
"""

from __future__ import annotations

import numpy as np

from detectors.compiling import compiled
from detectors.duplicates.fetching import BLOCK, bounds_of, codes_of, signed
from detectors.duplicates.text import Bytes, Codes, Hashes, Ints, beyond, contains, edits

Levels = Bytes


@compiled
def allowed(length: int) -> int:
    """How many typing errors still make "nearly equal" at this length."""
    return 0 if length < 3 else 1 if length < 8 else 2


@compiled
def _name(
    text: Bytes, first: int, last: int, mine: np.uint64, start: int, stop: int, theirs: np.uint64, peq: Hashes
) -> int:
    """1 different, 2 alike, 3 an initial that fits, 4 one within the other, 5 nearly equal.

    mine, theirs: the signatures of text[first:last] and text[start:stop].
    """
    size, wide = last - first, stop - start
    if text[first] == text[start] and (size == 1 or wide == 1):
        return 3
    if min(size, wide) == 1:
        return 1
    longest = max(size, wide)
    distance = longest
    if not beyond(mine, theirs, longest * 4 // 10):
        distance = edits(text, first, last, text, start, stop, peq)
        if distance <= allowed(longest):
            return 5
    if min(size, wide) >= 3:
        if size > wide:
            if not theirs & ~mine and contains(text, first, last, text, start, stop):
                return 4
        elif not mine & ~theirs and contains(text, start, stop, text, first, last):
            return 4
    return 2 if distance * 10 <= longest * 4 else 1


@compiled
def _nicknames(aliases: Codes, a: int, b: int) -> bool:
    for one in range(aliases.shape[1]):
        for two in range(aliases.shape[1]):
            if aliases[a, one] >= 0 and aliases[a, one] == aliases[b, two]:
                return True
    return False


@compiled
def names(
    left: Ints,
    right: Ints,
    codes: Codes,
    text: Bytes,
    starts: Ints,
    signatures: Hashes,
    aliases: Codes,
    sounds: Hashes,
    out: Levels,
) -> None:
    """A name: 1 different, 2 alike or of one sound, 3 initial, 4 short form or part, 5 nearly equal, 6 equal."""
    peq = np.zeros(256, np.uint64)
    one, two = np.empty(BLOCK, np.int32), np.empty(BLOCK, np.int32)
    firsts, lasts = np.empty(BLOCK, np.int64), np.empty(BLOCK, np.int64)
    begins, ends = np.empty(BLOCK, np.int64), np.empty(BLOCK, np.int64)
    mine, theirs = np.empty(BLOCK, np.uint64), np.empty(BLOCK, np.uint64)
    for pair in range(len(left)):
        at = pair % BLOCK
        if at == 0:
            size = min(BLOCK, len(left) - pair)
            codes_of(left[pair : pair + size], codes, one[:size])
            codes_of(right[pair : pair + size], codes, two[:size])
            bounds_of(one[:size], starts, firsts, lasts)
            bounds_of(two[:size], starts, begins, ends)
            signed(one[:size], signatures, mine)
            signed(two[:size], signatures, theirs)
        a, b = one[at], two[at]
        if a < 0 or b < 0:
            out[pair] = 0
        elif a == b:
            out[pair] = 6
        else:
            level = _name(text, firsts[at], lasts[at], mine[at], begins[at], ends[at], theirs[at], peq)
            if level < 4 and _nicknames(aliases, a, b):
                level = 4
            if level == 1 and sounds[a] == sounds[b]:
                level = 2
            out[pair] = level


@compiled
def _near(text: Bytes, starts: Ints, a: int, other: Bytes, bounds: Ints, b: int, peq: Hashes) -> int:
    """1 if two values are (nearly) equal, 0 if not, -1 if one is missing."""
    if a < 0 or b < 0:
        return -1
    size, wide = starts[a + 1] - starts[a], bounds[b + 1] - bounds[b]
    most = allowed(max(size, wide))
    if abs(size - wide) > most:
        return 0
    return 1 if edits(text, starts[a], starts[a + 1], other, bounds[b], bounds[b + 1], peq) <= most else 0


@compiled
def swapped_names(
    left: Ints,
    right: Ints,
    given: Codes,
    given_text: Bytes,
    given_starts: Ints,
    family: Codes,
    family_text: Bytes,
    family_starts: Ints,
    out_given: Levels,
    out_family: Levels,
) -> None:
    """Where given and family name agree crosswise but not straight, they count as nearly equal (5).

    One of the four names may be missing ("Fox" as given name of one record, as family name of the other).
    """
    peq = np.zeros(256, np.uint64)
    for pair in range(len(left)):
        if out_given[pair] > 2 or out_family[pair] > 2:
            continue
        a, b, c, d = given[left[pair]], family[right[pair]], family[left[pair]], given[right[pair]]
        one = _near(given_text, given_starts, a, family_text, family_starts, b, peq)
        if one == 0:
            continue
        two = _near(given_text, given_starts, d, family_text, family_starts, c, peq)
        if two == 0 or one + two < 0:
            continue
        if one == 1:
            out_given[pair] = 5
        if two == 1 or out_family[pair] > 0:
            out_family[pair] = 5


@compiled
def short(
    left: Ints,
    right: Ints,
    codes: Codes,
    other: Codes,
    text: Bytes,
    starts: Ints,
    signatures: Hashes,
    out: Levels,
    keep_best: bool,
) -> None:
    """A short value: 1 different, 2 alike, 3 nearly equal, 4 equal.

    Alike: at most two fifths are changed, or one begins the other.

    codes, other: the column's codes for the left and the right record (two columns that share one dictionary).
    keep_best: only ever raise what `out` holds, to compare several columns of one meaning crosswise.
    """
    peq = np.zeros(256, np.uint64)
    one, two = np.empty(BLOCK, np.int32), np.empty(BLOCK, np.int32)
    firsts, lasts = np.empty(BLOCK, np.int64), np.empty(BLOCK, np.int64)
    begins, ends = np.empty(BLOCK, np.int64), np.empty(BLOCK, np.int64)
    mine, theirs = np.empty(BLOCK, np.uint64), np.empty(BLOCK, np.uint64)
    for pair in range(len(left)):
        at = pair % BLOCK
        if at == 0:
            count = min(BLOCK, len(left) - pair)
            codes_of(left[pair : pair + count], codes, one[:count])
            codes_of(right[pair : pair + count], other, two[:count])
            bounds_of(one[:count], starts, firsts, lasts)
            bounds_of(two[:count], starts, begins, ends)
            signed(one[:count], signatures, mine)
            signed(two[:count], signatures, theirs)
        a, b = one[at], two[at]
        level = 0
        if a >= 0 and b >= 0:
            if a == b:
                level = 4
            else:
                first, start = firsts[at], begins[at]
                size, wide = lasts[at] - first, ends[at] - start
                longest = max(size, wide)
                level = 1
                if abs(size - wide) * 10 <= longest * 4 and not beyond(mine[at], theirs[at], longest * 4 // 10):
                    distance = edits(text, first, first + size, text, start, start + wide, peq)
                    if distance <= allowed(longest):
                        level = 3
                    elif distance * 10 <= longest * 4:
                        level = 2
                if level == 1 and min(size, wide) >= 2:
                    same = 0
                    while same < min(size, wide) and text[first + same] == text[start + same]:
                        same += 1
                    if same == min(size, wide):
                        level = 2
        if not keep_best or level > out[pair]:
            out[pair] = level


@compiled
def _holds(text: Bytes, first: int, last: int, names: Codes, row: int, name_text: Bytes, name_starts: Ints) -> bool:
    """Whether a local part holds (the first five letters of) the row's name of three letters or more."""
    name = names[row]
    if name < 0 or name_starts[name + 1] - name_starts[name] < 3:
        return False
    stop = min(name_starts[name + 1], name_starts[name] + 5)
    return contains(text, first, last, name_text, name_starts[name], stop)


@compiled
def _same_digits(text: Bytes, first: int, last: int, start: int, stop: int) -> bool:
    """Whether two strings hold the same digits in the same order."""
    while True:
        while first < last and not 48 <= text[first] <= 57:
            first += 1
        while start < stop and not 48 <= text[start] <= 57:
            start += 1
        if first >= last or start >= stop:
            return first >= last and start >= stop
        if text[first] != text[start]:
            return False
        first += 1
        start += 1


@compiled
def emails(
    left: Ints,
    right: Ints,
    codes: Codes,
    other: Codes,
    text: Bytes,
    starts: Ints,
    signatures: Hashes,
    ats: Ints,
    local_signatures: Hashes,
    given: Codes,
    given_text: Bytes,
    given_starts: Ints,
    family: Codes,
    family_text: Bytes,
    family_starts: Ints,
    out: Levels,
    keep_best: bool,
) -> None:
    """An e-mail: 1 different, 2 same local part elsewhere, 3 nearly equal, 4 equal; merely alike says nothing (0).

    Where the local part holds the given or family name, namesakes look alike: level 2 then says nothing either,
    and neither does 3 if digits or the first letter differ ("smith1" and "smith2", "a.lee" and "b.lee").
    """
    peq = np.zeros(256, np.uint64)
    one, two = np.empty(BLOCK, np.int32), np.empty(BLOCK, np.int32)
    firsts, lasts = np.empty(BLOCK, np.int64), np.empty(BLOCK, np.int64)
    begins, ends = np.empty(BLOCK, np.int64), np.empty(BLOCK, np.int64)
    mine, theirs = np.empty(BLOCK, np.uint64), np.empty(BLOCK, np.uint64)
    for pair in range(len(left)):
        at = pair % BLOCK
        if at == 0:
            count = min(BLOCK, len(left) - pair)
            codes_of(left[pair : pair + count], codes, one[:count])
            codes_of(right[pair : pair + count], other, two[:count])
            bounds_of(one[:count], starts, firsts, lasts)
            bounds_of(two[:count], starts, begins, ends)
            signed(one[:count], signatures, mine)
            signed(two[:count], signatures, theirs)
        a, b = one[at], two[at]
        level = 0
        if a >= 0 and b >= 0:
            level = 4 if a == b else 1
        if level == 1:
            first, start, last, stop = firsts[at], begins[at], lasts[at], ends[at]
            longest = max(last - first, stop - start)
            whole = longest
            near = abs((last - first) - (stop - start)) * 10 <= longest * 3
            if near and not beyond(mine[at], theirs[at], max(longest * 2 // 10, allowed(longest))):
                whole = edits(text, first, last, text, start, stop, peq)
            size, wide = ats[a] - first, ats[b] - start
            local = max(size, wide)
            near = abs(size - wide) * 10 <= local * 3
            if near and not beyond(local_signatures[a], local_signatures[b], local * 3 // 10):
                local = edits(text, first, ats[a], text, start, ats[b], peq)
            if whole <= allowed(longest):
                level = 3
            elif local == 0:
                level = 2
            elif whole * 10 <= longest * 2 or local * 10 <= max(size, wide) * 3:
                level = 0  # made of the same name, or a bad typing error: it says nothing
            if (level == 2 or level == 3) and (
                _holds(text, first, ats[a], family, left[pair], family_text, family_starts)
                or _holds(text, first, ats[a], given, left[pair], given_text, given_starts)
            ):
                slip = text[first] == text[start] and _same_digits(text, first, ats[a], start, ats[b])
                level = 3 if level == 3 and slip else 0
        if not keep_best or level > out[pair]:
            out[pair] = level


@compiled
def dates(left: Ints, right: Ints, codes: Codes, years: Ints, months: Ints, days: Ints, out: Levels) -> None:
    """A date: 1 different, 2 same year, 3 two of three parts agree, 4 one digit or day and month exchanged, 5 equal.

    3 also where no part is off by more than one (the errors of a clerk who reads the line above).
    """
    mine, theirs = np.empty(BLOCK, np.int32), np.empty(BLOCK, np.int32)
    for pair in range(len(left)):
        at = pair % BLOCK
        if at == 0:
            count = min(BLOCK, len(left) - pair)
            codes_of(left[pair : pair + count], codes, mine[:count])
            codes_of(right[pair : pair + count], codes, theirs[:count])
        a, b = mine[at], theirs[at]
        if a < 0 or b < 0:
            out[pair] = 0
            continue
        if a == b:
            out[pair] = 5
            continue
        year, month, day = years[a] == years[b], months[a] == months[b], days[a] == days[b]
        if year and months[a] == days[b] and days[a] == months[b]:
            out[pair] = 4
            continue
        widest = max(max(months[a], days[a]), max(months[b], days[b]))
        if not (year or month or day) and widest < 100:  # three digits or more are changed
            near = abs(years[a] - years[b]) <= 1 and abs(months[a] - months[b]) <= 1 and abs(days[a] - days[b]) <= 1
            out[pair] = 3 if near else 1
            continue
        one = years[a] * 10000 + months[a] * 100 + days[a]
        two = years[b] * 10000 + months[b] * 100 + days[b]
        changed = 0
        before = False
        swapped = False
        previous_one, previous_two = -1, -1
        for _ in range(8):
            x, y = one % 10, two % 10
            if x != y:
                changed += 1
                if before and x == previous_two and y == previous_one:
                    swapped = True
            before = x != y
            previous_one, previous_two = x, y
            one //= 10
            two //= 10
        if changed <= 1 or (changed == 2 and swapped):
            out[pair] = 4 if changed else 5
        elif int(year) + int(month) + int(day) >= 2 or (
            abs(years[a] - years[b]) <= 1 and abs(months[a] - months[b]) <= 1 and abs(days[a] - days[b]) <= 1
        ):
            out[pair] = 3
        else:
            out[pair] = 2 if year else 1


@compiled
def numbers(left: Ints, right: Ints, values: np.ndarray, out: Levels) -> None:
    """A number: 1 different, 2 within a tenth or 2, 3 within a hundredth or 1, 4 equal; NaN is missing."""
    for pair in range(len(left)):
        a, b = values[left[pair]], values[right[pair]]
        if np.isnan(a) or np.isnan(b):
            out[pair] = 0
            continue
        gap, size = abs(a - b), max(abs(a), abs(b))
        if gap == 0:
            out[pair] = 4
        elif gap <= max(1.0, size * 0.01):
            out[pair] = 3
        else:
            out[pair] = 2 if gap <= max(2.0, size * 0.1) else 1
