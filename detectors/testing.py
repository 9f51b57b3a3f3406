"""The contract as tests: run every check over your detector.

    @pytest.mark.parametrize("check", all_checks(), ids=lambda check: check.__name__)
    def test_my_detector_keeps_the_contract(check):
        check(MyDetector())

Each check raises AssertionError, with a sentence, where the contract is broken.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from detectors.contract import (
    Batch,
    Cancelled,
    Detector,
    Finding,
    Flag,
    IncrementalDetector,
    Label,
    LinkRecords,
    MergeRecords,
    ModelFileError,
    RunContext,
    SetFields,
    Since,
    TrainableDetector,
)
from detectors.roles import Role

Check = Callable[[Detector], None]

_ROLES = {
    "Given": Role.GIVEN_NAME,
    "Family": Role.FAMILY_NAME,
    "Company": Role.COMPANY,
    "E-mail": Role.EMAIL,
    "Phone": Role.PHONE,
    "Street": Role.STREET,
    "Town": Role.CITY,
    "State": Role.REGION,
    "ZIP": Role.POSTCODE,
    "Country": Role.COUNTRY,
    "Birth": Role.DATE_OF_BIRTH,
    "Amount": Role.AMOUNT,
    "Stage": Role.STAGE,
    "Created": Role.CREATED_AT,
}


def sample_batch(rows: int = 240, seed: int = 7) -> Batch:
    """A small CRM-like batch with duplicates, blanks, odd formats and one wild amount; all roles present."""
    rng = np.random.default_rng(seed)
    given = ["Anna", "José", "Zoë", "Li", "Omar", "Gwen", "Bob", "Ivan", "Mary", "Sara"]
    family = ["Müller", "O'Brien", "Nguyễn", "Smith", "Przybylski", "García", "Ito", "Khan", "Novak", "Lee"]
    places = [
        ("Springfield", "IL", "62701", "US"),
        ("Boston", "MA", "02108", "US"),
        ("Austin", "TX", "78701", "US"),
        ("Denver", "CO", "80202", "US"),
    ]
    table = []
    for position in range(rows):
        first, last = given[rng.integers(10)], family[rng.integers(10)]
        city, state, code, country = places[rng.integers(4)]
        born = f"{rng.integers(1950, 2000)}-{rng.integers(1, 13):02d}-{rng.integers(1, 29):02d}"
        table.append(
            [
                first,
                last,
                f"{last} & Co",
                f"{first}.{last}{position}@example.com".lower(),
                f"({rng.integers(200, 999)}) 555-{rng.integers(1000, 9999)}",
                f"{rng.integers(1, 999)} Main St",
                city,
                state,
                code,
                country,
                born,
                f"{rng.lognormal(8, 0.5):.2f}",
                ["new", "won", "lost"][rng.integers(3)],
                f"2024-{rng.integers(1, 13):02d}-{rng.integers(1, 29):02d}",
            ]
        )
    for copy in range(min(rows // 8, rows)):
        twin = list(table[copy])
        twin[1] = twin[1][::-1] if copy % 5 == 0 else twin[1]
        twin[4] = twin[4].replace("(", "").replace(") ", "-")
        table[rows - 1 - copy] = twin
    frame = pd.DataFrame(table, columns=list(_ROLES), dtype=object)
    frame.index = pd.Index(rng.permutation(rows * 3)[:rows] + 1)
    if rows:
        holes = rng.random(frame.shape) < 0.05
        frame = frame.mask(holes, None)
        frame.iloc[0, frame.columns.get_loc("Amount")] = "99999999"
        frame.iloc[rows // 2, frame.columns.get_loc("Created")] = "31/12/2024"
        frame.iloc[rows // 3, frame.columns.get_loc("Phone")] = "call me"
    return Batch(frame.astype(object).where(frame.notna(), None), dict(_ROLES), kind="contacts")


def hostile_batches() -> Iterator[tuple[str, Batch]]:
    """Batches that break careless detectors, each with what is odd about it."""
    whole = sample_batch()
    yield "empty", Batch(whole.frame.iloc[:0], whole.roles, whole.kind)
    yield "no columns", Batch(whole.frame[[]], {}, whole.kind)
    yield "one row", Batch(whole.frame.iloc[:1], whole.roles, whole.kind)
    yield "two equal rows", Batch(pd.concat([whole.frame.iloc[:1]] * 2).set_axis([5, 3]), whole.roles, whole.kind)
    yield "all missing", Batch(whole.frame.map(lambda _: None), whole.roles, whole.kind)
    yield "NaN for missing", Batch(whole.frame.fillna(np.nan), whole.roles, whole.kind)
    yield "constant columns", Batch(whole.frame.map(lambda _: "same"), whole.roles, whole.kind)
    yield "blank text", Batch(whole.frame.map(lambda _: "  "), whole.roles, whole.kind)
    yield "long cells", Batch(whole.frame.iloc[:40].map(lambda value: (value or "x") * 2000), whole.roles, whole.kind)
    yield (
        "odd letters",
        Batch(
            whole.frame.map(lambda value: None if value is None else f"\u202e{value}\u0000\U0001f600 ́"),
            whole.roles,
            whole.kind,
        ),
    )
    yield "huge ids", Batch(whole.frame.set_axis(whole.frame.index + 2**40), whole.roles, whole.kind)
    yield "unknown kind", Batch(whole.frame, whole.roles)


def check_named(detector: Detector) -> None:
    """It has a name and a version, and can be made without arguments."""
    assert detector.name == detector.name.lower().strip() != "", "name must be lower case and not empty"
    assert detector.version, "version must not be empty"
    type(detector)()


def check_findings_are_sound(detector: Detector) -> None:
    """Scores lie in [0, 1], subjects are records of the batch, proposals fit the subjects, evidence is finite."""
    batch = sample_batch()
    for finding in _run(detector, batch):
        _assert_sound(finding, batch)


def check_hostile_batches(detector: Detector) -> None:
    """No hostile batch raises, and what is found in it is sound."""
    for what, batch in hostile_batches():
        try:
            found = _run(detector, batch)
        except Exception as error:
            raise AssertionError(f"{detector.name} failed on a batch with {what}: {error!r}") from error
        for finding in found:
            _assert_sound(finding, batch)
        if what in {"empty", "no columns"}:
            assert not found, f"findings in a batch with {what}"


def check_repeatable(detector: Detector) -> None:
    """The same batch and seed give the same claims, each once."""
    batch = sample_batch()
    first, second = (_claims(_run(detector, batch)) for _ in range(2))
    assert first == second, "two runs of the same batch and seed differ"


def check_order_does_not_matter(detector: Detector) -> None:
    """Shuffled rows give the same claims."""
    batch = sample_batch()
    shuffled = Batch(batch.frame.sample(frac=1, random_state=3), batch.roles, batch.kind)
    assert set(_claims(_run(detector, batch))) == set(_claims(_run(detector, shuffled))), "row order changes the claims"


def check_batch_is_untouched(detector: Detector) -> None:
    """Detecting does not write into the batch."""
    batch = sample_batch()
    before = batch.frame.copy(deep=True)
    _run(detector, batch)
    pd.testing.assert_frame_equal(batch.frame, before)


def check_cancel(detector: Detector) -> None:
    """A cancelled run stops: `Cancelled` raised by report comes out of detect."""

    def refuse(*_: object, **__: object) -> None:
        raise Cancelled

    try:
        list(detector.detect(sample_batch(), RunContext(seed=1, device="cpu", report=refuse)))
    except Cancelled:
        return
    raise AssertionError("report was never called, or Cancelled was swallowed")


def check_goes_on(detector: Detector) -> None:
    """Going on from its latest run, it makes the claims that it makes of everything with what was fitted then."""
    if not isinstance(detector, IncrementalDetector):
        return
    batch, kept = sample_batch(), dict[str, Any]()
    context = RunContext(seed=1, device="cpu", keep=kept.update)
    standing = {one.fingerprint: (one.score, one.rule) for one in detector.detect(batch, context)}
    kept = json.loads(json.dumps(kept))
    same = list(detector.detect_since(batch, context, Since(frozenset(), standing, kept)))
    assert sorted(map(_mark, same)) == sorted(standing), "where nothing changed, other claims are made"
    assert all(isinstance(one, str) for one in same), "where nothing changed, a claim is not left as it was"
    frame = batch.frame.iloc[:-3].copy()
    frame.iloc[::20, :6] = frame.iloc[1::20, :6].to_numpy()
    later, changed = replace(batch, frame=frame), frozenset(frame.index[::20].tolist())
    some = list(detector.detect_since(later, context, Since(changed, standing, kept)))
    every = list(detector.detect_since(later, context, Since(frozenset(frame.index.tolist()), {}, kept)))
    assert sorted(map(_mark, some)) == sorted(map(_mark, every)), "other claims than those of everything"
    assert {one for one in some if isinstance(one, str)} <= standing.keys(), "a claim stands that was never made"
    for finding in every:
        assert isinstance(finding, Finding), "a claim stands that was never made"
        _assert_sound(finding, later)


def _mark(one: Finding | str) -> str:
    return one if isinstance(one, str) else one.fingerprint


def check_learning(detector: Detector) -> None:
    """Learning returns a new detector, keeps the old as it was, survives save and load, refuses damage."""
    if not isinstance(detector, TrainableDetector):
        return
    batch, context = sample_batch(), RunContext(seed=1, device="cpu")
    before = _run(detector, batch)
    labels = [Label(finding, is_defect=position % 3 > 0) for position, finding in enumerate(before[:30])]
    for given in ([], labels):
        records = batch if detector.fits_on_records else replace(batch, frame=batch.frame.iloc[:0])
        fitted = detector.fit(records, given, context)
        assert fitted is not detector, "fit must return a new detector"
        scores = fitted.reweight(labels).rescore(before)
        assert len(scores) == len(before), "rescore must answer every finding"
        assert all(0 <= score <= 1 for score in scores), "rescored outside [0, 1]"
        taught = fitted.worth(before)
        assert len(taught) == len(before), "worth must answer every finding"
        assert all(value is None or 0 <= value <= 0.5 for value in taught), "a verdict's worth outside [0, .5]"
        varied = fitted.varied(before, 3)
        assert len(varied) == len(set(varied)) == min(3, len(before)), "varied must pick each finding once"
        assert all(math.isfinite(value) for value in fitted.metrics().values()), "metrics must be finite"
        _check_saved(fitted, batch)
    assert _claims(_run(detector, batch)) == _claims(before), "learning changed the detector it started from"


def all_checks() -> list[Check]:
    """Every check of the contract."""
    return [
        check_named,
        check_findings_are_sound,
        check_hostile_batches,
        check_repeatable,
        check_order_does_not_matter,
        check_batch_is_untouched,
        check_cancel,
        check_goes_on,
        check_learning,
    ]


def _check_saved(detector: TrainableDetector, batch: Batch) -> None:
    with tempfile.TemporaryDirectory() as folder:
        detector.save(Path(folder))
        files = [path for path in Path(folder).rglob("*") if path.is_file()]
        assert not [path for path in files if path.suffix in {".pkl", ".pickle", ".joblib", ".pt", ".pth"}], "pickle"
        loaded = type(detector).load(Path(folder))
        assert set(_claims(_run(loaded, batch))) == set(_claims(_run(detector, batch))), "load(save) differs"
        for path in files:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        if files:
            try:
                type(detector).load(Path(folder))
            except ModelFileError:
                return
            raise AssertionError("a damaged model file was loaded")


def _run(detector: Detector, batch: Batch) -> list[Finding]:
    return list(detector.detect(batch, RunContext(seed=1, device="cpu")))


def _claims(findings: Iterable[Finding]) -> list[str]:
    claims = [finding.fingerprint for finding in findings]
    assert len(claims) == len(set(claims)), "the same claim was yielded twice"
    return sorted(claims)


def _assert_sound(finding: Finding, batch: Batch) -> None:
    assert 0 <= finding.score <= 1, f"score {finding.score} outside [0, 1]"
    assert finding.subjects, "a finding without subjects"
    assert set(finding.subjects) <= set(batch.frame.index), "a subject that is not in the batch"
    assert all(isinstance(subject, int) for subject in finding.subjects), "subjects must be plain int"
    assert finding.evidence, "a finding without evidence"
    for reason in finding.evidence:
        assert reason.detail, "evidence without a detail"
        assert math.isfinite(reason.weight), "evidence of no finite weight"
    match finding.proposal:
        case SetFields(changes):
            assert len(finding.subjects) == 1, "SetFields is about one record"
            assert changes, "SetFields without changes"
            _assert_changes(changes, batch)
            row = batch.frame.loc[finding.subjects[0]]
            same = [name for name, value in changes.items() if value is not None and row[name] == value]
            assert not same, f"proposes the value that is there already: {same}"
        case MergeRecords(survivor, members, changes):
            assert members, "a merge of one record"
            assert survivor not in members, "the survivor is also a member"
            assert {survivor, *members} == set(finding.subjects), "a merge is about all its members"
            _assert_changes(changes, batch)
        case LinkRecords():
            assert len(set(finding.subjects)) == 2, "a link is between two records"
            sources = {batch.origin.get(one) for one in finding.subjects}
            assert len(sources) == 2, "a link is between records of different sources"
        case Flag():
            assert len(finding.subjects) == 1, "Flag is about one record"


def _assert_changes(changes: object, batch: Batch) -> None:
    assert isinstance(changes, dict), "changes must be a plain dict"
    assert set(changes) <= set(batch.frame.columns), "changes name a field that is not there"
    for value in changes.values():
        assert value is None or (isinstance(value, str) and "\0" not in value), f"proposed value {value!r} is not text"
