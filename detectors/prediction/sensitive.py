"""Attributes nobody should guess about a person unless an admin asked for it."""

from __future__ import annotations

import re

from detectors.roles import Role

SENSITIVE_ROLES = frozenset({Role.GENDER, Role.AGE, Role.DATE_OF_BIRTH, Role.NATIONAL_ID, Role.BANK_ACCOUNT})
"""Roles that are sensitive whatever the column is called."""

_LISTED = """
gender sex age birth born birthday birthdate dob race racial ethnic ethnicity nationality citizenship caste
religion religious faith marital married spouse relationship family pregnant pregnancy children dependents
disability disabled health medical diagnosis illness orientation sexuality political politics party union
criminal conviction ssn passport senior veteran salary income wage
geschlecht alter geburtsdatum geburtstag familienstand religionszugehörigkeit staatsangehörigkeit konfession
sexe genre âge naissance nationalité situation matrimoniale sexo género edad nacimiento nacionalidad estadocivil
sesso età nascita nazionalità geslacht leeftijd geboortedatum nationaliteit
"""
_WORDS = frozenset(_LISTED.split())
"""Words of a column's name that make it sensitive: special categories of personal data (GDPR article 9) and the
usual grounds of discrimination, in the languages the product meets most."""

_PARTS = re.compile(r"[^\W\d_]+")
_CAMEL = re.compile(r"(?<=[a-zà-ÿ])(?=[A-Z])")


def is_sensitive(name: str, role: Role | None) -> bool:
    """Whether a column holds a sensitive attribute, by its role or by a word of its name.

    A false alarm only leaves a cell blank; a miss would have a machine guess somebody's religion.
    """
    if role in SENSITIVE_ROLES:
        return True
    words = {word.lower() for word in _PARTS.findall(_CAMEL.sub(" ", str(name)))}
    return not words.isdisjoint(_WORDS)
