"""Contacts: people in households, some of them namesakes, most of them employed by an account."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from crmquality.sample.companies import slug
from crmquality.sample.places import Integers, Strings, Table, addresses, choose_countries, mobiles, strings
from crmquality.sample.vocabulary import COUNTRIES, JOB_TITLES, PUBLIC_MAIL, Country

AS_OF = np.datetime64("2026-06-30")
"""The sample's today: a fixed day, so that a seed gives the same files for ever."""

HOUSEHOLD_SIZES = (0.62, 0.24, 0.09, 0.05)
"""Shares of households of one to four people in the file; members share street, landline and mostly family name."""

EMPLOYED, NAMESAKES, JUNIORS = 0.7, 0.01, 0.015
"""Shares: of people employed by an account; of people called as another is; of further members of a household called
as the one before them, a generation younger."""


def people(
    random: np.random.Generator, count: int, *, account_countries: Integers, domains: Strings
) -> tuple[Table, Integers]:
    """Clean contacts without keys, and the account row of each (-1: none).

    account_countries: (m,) position in COUNTRIES of every account; domains: (m,) their mail domains.
    """
    house = _households(random, count)
    homes = int(house[-1]) + 1
    home_countries = choose_countries(random, homes)
    home = addresses(random, home_countries)
    countries = home_countries[house]
    female = random.random(count) < 0.5
    given = _given_names(random, countries, female)
    births = (AS_OF - (18 * 365 + random.beta(1.6, 2.2, size=count) * 68 * 365).astype(int)).astype("datetime64[D]")
    _juniors(random, house, female, given, births)
    family = _family_names(random, home_countries)[house]
    own = np.flatnonzero(random.random(count) < 0.12)
    family[own] = _family_names(random, countries[own])
    _namesakes(random, countries, given, family)
    shown_family = _polish_forms(countries, female, family)
    employer = _employers(random, countries, account_countries)
    mobile = mobiles(random, countries, home["area"][house])
    titles = random.choice(strings(JOB_TITLES), size=count)
    table = {
        "Salutation": np.where(female, "Ms.", "Mr.").astype(object),
        "First Name": given,
        "Last Name": shown_family,
        "Email": _emails(random, given, shown_family, births, employer, domains),
        "Phone": _thinned(random, home["landline"][house], 0.15),
        "Mobile": _thinned(random, mobile, 0.25),
        "Job Title": np.where(employer >= 0, _thinned(random, titles, 0.1), "").astype(object),
        "Mailing Street": home["street"][house],
        "Mailing City": home["city"][house],
        "Mailing State": home["region"][house],
        "Mailing Postal Code": home["postcode"][house],
        "Mailing Country": home["country"][house],
        "Birthdate": _thinned(random, births.astype(str).astype(object), 0.3),
    }
    return table, employer


def _households(random: np.random.Generator, count: int) -> Integers:
    """Which household each row lives in: 0, 0, 1, 2, 2, 2, ..."""
    sizes = random.choice(np.arange(1, len(HOUSEHOLD_SIZES) + 1), size=count, p=HOUSEHOLD_SIZES)
    return np.repeat(np.arange(count), sizes)[:count]


def _juniors(
    random: np.random.Generator,
    house: Integers,
    female: npt.NDArray[np.bool_],
    given: Strings,
    births: npt.NDArray[np.datetime64],
) -> None:
    """Parent and child of one name at one address: the hardest pair not to merge."""
    second = np.flatnonzero((house[1:] == house[:-1]) & (random.random(len(house) - 1) < JUNIORS)) + 1
    given[second], female[second] = given[second - 1], female[second - 1]
    births[second] = births[second - 1] + random.integers(23 * 365, 35 * 365, size=len(second))
    young = np.flatnonzero(births > AS_OF - 18 * 365)
    births[young] -= np.timedelta64(40 * 365, "D")


def _namesakes(random: np.random.Generator, countries: Integers, given: Strings, family: Strings) -> None:
    """Different people of one whole name in one country."""
    copies = np.flatnonzero(random.random(len(given)) < NAMESAKES)
    models = random.integers(len(given), size=len(copies))
    for row, model in zip(copies.tolist(), models.tolist(), strict=True):
        if countries[row] == countries[model]:
            given[row], family[row] = given[model], family[model]


def _given_names(random: np.random.Generator, countries: Integers, female: npt.NDArray[np.bool_]) -> Strings:
    names = np.full(len(countries), "", dtype=object)
    for position, country in enumerate(COUNTRIES):
        for is_female, pool in ((True, country.female), (False, country.male)):
            rows = np.flatnonzero((countries == position) & (female == is_female))
            names[rows] = random.choice(strings(pool), size=len(rows), p=_falling(len(pool)))
    return names


def _family_names(random: np.random.Generator, countries: Integers) -> Strings:
    """Common names in falling frequency, and a long tail of composed ones; two names where that is usual."""
    names = np.full(len(countries), "", dtype=object)
    for position, country in enumerate(COUNTRIES):
        rows = np.flatnonzero(countries == position)
        pool, weights = _family_pool(country.code)
        chosen = random.choice(pool, size=len(rows), p=weights)
        if country.family_two:
            chosen = chosen + " " + random.choice(pool, size=len(rows), p=weights)
        names[rows] = chosen
    return names


@lru_cache(maxsize=len(COUNTRIES))
def _family_pool(code: str) -> tuple[Strings, npt.NDArray[np.float64]]:
    country: Country = next(country for country in COUNTRIES if country.code == code)
    beginnings, endings = country.family_parts
    composed = [begin + end for begin in beginnings for end in endings if begin.lower() != end]
    common = _falling(len(country.family)) * (0.6 if composed else 1.0)
    rare = np.full(len(composed), 0.4 / max(1, len(composed)))
    return strings([*country.family, *composed]), np.concatenate([common, rare])


def _falling(count: int) -> npt.NDArray[np.float64]:
    """Zipf-like weights: the first name is about eight times as frequent as the hundredth."""
    weights = 1 / (np.arange(count) + 10) ** 0.9
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def _polish_forms(countries: Integers, female: npt.NDArray[np.bool_], family: Strings) -> Strings:
    """Kowalski's wife is Kowalska."""
    poland = next(i for i, country in enumerate(COUNTRIES) if country.code == "PL")
    shown = family.copy()
    for row in np.flatnonzero((countries == poland) & female):
        if shown[row].endswith("ski"):
            shown[row] = shown[row][:-1] + "a"
    return shown


def _employers(random: np.random.Generator, countries: Integers, account_countries: Integers) -> Integers:
    employer = np.full(len(countries), -1, dtype=np.int64)
    for position in range(len(COUNTRIES)):
        accounts = np.flatnonzero(account_countries == position)
        rows = np.flatnonzero((countries == position) & (random.random(len(countries)) < EMPLOYED))
        if len(accounts):
            employer[rows] = random.choice(accounts, size=len(rows))
    return employer


def _emails(
    random: np.random.Generator,
    given: Strings,
    family: Strings,
    births: npt.NDArray[np.datetime64],
    employer: Integers,
    domains: Strings,
) -> Strings:
    """first.last@company or a public provider's; the birth year keeps the private ones apart."""
    styles, at_work = random.random(len(given)), random.random(len(given)) < 0.75
    providers = random.integers(len(PUBLIC_MAIL), size=len(given))
    years = births.astype("datetime64[Y]").astype(int) + 1970
    mails = []
    rows = zip(given, family, styles.tolist(), years.tolist(), employer.tolist(), at_work, providers, strict=True)
    for first, last, style, year, account, work, provider in rows:
        first, last = _mailbox(first), _mailbox(last.split(" ")[0])
        box = f"{first}.{last}" if style < 0.6 else f"{first[0]}{last}" if style < 0.85 else f"{first}{last[0]}"
        office = account >= 0 and work
        mails.append(f"{box}@{domains[account]}" if office else f"{box}{year % 100:02d}@{PUBLIC_MAIL[provider]}")
    mails = [mail if style > 0.05 else "" for mail, style in zip(mails, random.random(len(mails)), strict=True)]
    return strings(mails)


@lru_cache(maxsize=50_000)
def _mailbox(name: str) -> str:
    return slug(name)


def _thinned(random: np.random.Generator, column: Strings, share: float) -> Strings:
    """A column with this share of its cells honestly unknown: no defect, only how CRMs are."""
    return np.where(random.random(len(column)) < share, "", column).astype(object)
