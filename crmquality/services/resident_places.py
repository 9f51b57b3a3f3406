"""What the gazetteers say of one address: read once, in the process of the resident index, for all web processes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pandas as pd

from crmquality.services.resident_keeping import Unknown
from detectors.addresses.detector import AddressDetector
from detectors.addresses.gazetteer_http import HttpGazetteer
from detectors.addresses.gazetteers import GazetteerError, installed
from detectors.contract import Batch, RunContext, SetFields
from detectors.roles import Role

logger = logging.getLogger(__name__)

LIKELY = 0.5
"""Probability from which a value is suggested to whoever is typing."""
_ROW = 1
_KNOWN = {"city": "Springfeld", "region": "IL", "postcode": "62701", "street": "1 Main Steet"}
"""An address with errors: asked about once, since the first question takes as long as reading the table."""


class Places:
    """The gazetteers held in memory. `read` is called once, by a thread of its own; `corrections` by any."""

    def __init__(self) -> None:
        self._detector: AddressDetector | None = None
        self._why = "The gazetteers are being read: try again in a moment."

    def read(self) -> None:
        """Read the tables; a service that is asked over HTTP would make whoever types wait, so it is left out."""
        try:
            tables = [table for table in installed() if not isinstance(table, HttpGazetteer)]
            detector = AddressDetector(tables)
            list(detector.detect(_batch({name: name for name in _KNOWN}, _KNOWN), RunContext()))
        except GazetteerError as error:
            logger.error("%s", error)
            self._why = "The gazetteers cannot be read: see the log of the index."
        else:
            self._detector = detector

    def corrections(self, roles: Mapping[str, str], values: Mapping[str, str | None]) -> list[dict[str, Any]]:
        """[{column, value, probability, words}] of one record, the surest first. Raises Unknown until they are read.

        roles: column -> role, of all parts of the address, blank ones too.
        """
        if self._detector is None:
            raise Unknown(self._why)
        found = [
            {"column": column, "value": value, "probability": finding.score, "words": finding.evidence[0].detail}
            for finding in self._detector.detect(_batch(roles, values), RunContext())
            if finding.score >= LIKELY and isinstance(finding.proposal, SetFields)
            for column, value in finding.proposal.changes.items()
        ]
        return sorted(found, key=lambda one: -float(one["probability"]))


def _batch(roles: Mapping[str, str], values: Mapping[str, str | None]) -> Batch:
    frame = pd.DataFrame({name: [values.get(name)] for name in roles}, index=[_ROW], dtype=object)
    return Batch(frame, {name: Role(role) for name, role in roles.items()})
