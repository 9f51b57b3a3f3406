"""Everything CRM Quality holds to be true."""

from crmquality.models.disclosures import AccessPolicy, Disclosure
from crmquality.models.jobs import Job, JobState
from crmquality.models.logins import FailedLogin
from crmquality.models.metrics import QualityMetric
from crmquality.models.records import (
    Change,
    ChangeSet,
    Import,
    Kind,
    QuarantinedRow,
    Record,
    Source,
)
from crmquality.models.runs import DetectorConfig, Finding, ModelVersion, Run, Training
from crmquality.models.survivorship import SurvivorshipRules
from crmquality.models.undoing import Undoing, UndoPeriod

__all__ = [
    "AccessPolicy",
    "Change",
    "ChangeSet",
    "DetectorConfig",
    "Disclosure",
    "FailedLogin",
    "Finding",
    "Import",
    "Job",
    "JobState",
    "Kind",
    "ModelVersion",
    "QualityMetric",
    "QuarantinedRow",
    "Record",
    "Run",
    "Source",
    "SurvivorshipRules",
    "Training",
    "UndoPeriod",
    "Undoing",
]
