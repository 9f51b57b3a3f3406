"""Words of an address in one spelling: street types, directionals, units, place-name abbreviations.

Source: USPS Publication 28, "Postal Addressing Standards", appendices B, C1 and C2 (the usual spellings).
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache

STREET_TYPES: dict[str, tuple[str, ...]] = {
    "ALY": ("ALLEY", "ALLY"),
    "ARC": ("ARCADE",),
    "AVE": ("AVENUE", "AV", "AVEN", "AVENU", "AVN", "AVNUE"),
    "BCH": ("BEACH",),
    "BLF": ("BLUFF",),
    "BLVD": ("BOULEVARD", "BOUL", "BOULV", "BLVRD"),
    "BND": ("BEND",),
    "BR": ("BRANCH", "BRNCH"),
    "BRG": ("BRIDGE",),
    "BRK": ("BROOK",),
    "BYP": ("BYPASS", "BYPA", "BYPAS"),
    "BYU": ("BAYOU",),
    "CIR": ("CIRCLE", "CIRC", "CIRCL", "CRCL", "CRCLE"),
    "CMN": ("COMMON",),
    "CMNS": ("COMMONS",),
    "COR": ("CORNER",),
    "CORS": ("CORNERS",),
    "CRES": ("CRESCENT", "CRSENT", "CRSNT"),
    "CRK": ("CREEK",),
    "CRSE": ("COURSE",),
    "CSWY": ("CAUSEWAY", "CAUSWA"),
    "CT": ("COURT", "CRT"),
    "CTR": ("CENTER", "CENTRE", "CENT", "CNTR", "CNTER"),
    "CTS": ("COURTS",),
    "CURV": ("CURVE",),
    "CV": ("COVE",),
    "DR": ("DRIVE", "DRIV", "DRV"),
    "EST": ("ESTATE",),
    "ESTS": ("ESTATES",),
    "EXPY": ("EXPRESSWAY", "EXP", "EXPR", "EXPRESS", "EXPW"),
    "EXT": ("EXTENSION", "EXTN", "EXTNSN"),
    "FLS": ("FALLS",),
    "FRK": ("FORK",),
    "FRY": ("FERRY", "FRRY"),
    "FWY": ("FREEWAY", "FREEWY", "FRWAY", "FRWY"),
    "GDNS": ("GARDENS", "GRDNS"),
    "GLN": ("GLEN",),
    "GRN": ("GREEN",),
    "GRV": ("GROVE", "GROV"),
    "GTWY": ("GATEWAY", "GATEWY", "GTWAY"),
    "HBR": ("HARBOR", "HARB", "HRBOR"),
    "HL": ("HILL",),
    "HLS": ("HILLS",),
    "HOLW": ("HOLLOW", "HLLW"),
    "HTS": ("HEIGHTS", "HT"),
    "HWY": ("HIGHWAY", "HIGHWY", "HIWAY", "HIWY", "HWAY"),
    "JCT": ("JUNCTION", "JCTION", "JUNCTN"),
    "KNLS": ("KNOLLS",),
    "LDG": ("LODGE",),
    "LN": ("LANE",),
    "LNDG": ("LANDING", "LNDNG"),
    "LOOP": ("LOOPS",),
    "MALL": (),
    "MDWS": ("MEADOWS",),
    "ML": ("MILL",),
    "MNR": ("MANOR",),
    "MTWY": ("MOTORWAY",),
    "OVAL": ("OVL",),
    "PARK": ("PRK", "PK"),
    "PASS": (),
    "PATH": ("PATHS",),
    "PIKE": ("PIKES",),
    "PKWY": ("PARKWAY", "PARKWY", "PKWAY", "PKY"),
    "PL": ("PLACE",),
    "PLZ": ("PLAZA", "PLZA"),
    "PROM": ("PROMENADE",),
    "PT": ("POINT",),
    "RD": ("ROAD",),
    "RDG": ("RIDGE", "RDGE"),
    "ROW": (),
    "RTE": ("ROUTE", "RT"),
    "RUN": (),
    "SHR": ("SHORE", "SHOAR"),
    "SQ": ("SQUARE", "SQR", "SQRE", "SQU"),
    "ST": ("STREET", "STRT", "STR"),
    "STA": ("STATION", "STATN", "STN"),
    "TER": ("TERRACE", "TERR"),
    "TPKE": ("TURNPIKE", "TRNPK", "TURNPK"),
    "TRCE": ("TRACE",),
    "TRL": ("TRAIL", "TRAILS", "TRLS"),
    "TRWY": ("THROUGHWAY", "THRUWAY"),
    "VIA": ("VIADUCT", "VIADCT"),
    "VIS": ("VISTA", "VSTA"),
    "VLG": ("VILLAGE", "VILL", "VILLAG"),
    "VLY": ("VALLEY", "VALLY"),
    "VW": ("VIEW",),
    "WALK": ("WALKS",),
    "WAY": ("WY",),
    "XING": ("CROSSING", "CRSSNG"),
}
DIRECTIONALS = {
    "N": "NORTH",
    "S": "SOUTH",
    "E": "EAST",
    "W": "WEST",
    "NE": "NORTHEAST",
    "NW": "NORTHWEST",
    "SE": "SOUTHEAST",
    "SW": "SOUTHWEST",
}
UNITS: dict[str, tuple[str, ...]] = {
    "APT": ("APARTMENT", "APMT", "APTS"),
    "BLDG": ("BUILDING", "BLD"),
    "BSMT": ("BASEMENT",),
    "DEPT": ("DEPARTMENT",),
    "FL": ("FLOOR", "FLR"),
    "FRNT": ("FRONT",),
    "HNGR": ("HANGAR",),
    "LBBY": ("LOBBY",),
    "LOT": (),
    "LOWR": ("LOWER",),
    "OFC": ("OFFICE",),
    "PH": ("PENTHOUSE",),
    "PMB": (),
    "REAR": (),
    "RM": ("ROOM", "ROOMS"),
    "SPC": ("SPACE",),
    "STE": ("SUITE", "SUITES", "STES"),
    "TRLR": ("TRAILER",),
    "UNIT": ("UNITS",),
    "UPPR": ("UPPER",),
    "WING": (),
}
_PLACE_WORDS = {
    "ST": "SAINT",
    "STE": "SAINTE",
    "MT": "MOUNT",
    "FT": "FORT",
    "PT": "POINT",
    "HTS": "HEIGHTS",
    "HGTS": "HEIGHTS",
    "SPGS": "SPRINGS",
    "SPG": "SPRING",
    "SPRGS": "SPRINGS",
    "CTR": "CENTER",
    "CENTRE": "CENTER",
    "JCT": "JUNCTION",
    "BCH": "BEACH",
    "LK": "LAKE",
    "LKS": "LAKES",
    "VLG": "VILLAGE",
    "TWP": "TOWNSHIP",
    "CY": "CITY",
    "GDNS": "GARDENS",
    "GRV": "GROVE",
    "HBR": "HARBOR",
    "IS": "ISLAND",
    "ISL": "ISLAND",
    "MTN": "MOUNTAIN",
    "VLY": "VALLEY",
    "PK": "PARK",
    "HLS": "HILLS",
    "CRK": "CREEK",
    "FLS": "FALLS",
    "RIV": "RIVER",
    "BRG": "BRIDGE",
    "RDG": "RIDGE",
    "LNDG": "LANDING",
    "CLB": "CLUB",
    "CORS": "CORNERS",
    "STA": "STATION",
    "GRN": "GREEN",
    "N": "NORTH",
    "S": "SOUTH",
    "E": "EAST",
    "W": "WEST",
    "NO": "NORTH",
    "SO": "SOUTH",
}
_WORDS = re.compile(r"[^\W_]+")
_APOSTROPHES = re.compile(r"['’`´]")


def plain(text: str) -> str:
    """Upper case without accents or apostrophes; other characters stay."""
    if text.isascii():
        return _APOSTROPHES.sub("", text.upper()) if "'" in text or "`" in text else text.upper()
    letters = unicodedata.normalize("NFKD", _APOSTROPHES.sub("", text)).upper()
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


@lru_cache(maxsize=200_000)
def place_key(text: str) -> str:
    """What all usual spellings of a place name share: "St. Louis", "SAINT LOUIS" -> "SAINTLOUIS".

    Without spaces, so that a lost or an added space is no difference either.
    """
    return "".join([_PLACE_WORDS.get(word, word) for word in _WORDS.findall(plain(text))])


def folded(text: str) -> str:
    """Case, spaces and separating commas folded away: how two address parts are compared."""
    return " ".join(re.sub(r"[,;\s]+", " ", text).casefold().split())


@cache
def street_type_words() -> dict[str, str]:
    """Every usual spelling of a street type -> its standard abbreviation."""
    words = {word: short for short, longs in STREET_TYPES.items() for word in (short, *longs)}
    return words


@cache
def unit_words() -> dict[str, str]:
    """Every usual spelling of a secondary unit -> its standard abbreviation."""
    return {word: short for short, longs in UNITS.items() for word in (short, *longs)} | {"#": "#"}


@cache
def directional_words() -> dict[str, str]:
    """Every usual spelling of a directional -> its standard abbreviation."""
    return {word: short for short, long in DIRECTIONALS.items() for word in (short, long)}


def like(value: str, model: str | None) -> str:
    """`value` in the letter case of `model`: upper, lower, else title as the table has it."""
    letters = [letter for letter in model or "" if letter.isalpha()]
    if len(letters) < 2:
        return value
    if all(letter.isupper() for letter in letters):
        return value.upper()
    return value.lower() if all(letter.islower() for letter in letters) else value


def standard_street(text: str) -> str:
    """A street line as the post writes it: upper case, standard types, directionals and units, no full stops.

    "12 North Main Street, Apartment 4" -> "12 N MAIN ST APT 4". A type word inside a name stays
    ("100 COURT ST", "5 AVENUE B"): only the last type word before the unit is shortened.
    """
    words = re.sub(r"[.,;]+(?=\s|$)|,", " ", plain(text)).split()
    unit_at = next((at for at in range(2, len(words)) if words[at] in unit_words()), len(words))
    kinds, ways = street_type_words(), directional_words()
    standard = [*words[:unit_at], *(unit_words().get(word, word) for word in words[unit_at:])]
    last = unit_at - 1
    if last > 1 and standard[last] in ways:
        standard[last] = ways[standard[last]]
        last -= 1
    if last > 1 and standard[last] in kinds:
        standard[last] = kinds[standard[last]]
    if last > 1 and standard[1] in ways and not (last == 2 and standard[2] in kinds.values()):
        standard[1] = ways[standard[1]]
    return " ".join(standard)


@lru_cache(maxsize=200_000)
def abbreviated(name: str) -> str:
    """A place name with its first usual abbreviations and no spaces: "North Mount Olive" -> "NMTOLIVE"."""
    return "".join([_PLACE_SHORT.get(word, word) for word in _WORDS.findall(plain(name))])


_PLACE_SHORT = {
    long: short for short, long in reversed(_PLACE_WORDS.items()) if short not in {"NO", "SO", "HGTS", "SPRGS", "ISL"}
}
