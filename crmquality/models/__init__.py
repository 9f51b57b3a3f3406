"""Everything CRM Quality holds to be true."""

from crmquality.models.answers import KeptAnswer
from crmquality.models.connections import Connection, Feed, OutboxEntry, Usage
from crmquality.models.deliveries import Delivery, Destination
from crmquality.models.disclosures import AccessPolicy, Disclosure
from crmquality.models.enrichment import Enrichment, LookedUp
from crmquality.models.exports import Export
from crmquality.models.jobs import Job, JobState
from crmquality.models.keys import ApiKey
from crmquality.models.logins import FailedLogin
from crmquality.models.metrics import Measurement, QualityMetric
from crmquality.models.predictions import CutOffs, Prediction, PredictionTraining, Score, Scoring
from crmquality.models.profiles import Profile
from crmquality.models.records import (
    Change,
    ChangeSet,
    Import,
    Kind,
    QuarantinedRow,
    Record,
    Source,
)
from crmquality.models.rules import QualityRule, RuleResult, RuleVersion
from crmquality.models.runs import DetectorConfig, Finding, ModelVersion, Run, RunBasis, Training
from crmquality.models.series import (
    Alarm,
    AlarmRule,
    BakeOff,
    EmaProfile,
    ExpectedPeriod,
    Observation,
    Series,
    SeriesUpdate,
)
from crmquality.models.survivorship import SurvivorshipRules
from crmquality.models.undoing import Undoing, UndoPeriod

__all__ = [
    "AccessPolicy",
    "Alarm",
    "AlarmRule",
    "ApiKey",
    "BakeOff",
    "Change",
    "ChangeSet",
    "Connection",
    "CutOffs",
    "Delivery",
    "Destination",
    "DetectorConfig",
    "Disclosure",
    "EmaProfile",
    "Enrichment",
    "ExpectedPeriod",
    "Export",
    "FailedLogin",
    "Feed",
    "Finding",
    "Import",
    "Job",
    "JobState",
    "KeptAnswer",
    "Kind",
    "LookedUp",
    "Measurement",
    "ModelVersion",
    "Observation",
    "OutboxEntry",
    "Prediction",
    "PredictionTraining",
    "Profile",
    "QualityMetric",
    "QualityRule",
    "QuarantinedRow",
    "Record",
    "RuleResult",
    "RuleVersion",
    "Run",
    "RunBasis",
    "Score",
    "Scoring",
    "Series",
    "SeriesUpdate",
    "Source",
    "SurvivorshipRules",
    "Training",
    "UndoPeriod",
    "Undoing",
    "Usage",
]
