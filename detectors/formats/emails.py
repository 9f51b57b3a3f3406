"""E-mail addresses: syntax, typing errors of well-known domains, role and throw-away accounts.

No DNS is asked. A plain regular expression accepts the common case; email-validator (RFC 5321, 5322 and 6531)
judges the rest.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email
from rapidfuzz.distance import OSA

from detectors.formats.column import Column, Remark, Remarks

_PLAIN = re.compile(
    r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+'-]+)*@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,18}"
)
_MAX_LENGTH = 254
"""RFC 5321, 4.5.3.1.3: a path of 256 octets with its angle brackets."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


WELL_KNOWN = _words("""
    gmail.com googlemail.com yahoo.com yahoo.co.uk yahoo.fr yahoo.de yahoo.es yahoo.it yahoo.com.br
    yahoo.co.in yahoo.co.jp ymail.com hotmail.com hotmail.co.uk hotmail.fr hotmail.de hotmail.es
    hotmail.it outlook.com outlook.de outlook.fr live.com live.co.uk live.fr msn.com aol.com icloud.com
    me.com mac.com comcast.net verizon.net att.net sbcglobal.net bellsouth.net cox.net charter.net
    earthlink.net protonmail.com proton.me gmx.de gmx.net gmx.at gmx.ch gmx.com web.de t-online.de
    freenet.de orange.fr wanadoo.fr free.fr laposte.net sfr.fr libero.it virgilio.it tiscali.it alice.it
    btinternet.com sky.com virginmedia.com ntlworld.com bigpond.com optusnet.com.au shaw.ca rogers.com
    sympatico.ca telus.net uol.com.br bol.com.br terra.com.br mail.ru yandex.ru rambler.ru qq.com
    163.com 126.com naver.com wp.pl o2.pl onet.pl interia.pl seznam.cz ziggo.nl kpnmail.nl telenet.be
    skynet.be bluewin.ch zoho.com fastmail.com rediffmail.com
""")
THROW_AWAY = _words("""
    mailinator.com guerrillamail.com 10minutemail.com tempmail.com temp-mail.org yopmail.com
    trashmail.com sharklasers.com getnada.com dispostable.com maildrop.cc throwawaymail.com
    fakeinbox.com mintemail.com mohmal.com emailondeck.com spamgourmet.com mailnesia.com mytemp.email
    tempail.com wegwerfmail.de trash-mail.com discard.email moakt.com
""")
_ROLES = _words("""
    info sales support admin administrator contact office hello help helpdesk service billing accounts
    accounting invoice invoices marketing hr jobs careers webmaster postmaster hostmaster abuse noreply
    no-reply donotreply newsletter press media team mail enquiries inquiries reception orders kontakt
    contacto vertrieb buchhaltung einkauf bewerbung
""")
_ENDINGS = {
    "con": "com", "cmo": "com", "ocm": "com", "comm": "com", "coom": "com", "vom": "com", "xom": "com",
    "cpm": "com", "clm": "com", "dom": "com", "corn": "com", "c0m": "com", "ner": "net", "nte": "net", "ney": "net",
    "nett": "net", "ogr": "org", "rog": "org", "orgg": "org", "orh": "org", "eud": "edu", "edy": "edu", "edi": "edu",
}  # fmt: skip
"""Endings that are typed for another and are no top-level domain themselves."""

_CUT_SHORT = {"co", "cm", "om", "c", "m"}
_PROVIDERS = {domain.split(".")[0]: domain for domain in sorted(WELL_KNOWN, reverse=True) if domain.endswith(".com")}
_SHORT, _MUCH_RARER = 5, 50
"""A name of fewer letters ("gmai") is taken for a slip only where the provider is in so many times as many rows."""
_COMMON_HERE = 20
"""Rows with one domain from which on a rare neighbour one letter away is taken for its typing error."""


def is_valid(text: str) -> bool:
    """Whether the text is one deliverable-looking address, without asking DNS."""
    text = text.strip()
    if len(text) <= _MAX_LENGTH and _PLAIN.fullmatch(text):
        return len(text.rpartition("@")[0]) <= 64 and text.rpartition(".")[2].lower() not in _ENDINGS
    if len(text) > _MAX_LENGTH or "@" not in text:
        return False
    try:
        validate_email(text, check_deliverability=False, test_environment=True)
    except (EmailNotValidError, ValueError):
        return False
    return True


def remarks(column: Column) -> Remarks:
    """Repair what can be read as an address, correct mistyped domains, ask about the rest."""
    domains = _domains_of(column)
    found = {}
    for position, value in enumerate(column.values):
        remark = _remark(value, domains)
        if remark is not None:
            found[position] = remark
    return found


@dataclass(frozen=True, slots=True)
class _Domains:
    """The domains of a column. counts: domain -> rows; common: the most frequent ones that stand in many rows."""

    counts: Counter[str]
    common: tuple[str, ...]


def _domains_of(column: Column) -> _Domains:
    counts: Counter[str] = Counter()
    for value, count in zip(column.values, column.counts, strict=True):
        counts[value.rpartition("@")[2].strip().lower()] += int(count)
    return _Domains(counts, tuple(name for name, count in counts.most_common(50) if count >= _COMMON_HERE))


def _remark(text: str, domains: _Domains) -> Remark | None:
    address = _unwrap(text)
    if not is_valid(address):
        address = _respell(address)
    if not _PLAIN.fullmatch(address) and not is_valid(address):
        return Remark("email-invalid", 0.8, f'"{_short(text)}" is no e-mail address.')
    local, _, domain = address.rpartition("@")
    right, score, why = _right_domain(domain.lower(), domains)
    if right != domain.lower():
        return Remark("email-typo", score, why, f"{local}@{right}")
    proposed = f"{local}@{domain.lower()}"
    if proposed != text:
        lowered = proposed.lower() == text.lower()
        if lowered:
            return Remark("email-case", 0.75, "A mail domain is written in lower case.", proposed)
        return Remark("email-syntax", 0.9, f'Read as "{_short(proposed)}".', proposed)
    return _about_account(local.lower(), right)


def _about_account(local: str, domain: str) -> Remark | None:
    if domain in THROW_AWAY:
        return Remark("email-throw-away", 0.7, f"{domain} gives out throw-away addresses.")
    if local in _ROLES:
        return Remark("email-role", 0.3, f'"{local}@" reaches a department, not a person.')
    return None


def _unwrap(text: str) -> str:
    """The address without what surrounds it: a name and <>, mailto:, quotes, a final stop."""
    text = text.strip()
    inside = re.search(r"<([^<>\s]+@[^<>\s]+)>", text)
    text = inside.group(1) if inside else text
    text = re.sub(r"^mailto:", "", text, flags=re.IGNORECASE)
    return text.strip(" \t\"'<>;,.:")


def _respell(text: str) -> str:
    """Mend usual slips: spaces, (at), a comma for a dot, doubled or missing signs."""
    trial = re.sub(r"\s*[\[(]\s*at\s*[\])]\s*|\s+at\s+", "@", text, flags=re.IGNORECASE)
    trial = re.sub(r"\s*[\[(]\s*dot\s*[\])]\s*", ".", trial, flags=re.IGNORECASE)
    trial = re.sub(r"\s+", "", trial).replace(",", ".")
    trial = re.sub(r"@{2,}", "@", re.sub(r"\.{2,}", ".", trial)).replace(".@", "@").replace("@.", "@")
    trial = re.sub(r"(?<=[\w.])#(?=[\w-]+\.\w)", "@", trial) if "@" not in trial else trial
    local, at, domain = trial.rpartition("@")
    if at and "." not in domain:
        for provider, whole in _PROVIDERS.items():
            if domain.lower() in {provider, whole.replace(".", "")}:
                trial = f"{local}@{whole}"
    return trial


def _right_domain(domain: str, domains: _Domains) -> tuple[str, float, str]:
    if domain in WELL_KNOWN or domain in THROW_AWAY:
        return domain, 1.0, ""
    stem, _, ending = domain.rpartition(".")
    if ending in _ENDINGS:
        mended = f"{stem}.{_ENDINGS[ending]}"
        known = _near_known(mended) if mended not in WELL_KNOWN else mended
        return known or mended, 0.95, f'No address ends in ".{ending}".'
    if ending in _CUT_SHORT and stem in _PROVIDERS:
        return _PROVIDERS[stem], 0.8, f'"{domain}" is short for "{_PROVIDERS[stem]}".'
    known = _near_known(domain)
    if known and _rarer(domain, known, domains):
        return known, 0.93 if OSA.distance(domain, known) == 1 else 0.8, f'"{domain}" is typed for "{known}".'
    here = _near_common(domain, domains) if domains.counts[domain] <= 2 else None
    if here:
        return here, 0.6, f'{domains.counts[here]} rows have "{here}", {domains.counts[domain]} "{domain}".'
    return domain, 1.0, ""


def _rarer(domain: str, known: str, domains: _Domains) -> bool:
    """Whether the domain is rare enough beside the well-known one; a short name may well be a company's own."""
    if len(domain.partition(".")[0]) < _SHORT:
        return _MUCH_RARER * domains.counts[domain] <= domains.counts[known]
    return domains.counts[domain] < max(3, domains.counts[known])


@lru_cache(maxsize=65536)
def _near_known(domain: str) -> str | None:
    """The well-known domain within one slip (two in a long name); None if none, or if several are as near.

    Short providers are left alone: "me.com" is one letter from many real domains. A real country variant
    ("yahoo.ca", "gmx.fr") keeps the provider's name whole, so the name itself must be mistyped.
    """
    name = domain.partition(".")[0]
    best: list[tuple[int, str]] = []
    for known in WELL_KNOWN:
        known_name = known.partition(".")[0]
        if (
            known_name == name
            or len(known_name) < _SHORT
            or len(name) < _SHORT - 1
            or abs(len(known) - len(domain)) > 2
        ):
            continue
        distance = OSA.distance(domain, known, score_cutoff=2)
        if distance <= (2 if len(known_name) >= 7 else 1):
            best.append((distance, known))
    best.sort()
    if not best or (len(best) > 1 and best[0][0] == best[1][0]):
        return None
    return best[0][1]


def _near_common(domain: str, domains: _Domains) -> str | None:
    if len(domain) < 8:
        return None
    for common in domains.common:
        if common != domain and OSA.distance(common, domain, score_cutoff=1) <= 1:
            return common
    return None


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
