"""How one value goes wrong: each function takes a clean text and gives a dirty one, or None if it cannot.

Equal input and random state give equal output. The dirty text may by chance equal the clean one (a swap of two
equal letters); whoever plants defects checks that.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from random import Random

from crmquality.sample.vocabulary import COUNTRIES, NICKNAMES

_KEYBOARD = {
    letter: near
    for row in ("qwertyuiop", "asdfghjkl", "zxcvbnm", "1234567890")
    for letter, near in zip(row, row[1:] + row[-2], strict=True)
}
"""Each key's neighbour on the right; the last one's on the left."""
_SEEN_ALIKE = (
    ("rn", "m"),
    ("m", "rn"),
    ("l", "1"),
    ("o", "0"),
    ("cl", "d"),
    ("vv", "w"),
    ("i", "l"),
    ("e", "c"),
    ("5", "S"),
)
_HEARD_ALIKE = (("ph", "f"), ("ie", "ei"), ("ei", "ie"), ("c", "k"), ("sch", "sh"), ("y", "i"), ("th", "t"), ("z", "s"))
_STREET_SHORT = {
    "Street": "St", "Avenue": "Ave", "Road": "Rd", "Drive": "Dr", "Lane": "Ln", "Court": "Ct", "Boulevard": "Blvd",
    "Place": "Pl", "straße": "str.", "Calle": "C/", "Avenida": "Av.", "avenue": "av.", "boulevard": "bd", "Rua": "R.",
}  # fmt: skip
_COUNTRY_VARIANTS = {
    "United States": ("USA", "US", "U.S.A.", "United States of America"),
    "United Kingdom": ("UK", "GB", "Great Britain", "England"),
    "Germany": ("Deutschland", "DE", "GER"),
    "France": ("FR", "FRA"),
    "Spain": ("España", "ES"),
    "Brazil": ("Brasil", "BR"),
    "India": ("IN", "IND"),
    "Japan": ("JP", "JPN"),
    "Poland": ("Polska", "PL"),
}
_STATES = {
    "AL": "Alabama", "AZ": "Arizona", "CA": "California", "CO": "Colorado", "FL": "Florida", "GA": "Georgia",
    "IL": "Illinois", "IN": "Indiana", "IA": "Iowa", "KS": "Kansas", "KY": "Kentucky", "LA": "Louisiana",
    "ME": "Maine", "MD": "Maryland", "MA": "Massachusetts", "MI": "Michigan", "MN": "Minnesota", "MO": "Missouri",
    "NE": "Nebraska", "NJ": "New Jersey", "NY": "New York", "NC": "North Carolina", "OH": "Ohio", "OK": "Oklahoma",
    "OR": "Oregon", "PA": "Pennsylvania", "TN": "Tennessee", "TX": "Texas", "UT": "Utah", "VA": "Virginia",
    "WA": "Washington", "WV": "West Virginia", "WI": "Wisconsin",
}  # fmt: skip
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def typo(value: str, random: Random) -> str | None:
    """One slip of the fingers: a letter left out, doubled, struck beside, or two exchanged; the first one stays."""
    if len(value) < 4:
        return None
    at = random.randrange(1, len(value) - 1)
    kind = random.randrange(4)
    if kind == 0:
        return value[:at] + value[at + 1 :]
    if kind == 1:
        return value[:at] + value[at] + value[at:]
    if kind == 2:
        return value[:at] + value[at + 1] + value[at] + value[at + 2 :]
    struck = _KEYBOARD.get(value[at].lower())
    return None if struck is None else value[:at] + struck + value[at + 1 :]


def seen_wrong(value: str, random: Random) -> str | None:
    """As a scanner misreads: rn for m, 1 for l, 0 for o."""
    return _replace_one(value, _SEEN_ALIKE, random)


def heard_wrong(value: str, random: Random) -> str | None:
    """As one writes down what was said: f for ph, ei for ie."""
    return _replace_one(value, _HEARD_ALIKE, random)


def _replace_one(value: str, pairs: tuple[tuple[str, str], ...], random: Random) -> str | None:
    fitting = [(old, new) for old, new in pairs if old in value[1:]]
    if not fitting:
        return None
    old, new = random.choice(fitting)
    return value[0] + value[1:].replace(old, new, 1)


def upper(value: str, random: Random) -> str:
    """All capitals."""
    return value.upper()


def lower(value: str, random: Random) -> str:
    """No capitals."""
    return value.lower()


def spaced(value: str, random: Random) -> str | None:
    """A blank before, behind or doubled within."""
    return random.choice([f" {value}", f"{value} ", f"{value}  ", value.replace(" ", "  ")]) if value else None


def mojibake(value: str, random: Random) -> str | None:
    """UTF-8 read as Windows-1252: Müller -> MÃ¼ller."""
    try:
        return value.encode().decode("cp1252")
    except UnicodeDecodeError:
        return None


def without_accents(value: str, random: Random) -> str:
    """Müller -> Muller."""
    folded = unicodedata.normalize("NFKD", value.replace("ß", "ss").replace("ł", "l"))
    return "".join(letter for letter in folded if not unicodedata.combining(letter))


def transliterated(value: str, random: Random) -> str:
    """Müller -> Mueller."""
    for letter, plain in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ß", "ss"), ("Ö", "Oe"), ("Ü", "Ue")):
        value = value.replace(letter, plain)
    return value


def placeholder(value: str, random: Random) -> str | None:
    """What is typed when a form insists."""
    return random.choice(["test", "n/a", "xxx", "asdf", "unknown", "TBD", "-"]) if value else None


def blank(value: str, random: Random) -> str | None:
    """Nothing."""
    return "" if value else None


def cut(value: str, random: Random) -> str | None:
    """Cut off by a field that was too short."""
    return value[: max(4, len(value) * 2 // 3)] if len(value) > 10 else None


def nickname(value: str, random: Random) -> str | None:
    """William -> Bill."""
    return random.choice(NICKNAMES[value]) if value in NICKNAMES else None


def initial(value: str, random: Random) -> str | None:
    """William -> W."""
    return f"{value[0]}." if len(value) > 2 else None


def titled(value: str, random: Random) -> str | None:
    """A title written into the name."""
    return f"{random.choice(['Dr.', 'Prof.', 'Mr', 'Mrs'])} {value}" if value else None


def mail_provider_typo(value: str, random: Random) -> str | None:
    """A slip in a public provider's domain: gmial.com."""
    box, _, domain = value.partition("@")
    slips = {
        "gmail.com": ("gmial.com", "gmai.com", "gamil.com", "gmail.co", "gmail.con", "gnail.com"),
        "yahoo.com": ("yaho.com", "yahooo.com", "yhaoo.com", "yahoo.con"),
        "hotmail.com": ("hotmial.com", "hotmai.com", "hotmail.con", "hormail.com"),
        "outlook.com": ("outlok.com", "outloook.com", "outlook.con"),
        "icloud.com": ("iclod.com", "icoud.com", "icloud.con"),
    }
    return f"{box}@{random.choice(slips[domain])}" if domain in slips else None


def mail_broken(value: str, random: Random) -> str | None:
    """No longer an address: a comma for a dot, a doubled sign, a blank, a lost sign."""
    if "@" not in value:
        return None
    head, _, tail = value.rpartition(".")
    return random.choice(
        [f"{head},{tail}", value.replace("@", "@@"), value.replace("@", " @ "), value.replace("@", "")]
    )


def mail_of_a_role(value: str, random: Random) -> str | None:
    """Nobody's own: info@ the same domain."""
    domain = value.partition("@")[2]
    return f"{random.choice(['info', 'office', 'sales', 'contact'])}@{domain}" if domain else None


def _national(value: str) -> tuple[str, str] | None:
    """(calling code, national number) of an E.164 number."""
    for code in (country.calling_code for country in COUNTRIES):
        if value.startswith(f"+{code}") and len(value) > 9:
            return code, value[len(code) + 1 :]
    return None


def phone_style(value: str, random: Random) -> str | None:
    """The same number as people write it at home: (212) 736-5000, 030 1234567."""
    parts = _national(value)
    if parts is None:
        return None
    code, number = parts
    if code == "1":
        a, b, c = number[:3], number[3:6], number[6:]
        return random.choice([f"({a}) {b}-{c}", f"{a}.{b}.{c}", f"{a}-{b}-{c}", f"1 {a} {b} {c}", number])
    trunk = "" if code in {"34", "48"} else "0"
    return random.choice([f"{trunk}{number[:2]} {number[2:]}", f"00{code} {number}", f"+{code} ({trunk}){number}"])


def phone_with_words(value: str, random: Random) -> str | None:
    """A number with something said about it."""
    return (
        random.choice([f"{value} ext. {random.randrange(10, 999)}", f"tel: {value}", f"{value} (home)"])
        if value
        else None
    )


def phone_wrong_length(value: str, random: Random) -> str | None:
    """A digit lost or one too many: no longer a number."""
    if len(value) < 9:
        return None
    at = random.randrange(5, len(value))
    return value[:at] + value[at + 1 :] if random.random() < 0.6 else value[:at] + value[at] * 2 + value[at:]


def phone_placeholder(value: str, random: Random) -> str | None:
    """A number that nobody has."""
    return random.choice(["0000000000", "1234567890", "9999999999", "+10000000000"]) if value else None


def street_short(value: str, random: Random) -> str | None:
    """Street -> St."""
    for long, short in _STREET_SHORT.items():
        if long in value:
            return value.replace(long, short)
    return None


def state_in_full(value: str, random: Random) -> str | None:
    """IL -> Illinois."""
    return _STATES.get(value)


def country_variant(value: str, random: Random) -> str | None:
    """Germany -> Deutschland."""
    return random.choice(_COUNTRY_VARIANTS[value]) if value in _COUNTRY_VARIANTS else None


def leading_zero_lost(value: str, random: Random) -> str | None:
    """What a spreadsheet does to 02134."""
    return value[1:] if re.fullmatch(r"0\d{4}", value) else None


def digits_exchanged(value: str, random: Random) -> str | None:
    """Two neighbouring digits that differ change places."""
    places = [
        i for i in range(1, len(value)) if value[i].isdigit() and value[i - 1].isdigit() and value[i] != value[i - 1]
    ]
    if not places:
        return None
    at = random.choice(places)
    return value[: at - 1] + value[at] + value[at - 1] + value[at + 1 :]


def date_style(value: str, random: Random) -> str | None:
    """1975-03-14 -> 14.03.1975, 03/14/1975 or Mar 14, 1975: the day is above 12, so it can be told."""
    if not value or int(value[8:10]) <= 12:
        return None
    year, month, day = value[:4], value[5:7], value[8:10]
    name = _MONTHS[int(month) - 1]
    return random.choice([f"{day}.{month}.{year}", f"{month}/{day}/{year}", f"{name} {int(day)}, {year}"])


def short_year(value: str, random: Random) -> str | None:
    """1975-03-14 -> 14-Mar-75."""
    return f"{value[8:10]}-{_MONTHS[int(value[5:7]) - 1]}-{value[2:4]}" if value else None


def date_impossible(value: str, random: Random) -> str | None:
    """A thirteenth month, a thirtieth of February, a birth in the future or long ago."""
    if not value:
        return None
    return random.choice([f"{value[:5]}13{value[7:]}", f"{value[:4]}-02-30", f"2099{value[4:]}", "1900-01-01"])


def times(factor: float) -> Callable[[str, Random], str | None]:
    """A number that became this many times as large; its decimals stay."""

    def scaled(value: str, random: Random) -> str | None:
        decimals = len(value.partition(".")[2])
        return f"{float(value) * factor:.{decimals}f}" if value else None

    return scaled
