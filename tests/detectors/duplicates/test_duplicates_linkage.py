"""Records of one entity are found, and others are left alone."""

from __future__ import annotations

import random
from argparse import ArgumentParser

import numpy as np
import pandas as pd
import pytest
from rapidfuzz.distance import OSA

from benchmarks._people import ROLES, generate
from detectors.contract import Batch, Finding, Label, MergeRecords, RunContext
from detectors.duplicates import (
    blocking,
    clustering,
    comparisons,
    encoding,
    evaluation,
    linking,
    preparing,
    scoring,
    text,
)
from detectors.duplicates.cores import ahead
from detectors.duplicates.detector import DuplicateDetector
from detectors.duplicates.encoding import encode
from detectors.duplicates.entities import entities
from detectors.duplicates.linking import Linkage
from detectors.roles import Role

CONTEXT = RunContext(seed=1, device="cpu")
PERSON = {"first": Role.GIVEN_NAME, "last": Role.FAMILY_NAME, "mail": Role.EMAIL, "tel": Role.PHONE}
ANN = ["Ann", "Przybylski", "ann@lake.org", "555 0102030"]


@pytest.fixture(scope="module")
def people() -> tuple[Batch, np.ndarray]:
    """3,000 generated people with households, namesakes and spoilt copies."""
    frame, truth = generate(3000, corruption="clerk", seed=5)
    return Batch(frame, ROLES), truth


@pytest.fixture(scope="module")
def linkage(people: tuple[Batch, np.ndarray]) -> Linkage:
    return linking.link(people[0], "people", CONTEXT)


def batch(rows: list[list[str | None]], roles: dict[str, Role] = PERSON) -> Batch:
    return Batch(pd.DataFrame(rows, columns=list(roles), dtype=object), roles)


def found(of: Batch, detector: DuplicateDetector | None = None, least: float = 0.5) -> list[Finding]:
    return [finding for finding in (detector or DuplicateDetector()).detect(of, CONTEXT) if finding.score >= least]


def test_generated_people_are_found_and_households_kept_apart(people, linkage):
    agreement = evaluation.agreement(linkage.labels, people[1])
    assert agreement.f1 > 0.93
    assert agreement.precision > 0.9


def test_blocking_brings_nearly_all_true_pairs_together(people, linkage):
    truth = people[1]
    together = int((truth[linkage.left] == truth[linkage.right]).sum())
    assert together >= 0.99 * evaluation.pairs_in(truth)


def test_two_equal_records_are_one_finding():
    assert [finding.subjects for finding in found(batch([ANN, ANN]))] == [(0, 1)]


def test_two_members_of_a_household_are_two_people():
    roles = PERSON | {"street": Role.STREET, "born": Role.DATE_OF_BIRTH}
    anna = ["Anna", "Lee", "anna@lee.org", "5550102030", "12 Main St", "1960-01-02"]
    paul = ["Paul", "Lee", "paul@lee.org", "5550102030", "12 Main St", "1958-07-23"]
    assert not found(batch([anna, paul], roles))


def test_a_clean_file_gets_nearly_no_proposal():
    frame, _ = generate(1500, share=0.0, seed=8)
    assert len(found(Batch(frame, ROLES), least=0.9)) <= 3


def test_swapped_names_and_other_spellings_do_not_hide_a_copy():
    copy = ["PRZYBYLSKI", "Ann", "ann@lake.org", "+1 (555) 010-2030"]
    others = [[f"Name{n}", f"Other{n * 7}", f"x{n}@y{n}.org", f"555{n:07d}"] for n in range(60)]
    assert [finding.subjects for finding in found(batch([ANN, copy, *others]))] == [(0, 1)]


def test_accents_and_scripts_are_read_alike():
    assert text.fold("Müller Zoë Łukasz") == "muller zoe lukasz"
    assert text.fold("Иван") == text.fold("ivan")


def test_companies_match_despite_legal_form_and_abbreviation():
    roles = {"name": Role.COMPANY, "street": Role.STREET, "town": Role.CITY}
    rows = [["Acme Center, Inc.", "12 North Main Street", "Boston"], ["ACME CTR", "12 N. Main St", "Boston"]]
    rows += [[f"Firm {chr(65 + n)}{n} {n * 37}", f"{n} Oak Road", f"Town{n}"] for n in range(40)]
    assert [finding.subjects for finding in found(batch(rows, roles))] == [(0, 1)]


def test_a_mixed_batch_is_linked_by_kind():
    roles = PERSON | {"firm": Role.COMPANY}
    rows = [[*ANN, "Acme"]] * 5 + [[None, None, None, "5551", "Acme"]] * 5
    assert [kind for kind, _ in entities(batch(rows, roles))] == ["people", "organisations"]


def test_a_rejected_pair_is_not_proposed_again():
    of = batch([ANN, ANN])
    detector = DuplicateDetector().reweight([Label(found(of)[0], is_defect=False)])
    assert not found(of, detector, least=0.01)
    assert detector.rescore(found(of)) == [0.0]


def test_a_cluster_holds_one_record_of_a_deduplicated_source():
    of = batch([ANN, ANN])
    both = Batch(of.frame, of.roles, origin={0: "crm", 1: "crm"})
    assert found(both)
    assert not found(both, DuplicateDetector(deduplicated=frozenset({"crm"})))


def test_an_accepted_pair_stays_together():
    of = batch([ANN, ["Bob", "Miller", "bob@sea.org", "5559998877"]])
    claim = Finding((0, 1), MergeRecords(0, (1,)), 0.1)
    detector = DuplicateDetector().fit(of, [Label(claim, is_defect=True)], CONTEXT)
    assert [finding.subjects for finding in found(of, detector)] == [(0, 1)]


def test_the_evidence_of_a_pair_adds_up_to_its_score(people):
    checked = 0
    for finding in found(people[0], least=0.05):
        if len(finding.subjects) == 2 and finding.rule == "people":
            bits = sum(reason.weight for reason in finding.evidence)
            assert 1 / (1 + 2.0**-bits) == pytest.approx(finding.score, abs=0.02)
            checked += 1
    assert checked > 100


def test_a_larger_cluster_names_its_weakest_link(people):
    large = [finding for finding in found(people[0]) if len(finding.subjects) > 2]
    assert large
    assert all(finding.evidence[0].feature == "weakest link" for finding in large)


def test_answers_of_a_steward_raise_the_score(people):
    before = evaluation.agreement(linking.link(people[0], "people", CONTEXT).labels, people[1]).f1
    detector = evaluation.taught(DuplicateDetector(), people[0], people[1], 200, CONTEXT)
    ((after, _),) = detector.link(people[0], CONTEXT)
    assert evaluation.agreement(after.labels, people[1]).f1 > before


def test_clusters_respect_evidence_against():
    left, right = np.array([0, 1, 0]), np.array([1, 2, 2])
    bridged = clustering.cluster(3, left, right, np.array([8.0, 5.0, -20.0], np.float32))
    assert bridged.tolist() == [0, 0, 2]
    assert clustering.cluster(3, left[:2], right[:2], np.array([8.0, 5.0], np.float32)).tolist() == [0, 0, 0]


def test_a_pair_nobody_compared_counts_against_a_chain():
    chain = clustering.cluster(3, np.array([0, 1]), np.array([1, 2]), np.array([8.0, 1.0], np.float32))
    assert chain.tolist() == [0, 0, 2]


def test_oversized_blocks_are_read_as_neighbourhoods_not_dropped():
    rows = [[f"{chr(97 + n % 26)}nn", "Smith", None, None] for n in range(1500)]
    blocks = blocking.block(comparisons.plan(batch(rows), "people"))
    left, right = blocking.unpack(blocks.pairs)
    assert len(set(left.tolist()) | set(right.tolist())) == 1500
    assert any(key.oversized for key in blocks.keys)


def test_edit_distance_agrees_with_rapidfuzz():
    generator, peq = random.Random(3), np.zeros(256, np.uint64)
    for _ in range(300):
        one, two = ("".join(generator.choices("abcd", k=generator.randint(0, 14))) for _ in range(2))
        pair = [np.frombuffer((word + " ").encode(), np.uint8) for word in (one, two)]
        assert text.edits(pair[0], 0, len(one), pair[1], 0, len(two), peq) == OSA.distance(one, two)


def test_evaluating_a_file_gives_every_figure(tmp_path):
    frame, truth = generate(400, seed=2)
    path = tmp_path / "people.csv"
    frame.assign(who=truth).to_csv(path, index=False)
    parser = ArgumentParser()
    evaluation.add_arguments(parser)
    maps = [part for name, role in ROLES.items() for part in ("--map", f"{role}={name}")]
    result = evaluation.evaluate(parser.parse_args([str(path), "--truth", "who", *maps]))
    keys = {"precision", "recall", "f1", "best_f1", "best_threshold", "cluster_f1", "rows"}
    assert keys <= set(result)
    assert result["f1"] > 0.85
    assert result["rows"] == len(frame)


def test_a_blank_truth_is_an_entity_of_its_own():
    assert len(set(evaluation.entities_of(pd.Series(["a", None, "a", None])).tolist())) == 3


def test_letters_in_common_never_rule_out_values_that_are_near_enough():
    generator, peq = random.Random(5), np.zeros(256, np.uint64)
    for alphabet, numbers in (("abcdeeé 1", False), ("0123", True)):
        words = ["".join(generator.choices(alphabet, k=generator.randint(1, 9))).encode() for _ in range(400)]
        whole = np.frombuffer(b"".join(words), np.uint8)
        ends = np.cumsum([len(word) for word in words])
        firsts = ends - [len(word) for word in words]
        sets = text.signatures(whole, firsts, ends, numbers)
        for a, b in zip(range(0, 400, 2), range(1, 400, 2), strict=True):
            distance = text.edits(whole, firsts[a], ends[a], whole, firsts[b], ends[b], peq)
            assert not text.beyond(sets[a], sets[b], distance)


def test_the_fit_converges(linkage):
    assert linkage.model.converged
    assert linkage.model.steps < scoring.STEPS


def test_compiled_dates_are_those_of_the_slow_reader():
    written = "1960-01-31 31.1.1960 1/31/60 19600131 31011960 1960-13-02 2.13.60 0/0/0 1/1/00 1 12-12 1234567"
    column = encode(pd.Series([*written.split(), "3 March 1960", "1960-01-31 10:00", "abc"]), encoding.WORDS)
    fast = preparing._numeric_dates(column.text, column.starts)
    for value, found in zip(column.values(), fast.tolist(), strict=True):
        if found[3] >= 0:
            assert tuple(map(int, preparing.date_parts(value) or (0, 0, 0, 0))) == tuple(found)
    assert preparing.dates(column).years.tolist()[:1] == [1960]


def test_work_made_ahead_comes_in_order():
    assert list(ahead(lambda item: item * item, range(50))) == [item * item for item in range(50)]


def test_an_age_speaks_where_dates_of_birth_disagree():
    roles = {"first": Role.GIVEN_NAME, "last": Role.FAMILY_NAME, "born": Role.DATE_OF_BIRTH, "age": Role.AGE}
    rows = [["Ann", "Fox", "1960-01-02", "60"], ["Ann", "Fox", "1960-01-02", "61"], ["Ann", "Fox", "1988-07-30", "60"]]
    plan = comparisons.plan(batch([*rows, ["Ann", "Fox", "1960-01-02", "23"]], roles), "people")
    age = [one.key for one in plan.comparisons].index("age")
    levels = plan.compare(np.array([0, 0, 0]), np.array([1, 2, 3]))[age]
    assert levels.tolist() == [0, 4, 1]


def test_the_cheapest_keys_are_taken_until_the_budget_is_spent(people):
    keys = blocking.block(comparisons.plan(people[0], "people"), budget=20_000).keys
    assert sum(key.pairs for key in keys if key.used) <= 20_000
    assert max(key.pairs for key in keys if key.used) <= min(key.pairs for key in keys if not key.used)


def test_a_gender_that_follows_from_the_given_name_is_not_counted_again():
    rows = [["Ann", "Fox", "f"], ["Ann", "Fix", "f"], ["Ann", "Fix", "m"], ["Eve", "Fix", "f"]]
    roles = {"first": Role.GIVEN_NAME, "last": Role.FAMILY_NAME, "sex": Role.GENDER}
    plan = comparisons.plan(batch(rows, roles), "people")
    assert plan.compare(np.array([0, 0, 0]), np.array([1, 2, 3]))[-1].tolist() == [0, 1, 4]
