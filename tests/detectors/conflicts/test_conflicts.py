"""What disagrees with the rest of a table is found; what is only rare or different is left alone."""

from argparse import Namespace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks._planting import german_customers, planted
from detectors.conflicts import repairs
from detectors.conflicts.dependencies import find
from detectors.conflicts.detector import ConflictDetector
from detectors.conflicts.evaluation import error_class, evaluate, measure, repaired
from detectors.conflicts.likeness import DIGITS, FAR, SLIP, has_another_word, likeness
from detectors.conflicts.programs import candidates, template
from detectors.conflicts.table import encode, time_of_day
from detectors.contract import Batch, Finding, Label, RunContext, SetFields
from detectors.evaluation import DoesNotFit, read_table
from detectors.roles import Role

HOSPITAL = Path(__file__).parents[4] / "shared" / "data" / "cleaning" / "hospital"
PLACES = [
    ("Springfield", "IL", "62701"),
    ("Boston", "MA", "02108"),
    ("Austin", "TX", "78701"),
    ("Denver", "CO", "80202"),
]


def places(rows=400, seed=0):
    """People of four places: postcode, city and state tell each other; names, amounts and notes tell nothing."""
    rng = np.random.default_rng(seed)
    where = [PLACES[at] for at in rng.integers(0, len(PLACES), rows)]
    return pd.DataFrame(
        {
            "id": [str(at) for at in range(rows)],
            "given": rng.choice(["Anna", "Omar", "Gwen", "Hana", "Anne"], rows),
            "city": [city for city, _, _ in where],
            "state": [state for _, state, _ in where],
            "zip": [code for _, _, code in where],
            "amount": rng.integers(10, 5000, rows).astype(str),
        }
    ).astype(object)


def detect(frame, labels=()):
    batch = Batch(frame, dict.fromkeys(frame.columns, Role.TEXT))
    detector = ConflictDetector()
    if labels:
        detector = detector.fit(batch, labels, RunContext())
    return {
        (one.subjects[0], name): (value, one)
        for one in detector.detect(batch, RunContext())
        for name, value in one.proposal.changes.items()
        if one.score >= 0.5
    }


def told(row, **fields):
    return Label(Finding((row,), SetFields(fields), 1.0, rule="corrected-row"), is_defect=True)


def test_dependencies_are_found_and_chance_is_not_one():
    found = {
        field.name: {one.determinant for one in determinants}
        for field, determinants in find(encode(places(), list(places().columns)))
    }
    assert found["city"] >= {"zip", "state"}
    assert not found["amount"]
    assert not found["given"]


def test_a_slip_is_mended_by_the_other_columns_and_says_why():
    frame = places()
    frame.loc[5, "city"] = "Bqston" if frame.loc[5, "city"] == "Boston" else frame.loc[5, "city"][:-1] + "q"
    truth = places().loc[5, "city"]
    value, finding = detect(frame)[5, "city"]
    assert value == truth
    assert truth in finding.evidence[0].detail


def test_a_table_without_errors_is_left_alone():
    assert not detect(places())


def test_a_blank_is_filled_only_from_what_tells_it():
    frame = places()
    frame.loc[[3, 8], "city"] = None
    frame.loc[[4, 9], "given"] = None
    found = detect(frame)
    assert set(found) == {(3, "city"), (8, "city")}
    assert found[3, "city"][0] == places().loc[3, "city"]


def test_a_rule_of_one_group_is_no_slip():
    frame = places(600)
    odd = frame["zip"] == "02108"
    frame.loc[odd, "given"] = "Anna"
    frame["label"] = frame["state"] + "_" + frame["given"]
    assert not detect(frame)


def test_other_digits_and_whole_words_are_no_slips():
    assert likeness("Austin", "Austn") == SLIP
    assert likeness("10035", "10085") == DIGITS
    assert likeness("Oak Heights", "Oak") == FAR


def test_a_part_that_slid_into_the_neighbour_is_moved_back():
    frame = places()
    for row in range(6):
        frame.loc[row, "city"] += " " + frame.loc[row, "state"]
        frame.loc[row, "state"] = None
    found = {cell: value for cell, (value, _) in detect(frame).items()}
    assert found == {(row, name): places().loc[row, name] for row in range(6) for name in ("city", "state")}


def test_what_both_columns_usually_say_has_not_moved_however_few_cells_are_filled():
    names = ["Schmidt", "Weber", "Wagner", "Becker"]
    rows = [(f"{names[at % 4]} {kind}", names[at % 4]) for at in range(60) for kind in ("AG", "KG")]
    frame = pd.DataFrame(rows * 4, columns=["company", "family"], dtype=object)
    rng = np.random.default_rng(0)
    frame = frame.where(rng.random(frame.shape) < 0.15, None)
    assert not detect(frame)


def test_misspellings_keep_their_own_digits():
    frame = pd.DataFrame({"sample": [f"{at} patients" for at in range(100, 400)]}, dtype=object)
    frame.loc[[7, 70, 170], "sample"] = ["107 patxents", "17q patients", "270 pativnts"]
    found = {cell: value for cell, (value, _) in detect(frame).items()}
    assert found == {(7, "sample"): "107 patients", (170, "sample"): "270 patients"}


@pytest.mark.parametrize(
    ("old", "new", "other", "made"),
    [
        ("12.0 oz", "12", "16.90 OZ.", "16.9"),
        ("0.05%", "0.05", "0.08199999999999999%", "0.082"),
        ("N/A", "", "unknown", ""),
        ("6:40aDec 1", "6:40 a.m.", "11:05pDec 2", "11:05 p.m."),
        ("03/12/2021", "2021-12-03", "4/1/2022", "2022-01-04"),
        ("00123", "123", "00045", "45"),
        ("smith", "SMITH", "lee", "LEE"),
        ("555.123", "555-123", "1.2", "1-2"),
    ],
)
def test_a_correction_teaches_programs_that_carry_over(old, new, other, made):
    assert made in {program(other) for program in candidates(old, new)}


def test_a_template_keeps_digits_and_the_words_it_drops():
    program = template([("6:40aDec 1", "6:40 a.m.")])
    assert program("7:15pDec 2") == "7:15 p.m."
    assert program("7:15pJan 2") is None
    assert template([("x7%", "93%")]) is None


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("7:10 a.m.", 430), ("12:05 AM", 5), ("11:08 p.m.   On Time", 1388), ("12:00noon", 720), ("soon", None)],
)
def test_times_are_read_whatever_stands_around(text, minutes):
    assert time_of_day(text) == minutes


def test_a_few_corrections_teach_how_a_column_is_written():
    frame = places()
    frame["size"] = [f"{at % 7 + 1}.0 {'oz' if at % 2 else 'OZ.'}" for at in range(len(frame))]
    labels = [told(row, size=str(row % 7 + 1)) for row in range(4)]
    found = detect(frame, labels)
    assert all(found[row, "size"][0] == str(row % 7 + 1) for row in range(len(frame)))
    assert {name for _, name in found} == {"size"}


def test_sources_that_were_right_are_believed():
    rng = np.random.default_rng(1)
    rows = []
    for thing in range(40):
        truth, rumour = f"{thing % 12 + 1}:{10 + thing} a.m.", f"{thing % 12 + 1}:{11 + thing % 40} p.m."
        for source in range(7):
            copies = source >= 3 and rng.random() < 0.9
            rows.append((f"F{thing}", f"S{source}", rumour if copies else truth))
    frame = pd.DataFrame(rows, columns=["flight", "src", "at"], dtype=object)
    labels = [told(7 * thing, at=f"{thing % 12 + 1}:{10 + thing} a.m.") for thing in range(12)]
    found = detect(frame, labels)
    wrong = [row for row in range(len(frame)) if rows[row][2].endswith("p.m.")]
    mended = [row for row in wrong if found.get((row, "at"), ("", None))[0].endswith("a.m.")]
    assert len(mended) >= 0.9 * len(wrong)


def test_what_was_learned_survives_saving(tmp_path):
    frame = places()
    frame["size"] = [f"{at % 7 + 1}.0 oz" for at in range(len(frame))]
    batch = Batch(frame, dict.fromkeys(frame.columns, Role.TEXT))
    detector = ConflictDetector().fit(batch, [told(row, size=str(row % 7 + 1)) for row in range(4)], RunContext())
    detector.save(tmp_path)
    loaded = ConflictDetector.load(tmp_path)
    first, second = (list(one.detect(batch, RunContext())) for one in (detector, loaded))
    assert first == second


def test_columns_of_nothing_and_ignored_columns_do_no_harm():
    frame = places().assign(nothing=None, hidden=places()["city"].str.upper())
    roles = {**dict.fromkeys(frame.columns, Role.TEXT), "hidden": Role.IGNORE}
    assert not [one for one in ConflictDetector().detect(Batch(frame, roles), RunContext()) if one.score >= 0.5]
    assert [field.name for field in encode(frame, ["nothing"]).fields] == ["nothing"]


@pytest.mark.parametrize("kind", ["one letter", "letter pair", "doubled letter"])
def test_planted_errors_are_mended_whatever_the_letter(kind):
    clean = places(800, seed=3)
    dirty = planted(clean[["id", "city", "state", "zip"]], kind, share=0.02)
    figures = measure(dirty, clean[["id", "city", "state", "zip"]], repaired(dirty, clean))
    assert figures["precision"] >= 0.95
    assert figures["recall"] >= 0.5


@pytest.mark.parametrize("kind", ["lost letter", "doubled letter", "letter pair"])
def test_a_table_that_is_not_american_is_mended_with_its_own_digits(kind):
    clean = german_customers(1500)
    dirty = planted(clean, kind)
    found = measure(dirty, clean, repaired(dirty, clean))
    assert found["precision"] >= 0.98
    assert found["recall"] >= 0.8
    assert found["clean_touched"] == 0


def test_a_lost_digit_is_no_lost_zero():
    frame = pd.DataFrame({"code": [f"{10_000 + at}" for at in range(97)] + ["1234", "0123", "2345"]}, dtype=object)
    assert not detect(frame)
    frame["code"] = (
        [f"0{1000 + at}" for at in range(20)] + [f"{10_000 + at}" for at in range(77)] + ["1001", "1002", "1003"]
    )
    assert {row: value for (row, _), (value, _) in detect(frame).items()} == {97: "01001", 98: "01002", 99: "01003"}


def test_of_two_rows_that_disagree_the_value_that_is_known_elsewhere_is_right():
    names = ["RENEE", "DOUGLAS", "CARRIE", "JONATHAN", "BONNIE"]
    rows = [(f"P{at}", names[at % 5]) for at in range(60) for _ in range(2)]
    rows[0], rows[3], rows[5] = ("P0", "RENE"), ("P1", "DUOGLAS"), ("P2", "CARIE")
    frame = pd.DataFrame(rows, columns=["person", "name"], dtype=object)
    found = {row: value for (row, _), (value, _) in detect(frame).items()}
    assert found == {0: "RENEE", 3: "DOUGLAS", 5: "CARRIE"}
    rows[6], rows[7] = ("P3", "KRUZEL"), ("P3", "KRUZEEL")  # neither is known elsewhere: no proposal
    found = detect(pd.DataFrame(rows, columns=["person", "name"], dtype=object))
    assert not {(6, "name"), (7, "name")} & set(found)


def test_a_letter_behind_a_house_number_is_no_slip():
    streets = [f"{street} {at % 40 + 1}" for at in range(200) for street in ("Hauptstraße", "Am Markt")]
    streets += [
        f"{street} {at}{letter}" for street in ("Hauptstraße", "Am Markt") for at in (5, 12, 8) for letter in "abcde"
    ]
    assert not detect(pd.DataFrame({"street": streets}, dtype=object))
    frame = pd.DataFrame({"street": [*streets, "Haupztstraße 5a"]}, dtype=object)
    assert [value for value, _ in detect(frame).values()] in ([], ["Hauptstraße 5a"])


def test_a_slip_in_a_small_table_is_found_and_so_is_one_of_case():
    stages = ["Prospecting", "Proposal", "Closed Won", "Closed Lost"] * 8
    frame = pd.DataFrame({"stage": [*stages, "Propsal", "closed won"]}, dtype=object)
    assert {row: value for (row, _), (value, _) in detect(frame).items()} == {32: "Proposal", 33: "Closed Won"}


def test_another_word_is_no_slip():
    assert has_another_word("UNIVERSITY OF SOUTH ALABAMA", "UNIVERSITY OF SOUTH FLORIDA")
    assert not has_another_word("SURGERX OF THE BRAIN", "SURGERY OF THE BRAIN")


def test_the_order_and_the_names_of_columns_do_not_matter():
    frame = places()
    frame.loc[5, "city"] += "q"
    shuffled = frame[frame.columns[::-1]].rename(columns={"city": "ville"})
    assert detect(frame)[5, "city"][0] == detect(shuffled)[5, "ville"][0]


def test_errors_are_classed_by_what_happened():
    frame = pd.DataFrame({"a": ["x"], "b": ["y"]})
    classes = [
        error_class(was, is_so, frame, frame, 0)
        for was, is_so in [(None, "x"), ("N/A", None), ("12.0 oz", "12"), ("bostn", "boston"), ("paris", "oslo")]
    ]
    assert classes == ["missing", "filled", "format", "typo", "conflict"]


def test_hospital_is_mended_without_labels():
    figures = evaluate(
        Namespace(dirty=HOSPITAL / "dirty.csv", clean=HOSPITAL / "clean.csv", labels=0, index="", at=0.5, seed=0)
    )
    assert figures["f1"] >= 0.95
    assert figures["precision"] >= 0.97


def test_the_clean_hospital_is_left_alone():
    clean = read_table(HOSPITAL / "clean.csv")
    found = repairs.find(clean, list(clean.columns), lambda *_: None)
    assert sum(repair.score >= 0.5 for repair in found) < 0.001 * clean.size


def test_tables_that_do_not_fit_say_so(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "b.csv").write_text("x\n1\n")
    with pytest.raises(DoesNotFit, match="columns"):
        evaluate(Namespace(dirty=tmp_path / "a.csv", clean=tmp_path / "b.csv", labels=0, index="", at=0.5, seed=0))


def test_strays_are_written_in_the_style_of_their_column():
    frame = places()
    frame["at"] = [f"{row % 11 + 1}:{row % 50 + 10} {'ap'[row % 2]}.m." for row in range(len(frame))]
    frame.loc[[3, 4, 5], "at"] = ["4:13pDec 1", "5:14 AM", "6:15 p.m. (estimated)"]
    frame.loc[1, "zip"] = "2108"
    frame.loc[1, ["city", "state"]] = ["Boston", "MA"]
    found = {cell: value for cell, (value, _) in detect(frame).items()}
    assert found == {(3, "at"): "4:13 p.m.", (4, "at"): "5:14 a.m.", (5, "at"): "6:15 p.m.", (1, "zip"): "02108"}


def spelled(frame, roles=None):
    batch = Batch(frame, {**dict.fromkeys(frame.columns, Role.TEXT), **(roles or {})})
    found = ConflictDetector().detect(batch, RunContext())
    return [dict(one.proposal.changes) for one in found if one.rule == "misspelling" and one.score >= 0.5]


def test_a_rare_name_is_no_misspelling_of_one_whose_rows_are_elsewhere():
    frame = pd.DataFrame(
        {
            "town": ["Pune"] * 20 + ["Phoenix"] * 40 + ["Pine", "Punr"],
            "country": ["India"] * 20 + ["United States"] * 41 + ["India"],
            "state": ["Maharashtra"] * 20 + ["Arizona"] * 41 + ["Maharashtra"],
        },
        dtype=object,
    )
    assert spelled(frame) == [{"town": "Pune"}]


def test_a_town_and_a_given_name_that_exist_are_no_misspellings():
    towns = ["Danville", "Springfield", "Lexington", "Georgetown", "Fairview", "Clinton", "Madison", "Greenville"]
    given = ["Louis", "Patricia", "Jennifer", "Elizabeth", "Barbara", "Margaret", "Charles"]
    frame = pd.DataFrame(
        {
            "town": towns * 20 + ["Denville", "Danvlle", "Springfeild"],
            "given": [*(given * 23)[:160], "Louise", "Patrcia", "Jennifre"],
            "state": ["VA", "KY", "PA", "IL", "OH"] * 32 + ["NJ", "VA", "IL"],
        },
        dtype=object,
    )
    roles = {"town": Role.CITY, "given": Role.GIVEN_NAME, "state": Role.REGION}
    corrected = [change for found in spelled(frame, roles) for change in found.items()]
    assert sorted(corrected) == [
        ("given", "Jennifer"), ("given", "Patricia"), ("town", "Danville"), ("town", "Springfield"),
    ]  # fmt: skip


def test_surnames_that_are_alike_by_nature_are_left_alone():
    first = ["Rock", "Stone", "Green", "Thorn", "Shel", "Oak", "Kings", "Whit", "Hart", "West", "East", "Col"]
    last = ["more", "ward", "ford", "wood", "dale", "hurst", "grove", "land", "ston", "croft"]
    made = [one + two for one in first for two in last]
    common = made[::4]
    frame = pd.DataFrame({"surname": common * 10 + [name for name in made if name not in common]}, dtype=object)
    assert spelled(frame) == []


def test_a_name_is_not_changed_to_its_form_for_the_other_gender():
    frame = pd.DataFrame(
        {
            "surname": ["Wiśniewski"] * 5 + ["Wiśniewska"] + ["Nowak", "Zając", "Król", "Wójcik"] * 10,
            "street": ["ul. Sienkiewicza 4"] * 6 + ["ul. Długa 1", "Rynek 2", "al. Jana 3", "ul. Polna 5"] * 10,
        },
        dtype=object,
    )
    batch = Batch(frame, {"surname": Role.FAMILY_NAME, "street": Role.STREET})
    assert [dict(one.proposal.changes) for one in ConflictDetector().detect(batch, RunContext())] == []


def test_a_head_office_is_not_made_its_own_parent():
    keys = [f"A{number}" for number in range(60)]
    parent = ["A0"] * 20 + ["A20"] * 20 + ["A40"] * 20
    site = ["one.com"] * 20 + ["two.com"] * 20 + ["three.com"] * 20
    parent[0] = parent[20] = parent[40] = None
    parent[7] = None
    frame = pd.DataFrame({"key": keys, "parent": parent, "site": site}, dtype=object)
    batch = Batch(frame, {"key": Role.ID, "parent": Role.ACCOUNT_REF, "site": Role.WEBSITE})
    found = ConflictDetector().detect(batch, RunContext())
    assert [(one.subjects[0], dict(one.proposal.changes)) for one in found] == [(7, {"parent": "A0"})]


def test_a_neighbours_telephone_is_not_written_into_a_record():
    frame = pd.DataFrame(
        {
            "street": [f"{number // 3} Elm Road" for number in range(60)],
            "city": ["Boston", "Austin"] * 30,
            "phone": [f"+1212555{number // 3:04d}" for number in range(60)],
        },
        dtype=object,
    )
    frame.loc[4, "phone"] = None
    roles = {"street": Role.STREET, "city": Role.CITY, "phone": Role.PHONE}
    assert [one for one in ConflictDetector().detect(Batch(frame, roles), RunContext()) if one.score >= 0.3] == []
    roles["phone"] = Role.INDUSTRY  # what a house may well share
    (finding,) = ConflictDetector().detect(Batch(frame, roles), RunContext())
    assert dict(finding.proposal.changes) == {"phone": "+12125550001"}


def test_a_name_that_the_persons_address_holds_is_no_slip():
    frame = pd.DataFrame(
        {
            "given": ["Karin"] * 30 + ["Sabine", "Torsten", "Ulrike"] * 10 + ["Katrin"],
            "mail": [None] * 60 + ["katrin.fischer@example.com"],
        },
        dtype=object,
    )
    assert spelled(frame) == [{"given": "Karin"}]
    assert spelled(frame, {"given": Role.GIVEN_NAME, "mail": Role.EMAIL}) == []
