"""Every route x every role x a foreign object: who gets in, who is turned away, and nothing fails."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from tests.crmquality import series_help
from tests.scripted import claim, install, scan

STEWARD, SALES, AUDITOR, ADMIN = "steward", "sales", "auditor", "admin"
EVERYONE = {STEWARD, SALES, AUDITOR, ADMIN}
STAFF = EVERYONE - {SALES}
DECIDERS = EVERYONE - {AUDITOR}
STEWARDS = {STEWARD, ADMIN}
SELLERS = {SALES, ADMIN}
ADMINS = {ADMIN}
OVERSEERS = {AUDITOR, ADMIN}
ABSENT = 999_999
NOWHERE = {
    "dialect": "postgresql", "host": "127.0.0.1", "port": 1, "user": "nobody", "encryption": "off",
    "databases": ["crm"], "schema": None, "changed": None, "inactive": [], "query": None, "query_key": None,
}  # fmt: skip
"""Settings of a database that does not answer."""
STOOD = {
    "name": "novelty",
    "score": 50.0,
    "low": 40.0,
    "high": 60.0,
    "behind": 0.0,
    "behind_low": 0.0,
    "behind_high": 0.0,
    "clearly": False,
    "us_per_row": 1.0,
}
BAKED = {"unit": "points", "parts": [{"about": "a table", "verdict": "novelty wins.", "standings": [STOOD] * 2}]}


@dataclass(frozen=True)
class Route:
    """Who may use which method of a route.

    about: the kind of object its id names; sales people see only their own of those in OWNED.
    says_so: answers with a page that says that there is no such thing, where others answer 404.
    """

    about: str = ""
    says_so: bool = False
    methods: tuple[tuple[str, frozenset[str]], ...] = ()


def route(about: str = "", *, says_so: bool = False, **methods: set[str]) -> Route:
    return Route(about, says_so, tuple((name, frozenset(who)) for name, who in methods.items()))


OWNED = {"score", "record", "item", "decision", "finding", "question", "own_change"}
LISTED = {"score", "record", "item", "decision", "finding", "question"}
PUBLIC = {"login", "healthz", "readyz", "api-schema", "api-token", "api-hook"}
ROUTES = {
    "dashboard": route(GET=EVERYONE),
    "logout": route(POST=EVERYONE),
    "sources": route(GET=STAFF),
    "upload": route(GET=STEWARDS, POST=STEWARDS),
    "map-columns": route(GET=STEWARDS, POST=STEWARDS),
    "source": route("source", GET=STAFF),
    "columns": route("source", GET=STEWARDS, POST=STEWARDS),
    "run-source": route("source", POST=STEWARDS),
    "schedule": route("source", POST=ADMINS),
    "records": route("source", GET=EVERYONE),
    "quarantine": route("source", GET=STEWARDS, POST=STEWARDS),
    "quarantine-file": route("source", GET=STEWARDS),
    "export": route("source", GET=STEWARDS),
    "learned": route("source", GET=STAFF),
    "reset-rule": route("source", POST=ADMINS),
    "sensitive-columns": route("source", POST=ADMINS),
    "deduplicated": route("source", POST=ADMINS),
    "rules": route("source", GET=STAFF),
    "new-rule": route("source", GET=ADMINS, POST=ADMINS),
    "take-rule": route("source", POST=ADMINS),
    "check-rules": route("source", POST=STEWARDS),
    "rule": route("rule", GET=STAFF, POST=ADMINS),
    "switch-rule": route("rule", POST=ADMINS),
    "rule-failing": route("rule", GET=STAFF),
    "profile": route("source", GET=STAFF),
    "profile-records": route("source", GET=STAFF),
    "request-profile": route("source", POST=STEWARDS),
    "profile-job": route("profile", GET=STAFF),
    "cancel-profile": route("profile", POST=STEWARDS),
    "predictions": route(GET=STAFF),
    "new-prediction": route("source", GET=STEWARDS, POST=STEWARDS),
    "prediction": route("prediction", GET=STAFF),
    "prediction-records": route("prediction", GET=STAFF),
    "cut-offs": route("prediction", GET=STAFF, POST=ADMINS),
    "train-prediction": route("prediction", POST=STEWARDS),
    "score-prediction": route("prediction", POST=STEWARDS),
    "revise-prediction": route("prediction", POST=STEWARDS),
    "remove-prediction": route("prediction", POST=ADMINS),
    "roll-back-cut-offs": route("cut_offs", POST=ADMINS),
    "prediction-training": route("prediction_training", GET=STAFF),
    "cancel-prediction-training": route("prediction_training", POST=STEWARDS),
    "scoring": route("scoring", GET=STAFF),
    "cancel-scoring": route("scoring", POST=STEWARDS),
    "import": route("import", GET=STAFF),
    "cancel-import": route("import", POST=STEWARDS),
    "request-export": route("source", POST=STEWARDS),
    "measure": route("source", POST=STEWARDS),
    "segment-column": route("source", POST=ADMINS),
    "jobs": route(GET=STAFF),
    "training": route("training", GET=STAFF),
    "cancel-training": route("training", POST=ADMINS),
    "measurement": route("measurement", GET=STAFF),
    "cancel-measurement": route("measurement", POST=STEWARDS),
    "export-job": route("export_job", GET=STAFF),
    "export-file": route("export_job", GET=STEWARDS),
    "cancel-export": route("export_job", POST=STEWARDS),
    "undoing": route("undoing", GET=STAFF),
    "cancel-undoing": route("undoing", POST=STEWARDS),
    "record": route("record", GET=EVERYONE),
    "keys": route(GET=OVERSEERS, POST=ADMINS),
    "revoke-key": route("api_key", POST=ADMINS),
    "check": route(GET=DECIDERS, POST=DECIDERS),
    "api-check-list": route(POST=DECIDERS),
    "queue": route(GET=DECIDERS),
    "next-card": route(POST=DECIDERS),
    "item": route("item", says_so=True, GET=DECIDERS),
    "decide": route("item", POST=DECIDERS),
    "skip": route("item", POST=DECIDERS),
    "shapley": route("item", GET=DECIDERS),
    "release": route(POST=DECIDERS),
    "keep": route(POST=DECIDERS),
    "queue-list": route(GET=EVERYONE),
    "assign": route(POST=STEWARDS),
    "comment": route("item", POST=DECIDERS),
    "save-view": route(POST=DECIDERS),
    "delete-view": route(POST=DECIDERS),  # one's own: see tests/review/test_desks.py
    "budgets": route(GET=ADMINS, POST=ADMINS),
    "decisions": route(GET=EVERYONE),
    "undo-last": route(POST=DECIDERS),
    "undo": route("decision", GET=DECIDERS, POST=DECIDERS),
    "merge": route("item", GET=DECIDERS),
    "undo-ticked": route(POST=STEWARDS),
    "undo-period": route(POST=ADMINS),
    "undo-run": route("run", GET=STEWARDS, POST=STEWARDS),
    "survivorship": route("source", GET=STAFF, POST=ADMINS),
    "changes": route(GET=STAFF),
    "undo-changes": route("change_set", GET=STEWARDS, POST=STEWARDS),
    "runs": route(GET=STAFF),
    "run": route("run", GET=STAFF),
    "cancel-run": route("run", POST=STEWARDS),
    "own": route(GET=SELLERS),
    "own-record": route("record", GET=SELLERS),
    "own-check": route("record", POST=SELLERS),
    "own-fix": route("record", POST=SELLERS),
    "own-ask": route("record", POST=SELLERS),
    "own-decide": route("item", POST=SELLERS),
    "own-undo": route("own_change", POST=SELLERS),
    "questions": route(GET=EVERYONE),
    "answer": route("question", POST=STEWARDS),
    "reveal": route("record", POST=DECIDERS),
    "reveal-item": route("item", POST=DECIDERS),
    "access": route(GET=OVERSEERS, POST=ADMINS),
    "disclosures": route(GET=OVERSEERS),
    "disclosures-file": route(GET=OVERSEERS),
    "alarms": route(GET=STAFF),
    "alarm": route("alarm", GET=STAFF),
    "answer-alarm": route("alarm", POST=STEWARDS),
    "answer-alarms": route(POST=STEWARDS),
    "comment-alarm": route("alarm", POST=STEWARDS),
    "series": route(GET=STAFF, POST=STEWARDS),
    "series-one": route("series", GET=STAFF),
    "series-threshold": route("series", GET=STAFF, POST=ADMINS),
    "watch-series": route("series", POST=ADMINS),
    "expect-series": route("series", POST=STEWARDS),
    "remove-series": route("series", POST=ADMINS),
    "bake-offs": route(GET=OVERSEERS, POST=ADMINS),
    "bake-off": route("bake_off", GET=OVERSEERS),
    "cancel-bake-off": route("bake_off", POST=ADMINS),
    "series-update": route("series_update", GET=STAFF),
    "cancel-series-update": route("series_update", POST=STEWARDS),
    "destinations": route(GET=OVERSEERS, POST=ADMINS),
    "destination": route("destination", GET=OVERSEERS, POST=ADMINS),
    "destination-act": route("destination", POST=ADMINS),
    "replay": route("delivery", POST=ADMINS),
    "connections": route(GET=STAFF),
    "new-connection": route(GET=ADMINS, POST=ADMINS),
    "connection": route("connection", GET=STAFF),
    "connection-settings": route("connection", GET=ADMINS, POST=ADMINS),
    "connection-act": route("connection", POST=ADMINS),
    "connection-schedule": route("connection", POST=ADMINS),
    "add-feed": route("connection", POST=ADMINS),
    "pull": route("feed", POST=STEWARDS),
    "write-back": route("feed", POST=ADMINS),
    "outbox": route(GET=STAFF),
    "outbox-entry": route("outbox_entry", GET=STAFF),
    "entry-calls": route("outbox_entry", POST=STEWARDS),
    "settle-entry": route("outbox_entry", POST=STEWARDS),
    "enrichments": route("source", GET=STAFF),
    "new-enrichment": route("source", GET=ADMINS, POST=ADMINS),
    "enrichment": route("enrichment", GET=ADMINS, POST=ADMINS),
    "enrichment-act": route("enrichment", POST=ADMINS),
    "api-enrichment-list": route(GET=STAFF, POST=ADMINS),
    "api-enrichment-adapters": route(GET=ADMINS),
    "api-enrichment-detail": route("enrichment", GET=STAFF, PATCH=ADMINS, DELETE=ADMINS),
    "api-enrichment-test": route("enrichment", POST=ADMINS),
    "api-connection-list": route(GET=STAFF, POST=ADMINS),
    "api-connection-connectors": route(GET=ADMINS),
    "api-connection-detail": route("connection", GET=STAFF, PATCH=ADMINS, DELETE=ADMINS),
    "api-connection-test": route("connection", POST=ADMINS),
    "api-connection-pause": route("connection", POST=ADMINS),
    "api-connection-resume": route("connection", POST=ADMINS),
    "api-connection-schedule": route("connection", PUT=ADMINS),
    "api-connection-objects": route("connection", POST=ADMINS),
    "api-feed-list": route(GET=STAFF, POST=ADMINS),
    "api-feed-detail": route("feed", GET=STAFF),
    "api-feed-write-back": route("feed", PUT=ADMINS),
    "api-feed-pull": route("feed", POST=STEWARDS),
    "api-outbox-list": route(GET=STAFF),
    "api-outbox-detail": route("outbox_entry", GET=STAFF),
    "api-outbox-calls": route("outbox_entry", POST=STEWARDS),
    "api-outbox-settle": route("outbox_entry", POST=STEWARDS),
    "thresholds": route(GET=STAFF),
    "threshold": route("source", GET=STAFF, POST=ADMINS),
    "evaluations": route(GET=STAFF),
    "evaluation": route("source", GET=STAFF),
    "evaluation-sample": route("source", POST=STEWARDS),
    "roll-back": route("policy", POST=ADMINS),
    "my-work": route(GET=DECIDERS),
    "people": route(GET=ADMINS, POST=ADMINS),
    "group": route("item", GET=STEWARDS),
    "decide-group": route("item", POST=STEWARDS),
    "batches": route(GET=STAFF),
    "batch": route("batch", GET=STAFF),
    "undo-batch": route("batch", POST=STEWARDS),
    "cancel-batch": route("batch", POST=STEWARDS),
    "lots": route(GET=STAFF),
    "draw-lot": route(POST=STEWARDS),
    "lot-rule": route(POST=ADMINS),
    "lot": route("lot", GET=STAFF),
    "judge-lot": route("lot", POST=STEWARDS),
    "accept-lot": route("lot", POST=STEWARDS),
    "models": route(GET=STAFF),
    "model": route("version", GET=STAFF),
    "keep-check": route("version", POST=ADMINS),
    "activate-model": route("version", POST=ADMINS),
    "api-source-list": route(GET=STAFF, POST=STEWARDS),
    "api-source-detail": route("source", GET=STAFF),
    "api-source-columns": route("source", PUT=STEWARDS),
    "api-source-sensitive": route("source", PUT=ADMINS),
    "api-source-deduplicated": route("source", PUT=ADMINS),
    "api-source-segments": route("source", PUT=ADMINS),
    "api-source-export": route("source", GET=STEWARDS),
    "api-source-changes": route("source", GET=STEWARDS),
    "api-source-rules-learned": route("source", GET=STAFF),
    "api-import-list": route(GET=STAFF, POST=STEWARDS),
    "api-import-detail": route("import", GET=STAFF),
    "api-import-cancel": route("import", POST=STEWARDS),
    "api-record-list": route(GET=EVERYONE),
    "api-record-detail": route("record", GET=EVERYONE, PATCH=DECIDERS),
    "api-record-reveal": route("record", POST=DECIDERS),
    "api-access-policy-list": route(GET=OVERSEERS, POST=ADMINS),
    "api-access-policy-detail": route("access_policy", GET=OVERSEERS),
    "api-disclosure-list": route(GET=OVERSEERS),
    "api-disclosure-detail": route("disclosure", GET=OVERSEERS),
    "api-own-record-list": route(GET=SELLERS),
    "api-own-record-check": route("record", POST=SELLERS),
    "api-own-record-fix": route("record", POST=SELLERS),
    "api-own-record-undo": route("record", POST=SELLERS),
    "api-question-list": route(GET=EVERYONE, POST=SELLERS),
    "api-question-detail": route("question", GET=EVERYONE),
    "api-question-answer": route("question", POST=STEWARDS),
    "api-run-list": route(GET=STAFF, POST=STEWARDS),
    "api-run-detail": route("run", GET=STAFF),
    "api-run-cancel": route("run", POST=STEWARDS),
    "api-finding-list": route(GET=EVERYONE),
    "api-finding-detail": route("finding", GET=EVERYONE),
    "api-metric-list": route(GET=STAFF),
    "api-metric-latest": route(GET=STAFF),
    "api-model-list": route(GET=STAFF),
    "api-model-detail": route("version", GET=STAFF),
    "api-model-activate": route("version", POST=ADMINS),
    "api-training-list": route(GET=STAFF, POST=ADMINS),
    "api-training-detail": route("training", GET=STAFF),
    "api-training-cancel": route("training", POST=ADMINS),
    "api-measurement-list": route(GET=STAFF, POST=STEWARDS),
    "api-measurement-detail": route("measurement", GET=STAFF),
    "api-measurement-cancel": route("measurement", POST=STEWARDS),
    "api-export-list": route(GET=STAFF, POST=STEWARDS),
    "api-export-detail": route("export_job", GET=STAFF),
    "api-export-cancel": route("export_job", POST=STEWARDS),
    "api-export-file": route("export_job", GET=STEWARDS),
    "api-alarm-list": route(GET=STAFF),
    "api-alarm-detail": route("alarm", GET=STAFF),
    "api-alarm-answer": route("alarm", POST=STEWARDS),
    "api-alarm-answer-many": route(POST=STEWARDS),
    "api-alarm-notes": route("alarm", GET=STAFF),
    "api-alarm-comment": route("alarm", POST=STEWARDS),
    "api-series-list": route(GET=STAFF, POST=STEWARDS),
    "api-series-detail": route("series", GET=STAFF, DELETE=ADMINS),
    "api-series-observations": route("series", GET=STAFF),
    "api-series-rules": route("series", GET=STAFF),
    "api-series-rule": route("series", POST=ADMINS),
    "api-series-outlook": route("series", GET=STAFF),
    "api-series-expectations": route("series", GET=STAFF),
    "api-series-expect": route("series", POST=STEWARDS),
    "api-observation-list": route(POST=STEWARDS),
    "api-expectation-detail": route("expectation", GET=STAFF, DELETE=STEWARDS),
    "api-bake-off-list": route(GET=OVERSEERS, POST=ADMINS),
    "api-bake-off-detail": route("bake_off", GET=OVERSEERS),
    "api-bake-off-cancel": route("bake_off", POST=ADMINS),
    "api-destination-list": route(GET=OVERSEERS, POST=ADMINS),
    "api-destination-detail": route("destination", GET=OVERSEERS, PUT=ADMINS, DELETE=ADMINS),
    "api-destination-key": route("destination", GET=ADMINS, POST=ADMINS),
    "api-destination-test": route("destination", POST=ADMINS),
    "api-delivery-list": route(GET=OVERSEERS),
    "api-delivery-detail": route("delivery", GET=OVERSEERS),
    "api-delivery-replay": route("delivery", POST=ADMINS),
    "api-rule-list": route(GET=STAFF, POST=ADMINS),
    "api-rule-detail": route("rule", GET=STAFF, PUT=ADMINS),
    "api-rule-switch": route("rule", POST=ADMINS),
    "api-rule-versions": route("rule", GET=STAFF),
    "api-rule-failing": route("rule", GET=STAFF),
    "api-rule-suggestions": route(GET=STAFF),
    "api-rule-take": route(POST=ADMINS),
    "api-rule-try": route(POST=STAFF),
    "api-profile-list": route(GET=STAFF, POST=STEWARDS),
    "api-profile-detail": route("profile", GET=STAFF),
    "api-profile-cancel": route("profile", POST=STEWARDS),
    "api-prediction-list": route(GET=STAFF, POST=STEWARDS),
    "api-prediction-detail": route("prediction", GET=STAFF, PUT=STEWARDS, DELETE=ADMINS),
    "api-prediction-training-list": route(GET=STAFF, POST=STEWARDS),
    "api-prediction-training-detail": route("prediction_training", GET=STAFF),
    "api-prediction-training-cancel": route("prediction_training", POST=STEWARDS),
    "api-scoring-list": route(GET=STAFF, POST=STEWARDS),
    "api-scoring-detail": route("scoring", GET=STAFF),
    "api-scoring-cancel": route("scoring", POST=STEWARDS),
    "api-cut-offs-list": route(GET=STAFF, POST=ADMINS),
    "api-cut-offs-detail": route("cut_offs", GET=STAFF),
    "api-cut-offs-roll-back": route("cut_offs", POST=ADMINS),
    "api-score-list": route(GET=EVERYONE),
    "api-score-detail": route("score", GET=EVERYONE),
    "api-figures-detail": route("source", GET=STAFF),
    "api-evaluation-detail": route("source", GET=STAFF),
    "api-evaluation-sample": route("source", POST=STEWARDS),
    "api-item-list": route(GET=EVERYONE),
    "api-item-detail": route("item", GET=EVERYONE),
    "api-item-next": route(POST=DECIDERS),
    "api-item-claim": route("item", POST=DECIDERS),
    "api-item-release": route(POST=DECIDERS),
    "api-item-skip": route("item", POST=DECIDERS),
    "api-item-reveal": route("item", POST=DECIDERS),
    "api-item-assign": route("item", POST=STEWARDS),
    "api-item-comments": route("item", GET=EVERYONE, POST=DECIDERS),
    "api-view-list": route(GET=EVERYONE, POST=DECIDERS),
    "api-view-detail": route(GET=EVERYONE, DELETE=DECIDERS),
    "api-budget-list": route(GET=DECIDERS, POST=ADMINS),
    "api-decision-list": route(GET=EVERYONE, POST=DECIDERS),
    "api-decision-detail": route("decision", GET=EVERYONE),
    "api-decision-bulk": route(POST=DECIDERS),
    "api-decision-undo": route("decision", POST=DECIDERS),
    "api-change-set-list": route(GET=STAFF),
    "api-change-set-detail": route("change_set", GET=STAFF),
    "api-change-set-undo": route("change_set", POST=STEWARDS),
    "api-batch-list": route(GET=STAFF, POST=STEWARDS),
    "api-batch-detail": route("batch", GET=STAFF),
    "api-batch-members": route("batch", GET=STAFF),
    "api-batch-undo": route("batch", POST=STEWARDS),
    "api-batch-cancel": route("batch", POST=STEWARDS),
    "api-lot-list": route(GET=STAFF, POST=STEWARDS),
    "api-lot-detail": route("lot", GET=STAFF),
    "api-lot-plan": route(POST=STEWARDS),
    "api-lot-sample": route("lot", GET=STAFF),
    "api-lot-replace": route("lot", POST=STEWARDS),
    "api-lot-accept": route("lot", POST=STEWARDS),
    "api-acceptance-rule-list": route(GET=STAFF, POST=ADMINS),
    "api-change-set-preview": route("change_set", GET=STEWARDS),
    "api-item-merge": route("item", POST=DECIDERS),
    "api-survivorship-list": route(GET=STAFF, POST=ADMINS),
    "api-survivorship-detail": route("survivorship", GET=STAFF),
    "api-survivorship-columns": route(GET=STAFF),
    "api-undoing-list": route(GET=STAFF, POST=STEWARDS),
    "api-undoing-detail": route("undoing", GET=STAFF),
    "api-undoing-cancel": route("undoing", POST=STEWARDS),
    "api-undo-period-list": route(GET=STAFF, POST=ADMINS),
    "api-policy-list": route(GET=STAFF, POST=ADMINS),
    "api-policy-detail": route("policy", GET=STAFF),
    "api-policy-preview": route(POST=STAFF),
    "api-policy-roll-back": route("policy", POST=ADMINS),
    "api-gate-list": route(GET=STAFF),
    "api-person-list": route(GET=ADMINS),
    "api-person-me": route(GET=DECIDERS),
    "api-person-checks": route(GET=ADMINS, POST=ADMINS),
}


def patterns(resolver: URLResolver | None = None) -> Iterator[URLPattern]:
    for entry in (resolver or get_resolver()).url_patterns:
        if isinstance(entry, URLResolver):
            yield from patterns(entry)
        else:
            yield entry


def address(name: str, number: int) -> str:
    """The path of a route, for an object of this id where it takes one."""
    pattern = next(entry for entry in patterns() if entry.name == name)
    words = {"form": "csv", "connector": "sql", "adapter": "file"}
    given = {key: words.get(key, number) for key in pattern.pattern.converters}
    return reverse(name, kwargs=given)


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def people(make_user: Any) -> dict[str, Any]:
    return {role: make_user(role) for role in (STEWARD, SALES, AUDITOR, ADMIN)}


@pytest.fixture
def objects(source: Any, people: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[int, int]]:
    """Kind -> (id of one that sales people own, id of one that they do not)."""
    from crmquality.models import (
        AccessPolicy,
        Alarm,
        ApiKey,
        BakeOff,
        Connection,
        CutOffs,
        Delivery,
        Destination,
        Disclosure,
        Enrichment,
        ExpectedPeriod,
        Export,
        Feed,
        Import,
        Measurement,
        ModelVersion,
        OutboxEntry,
        Prediction,
        PredictionTraining,
        Record,
        Run,
        Score,
        Scoring,
        SeriesUpdate,
        Training,
        Undoing,
    )
    from crmquality.services import series, survivorship
    from review.models import Decision, DecisionBatch, Lot, LotItem, PolicyVersion, Question, ReviewItem
    from review.services import deciding

    records = {record.external_id: record for record in Record.objects.all()}
    install(monkeypatch, lambda batch: [claim(record, City=f"City {name}") for name, record in records.items()])
    scan(source)
    items = {item.finding.subjects[0]: item for item in ReviewItem.objects.select_related("finding")}
    item = {name: items[record.pk] for name, record in records.items()}
    accept = Decision.Verdict.ACCEPT
    mine = deciding.decide(item=item["C2"], verdict=accept, user=people[SALES])
    theirs = deciding.decide(item=item["C4"], verdict=accept, user=people[STEWARD])
    asked = {
        name: Question.objects.create(record=records[name], text="Is it right?", by=people[person])
        for name, person in (("C1", SALES), ("C3", STEWARD))
    }
    policy = AccessPolicy.objects.create(source=source, number=1, sales_decide=["set", "merge", "flag"])
    log = {"source": source, "source_name": source.name, "by": people[STEWARD], "fields": ["Name"]}
    plan = {"size": 1, "sample": 1, "allowed": 0, "limit": 0.05, "risk": 0.1, "expected": 0.01, "seed": 1}
    lot = Lot.objects.create(source=source, detector="scripted", by=people[STEWARD], **plan)
    LotItem.objects.create(lot=lot, item=item["C3"], position=0, drawn=True)
    told = Destination.objects.create(name="ops", kind="webhook", target="https://example.com/", events=[])
    system = Connection.objects.create(name="system", connector="sql", settings=NOWHERE)
    feed = Feed.objects.create(
        connection=system, name="contacts", source=source, fields=["Contact ID"], description={"incremental": True}
    )
    step = {"object": "contacts", "id": "C3", "values": {"City": ["Bostn", "Boston"]}}
    entry = OutboxEntry.objects.create(
        connection=system, feed=feed, change_set=theirs.change_set, record=records["C3"], records=[records["C3"].pk],
        step=step, state="conflict", now={"City": "Rome"}, due_at=theirs.at,
    )  # fmt: skip
    rule, profile = rule_and_profile(source)
    watched = series_help.make()
    series_help.feed(watched, [*series_help.noise(60), 900.0])
    watching = series.set_rule(series=watched, method="moving average", k=4.0, learn=30)
    aim = {"target": "City"}
    predicted = Prediction.objects.create(source=source, name="Where", aim=aim)
    bands = [{"name": "high", "at": 0.5}]
    span = {"first": watching.at, "last": watching.at, "reason": "a campaign"}
    scoring_version = ModelVersion.objects.create(
        source=source,
        prediction=predicted,
        detector="prediction",
        number=1,
        detector_version="1",
        directory="none",
        sha256="",
    )
    score = {
        name: Score.objects.create(
            prediction=predicted,
            record=records[name],
            version=scoring_version,
            value="0.5",
            probability=0.5,
            number=0.5,
        ).pk
        for name in ("C1", "C3")
    }
    single = {
        "connection": system.pk,
        "api_key": ApiKey.objects.create(
            name="form",
            prefix="0a1b2c3d",
            digest="0" * 64,
            scopes=["check"],
            user=people[STEWARD],
            expires_at=theirs.at,
        ).pk,
        "enrichment": Enrichment.objects.create(
            source=source,
            name="register",
            adapter="file",
            settings={"file": "none.csv"},
            key="email",
            provider="A register",
            licence="CC BY 4.0",
        ).pk,
        "feed": feed.pk,
        "outbox_entry": entry.pk,
        "series": watched.pk,
        "alarm": Alarm.objects.get().pk,
        "expectation": ExpectedPeriod.objects.create(series=watched, **span).pk,
        "bake_off": BakeOff.objects.create(about="rows", source=source, result=BAKED, state="succeeded").pk,
        "series_update": SeriesUpdate.objects.create(source=source, state="succeeded").pk,
        "prediction": predicted.pk,
        "cut_offs": CutOffs.objects.create(prediction=predicted, number=1, bands=bands).pk,
        "prediction_training": PredictionTraining.objects.create(
            prediction=predicted, source=source, state="failed"
        ).pk,
        "scoring": Scoring.objects.create(prediction=predicted, source=source, state="failed").pk,
        "destination": told.pk,
        "delivery": Delivery.objects.create(destination=told, event="test", key="1", state="failed").pk,
        "access_policy": policy.pk,
        "disclosure": Disclosure.objects.create(record=records["C3"], external_id="C3", **log).pk,
        "source": source.pk,
        "import": Import.objects.create(source=source, file_name="f.csv", path="").pk,
        "run": Run.objects.get().pk,
        "training": Training.objects.create(source=source, detector="scripted").pk,
        "measurement": Measurement.objects.create(source=source, state="succeeded").pk,
        "export_job": Export.objects.create(source=source, form="csv").pk,
        "undoing": Undoing.objects.create(title="t", change_sets=[]).pk,
        "policy": PolicyVersion.objects.get().pk,
        "rule": rule.quality_rule_id,
        "profile": profile.pk,
        "survivorship": survivorship.set_rules(source=source, rules={}, unique=[], trusted=[], user=people[ADMIN]).pk,
        "change_set": theirs.change_set_id,
        "batch": DecisionBatch.objects.create(source=source, kind="group", verdict="accept").pk,
        "lot": lot.pk,
        "version": ModelVersion.objects.create(
            source=source, detector="scripted", number=1, detector_version="1", directory="none", sha256=""
        ).pk,
    }
    return {kind: (number, number) for kind, number in single.items()} | {
        "score": (score["C1"], score["C3"]),
        "record": (records["C1"].pk, records["C3"].pk),
        "item": (item["C1"].pk, item["C3"].pk),
        "finding": (item["C1"].finding_id, item["C3"].finding_id),
        "decision": (mine.pk, theirs.pk),
        "own_change": (mine.change_set_id, theirs.change_set_id),
        "question": (asked["C1"].pk, asked["C3"].pk),
        "": (0, 0),
    }


def rule_and_profile(source: Any) -> tuple[Any, Any]:
    """A rule that some records break, checked, and a profile of the source."""
    from crmquality.models import Profile, RuleResult
    from crmquality.services import profiling, validating
    from crmquality.services.batches import source_batch

    config = {"kind": "pattern", "name": "e-mails of the firm", "field": "Email", "pattern": ".*@firm[.]example"}
    rule = validating.make_rule(source=source, config=config, user=None)
    checker = validating.Checker(source)
    checker(source_batch(source))
    checker.store(None)
    assert RuleResult.objects.get().failing
    profile = profiling.request_profile(source=source)
    profiling.execute_profile(profile.pk)
    Profile.objects.filter(pk=profile.pk).update(
        suggestions=[{"config": config | {"name": "suggested"}, "kept": 1, "applies": 2, "low": 0.9}]
    )
    return rule, profile


@pytest.fixture
def ask(people: Any) -> Any:
    """ask(role, method, name, id) gives the status; whatever the request wrote is rolled back."""
    clients: dict[str, Client] = {}

    def status(role: str, method: str, name: str, number: int = 0) -> int:
        if role not in clients:
            clients[role] = Client(raise_request_exception=False)
            if role in people:
                clients[role].force_login(people[role])
        given = {"data": "{}", "content_type": "application/json"} if name.startswith("api-") else {}
        before = transaction.savepoint()
        response = clients[role].generic(method, address(name, number), **given)
        b"".join(response)
        transaction.savepoint_rollback(before)
        if name == "logout":
            del clients[role]
        assert "Content-Security-Policy" in response.headers, name
        return response.status_code

    return status


def test_every_route_says_here_who_may_use_it() -> None:
    found = {entry.name for entry in patterns()}
    assert found == set(ROUTES) | PUBLIC


def test_every_method_of_the_api_says_here_who_may_use_it() -> None:
    for entry in patterns():
        for method in getattr(entry.callback, "actions", {}) or {}:
            if entry.name in ROUTES and method != "head":
                assert method.upper() in dict(ROUTES[entry.name].methods), f"{method} {entry.name}"


def cases() -> Iterator[tuple[str, Route, str, frozenset[str]]]:
    for name, one in ROUTES.items():
        for method, allowed in one.methods:
            yield name, one, method, allowed


def test_nobody_gets_in_without_a_login(objects: Any, ask: Any) -> None:
    for name, one, method, _ in cases():
        expected = 401 if name.startswith("api-") else 200 if name == "logout" else 302
        got = ask("nobody", method, name, objects[one.about][0])
        assert got == expected or (name == "logout" and got == 302), f"{method} {name}: {got}"


@pytest.mark.parametrize("role", sorted(EVERYONE))
def test_a_role_gets_exactly_where_it_may(role: str, objects: Any, ask: Any) -> None:
    wrong = []
    for name, one, method, allowed in cases():
        got = ask(role, method, name, objects[one.about][0])
        missing = got == 404 and one.about != ""  # without an id in the address it is the body that names nothing
        fits = got < 500 and got not in (401, 403, 405) and not missing if role in allowed else got == 403
        if not fits:
            wrong.append(f"{method} {name}: {got}")
    assert not wrong


@pytest.mark.parametrize("role", sorted(EVERYONE))
def test_what_does_not_exist_is_not_found_whatever_the_role_may(role: str, objects: Any, ask: Any) -> None:
    wrong = []
    for name, one, method, allowed in cases():
        if one.about:
            expected = 403 if role not in allowed else 200 if one.says_so else 404
            got = ask(role, method, name, ABSENT)
            if got != expected:
                wrong.append(f"{method} {name}: {got}, not {expected}")
    assert not wrong


def test_sales_people_find_nothing_of_what_others_own(objects: Any, ask: Any) -> None:
    wrong = []
    for name, one, method, allowed in cases():
        if one.about in OWNED:
            expected = 403 if SALES not in allowed else 200 if one.says_so else 404
            got = ask(SALES, method, name, objects[one.about][1])
            if got != expected:
                wrong.append(f"{method} {name}: {got}, not {expected}")
    assert not wrong


def test_lists_hold_only_what_a_sales_person_owns(people: Any, objects: Any) -> None:
    client = Client()
    client.force_login(people[SALES])
    for kind in sorted(LISTED):
        found = {row["id"] for row in client.get(f"/api/v1/{kind}s/").json()["results"]}
        assert objects[kind][0] in found, kind
        assert objects[kind][1] not in found, kind


def test_reading_changes_nothing(people: Any, objects: Any) -> None:
    client = Client()
    client.force_login(people[ADMIN])
    before = state()
    for name, one, method, _ in cases():
        if method == "GET":
            b"".join(client.get(address(name, objects[one.about][0])))
            assert state() == before, name


def state() -> dict[str, str]:
    """Table -> digest of its rows. Left out: sessions, and who looks at an item at the moment (a lease)."""
    digests = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            if table.startswith(("crmquality_", "review_", "auth_", "authtoken_")):
                cursor.execute(f"SELECT (to_jsonb(t) - 'leased_by_id' - 'lease_until')::text FROM {table} t ORDER BY 1")
                digests[table] = hashlib.sha256(repr(cursor.fetchall()).encode()).hexdigest()
    return digests
