"""Numbers that are reckoned from others: found by themselves, mended where it is clear which one is wrong."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.conflicts import arithmetic, reckoning
from detectors.conflicts.amounts import Form, amounts, in_order
from detectors.conflicts.detector import ConflictDetector
from detectors.conflicts.doubts import rule_of
from detectors.contract import Batch, Cancelled, Flag, Label, RunContext, SetFields
from detectors.evaluation import read_table
from detectors.roles import Role


def money(values, decimals=2):
    return [f"{value:.{decimals}f}" for value in np.asarray(values) + 1e-9]


def invoices(rows=400, seed=0):
    """Quotations: a discount in per cent off the subtotal, a tenth of tax on top."""
    rng = np.random.default_rng(seed)
    subtotal = np.round(np.exp(rng.normal(8, 1, rows)), 2)
    discount = rng.choice([0, 0, 0, 5, 10, 15, 20], rows)
    net = subtotal * (1 - discount / 100)
    return pd.DataFrame(
        {
            "key": [f"Q{at:06d}" for at in range(rows)],
            "subtotal": money(subtotal),
            "discount": discount.astype(str),
            "tax": money(np.round(net * 0.1, 2)),
            "total": money(np.round(net, 2) + np.round(net * 0.1, 2)),
        }
    ).astype(object)


def orders(rows=400, seed=0):
    rng = np.random.default_rng(seed)
    quantity, price = rng.geometric(0.1, rows), np.round(np.exp(rng.normal(5, 1, rows)), 2)
    columns = {"quantity": quantity.astype(str), "price": money(price), "total": money(quantity * price)}
    return pd.DataFrame(columns).astype(object)


def look(frame, roles=None):
    batch = Batch(frame, roles or dict.fromkeys(frame.columns, Role.TEXT))
    mended, doubts = reckoning.find(batch, list(frame.columns), lambda *_: None)
    assert all(0 <= one.score <= 1 for one in [*mended, *doubts])
    return {(one.row, one.field): one.value for one in mended}, doubts, mended


def formulas(frame):
    columns = amounts(frame, list(frame.columns), {})
    return [str(one.formula) for one in arithmetic.find(columns, in_order(frame), lambda *_: None)[0]]


def make(form, rows, rng):
    """Columns of one form; z is reckoned from the others."""
    x, y = np.round(rng.uniform(5, 5000, rows), 2), np.round(rng.uniform(5, 5000, rows), 2)
    count, share = rng.integers(1, 60, rows), rng.choice([0, 5, 10, 12, 25], rows)
    columns = {
        "sum": ({"x": x, "y": y}, x + y),
        "sum of three": ({"x": x, "y": y, "w": np.round(x[::-1] / 3, 2)}, x + y + np.round(x[::-1] / 3, 2)),
        "difference": ({"x": x + y, "y": y}, x),
        "product": ({"x": x, "n": count}, x * count),
        "quotient": ({"x": x, "n": count}, x / count),
        "discount": ({"x": x, "d": share}, x * (1 - share / 100)),
        "surcharge": ({"x": x, "d": share}, x * (1 + share / 100)),
        "discount and more": ({"x": x, "d": share, "t": y}, x * (1 - share / 100) + y),
        "line of an invoice": ({"x": x, "n": count, "d": share}, x * count * (1 - share / 100)),
        "constant rate": ({"x": x}, x * 0.19),
        "per cent of": ({"x": x, "d": share}, x * share / 100),
        "share of one": ({"x": x, "d": share / 100}, x * (1 - share / 100)),
    }
    parts, z = columns[form]
    return {**parts, "z": np.round(z + 1e-9, 2)}


DATA = Path(__file__).parents[4] / "shared" / "data"

FORMS = (
    "sum",
    "sum of three",
    "difference",
    "product",
    "quotient",
    "discount",
    "surcharge",
    "discount and more",
    "line of an invoice",
    "constant rate",
    "per cent of",
    "share of one",
)


def written(columns):
    return pd.DataFrame(
        {name: values.astype(str) if values.dtype.kind == "i" else money(values) for name, values in columns.items()}
    ).astype(object)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(FORMS), st.integers(0, 10_000), st.integers(0, 299), st.sampled_from([10, 0.1, 100, 1.37]))
def test_a_table_made_by_a_formula_and_one_broken_cell_gets_exactly_that_cell_back(form, seed, row, factor):
    columns = make(form, 300, np.random.default_rng(seed))
    truth = written(columns)
    assert not look(truth)[0]
    columns["z"] = columns["z"].copy()
    columns["z"][row] = np.round(columns["z"][row] * factor, 2)
    frame = written(columns)
    if abs(float(frame["z"][row]) - float(truth["z"][row])) < 0.1:
        return
    found, doubts, _ = look(frame)
    fine = {(row, "z"): truth["z"][row]}
    assert found == fine or (not found and [one.row for one in doubts] == [row])


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(FORMS), st.integers(0, 10_000))
def test_shuffled_columns_depend_on_nothing(form, seed):
    rng = np.random.default_rng(seed)
    columns = {name: rng.permutation(values) for name, values in make(form, 300, rng).items()}
    assert not formulas(written(columns))


@pytest.mark.parametrize("form", FORMS)
def test_a_blank_is_filled_by_the_exact_value(form):
    truth = written(make(form, 300, np.random.default_rng(1)))
    frame = truth.copy()
    frame.loc[[3, 70, 150], "z"] = [None, "", "n/a"]
    found, doubts, _ = look(frame)
    assert found == {(row, "z"): truth["z"][row] for row in (3, 70, 150)}
    assert not doubts


def test_the_wrong_one_is_told_by_the_other_sums_it_is_in():
    truth = invoices()
    frame = truth.copy()
    frame.loc[5, "total"] = money([float(truth["total"][5]) * 1.25])[0]
    frame.loc[60, "discount"] = "80"
    frame.loc[99, "tax"] = money([float(truth["tax"][99]) * 10])[0]
    found, doubts, mended = look(frame)
    assert found == {
        (5, "total"): truth["total"][5],
        (60, "discount"): truth["discount"][60],
        (99, "tax"): truth["tax"][99],
    }
    assert not doubts
    assert all(one.score <= 0.995 for one in mended)


def test_the_reason_names_the_parts_and_how_often_it_holds():
    frame = invoices()
    row = frame.index[frame["discount"] == "15"][0]
    meant = frame.loc[row, "total"]
    frame.loc[row, "total"] = money([float(meant) * 10])[0]
    _, _, mended = look(frame)
    assert (
        f"subtotal less 15 % (discount) plus tax makes {float(meant):,.2f}, as in 399 of 400 rows." in mended[0].detail
    )
    assert mended[0].detail.endswith(f"is ten times {float(meant):,.2f}.")


def test_a_quantity_a_hundred_times_too_large_and_a_total_ten_times_too_large_are_told_apart():
    truth = orders()
    frame = truth.copy()
    for row in (3, 30, 80):
        frame.loc[row, "quantity"] += "00"
    for row in (4, 40, 90):
        frame.loc[row, "total"] = money([float(frame.loc[row, "total"]) * 10])[0]
    found, doubts, _ = look(frame)
    meant = {(row, "quantity"): truth["quantity"][row] for row in (3, 30, 80)}
    meant |= {(row, "total"): truth["total"][row] for row in (4, 40, 90)}
    assert found.items() <= meant.items()
    assert len(found) >= 5
    assert {one.row for one in doubts} == {row for row, _ in meant} - {row for row, _ in found}


def test_a_blank_discount_that_means_none_is_read_as_none():
    truth = invoices()
    truth.loc[truth["discount"] == "0", "discount"] = None
    assert not look(truth)[0]
    frame = truth.copy()
    row = frame.index[frame["discount"].isna()][0]
    frame.loc[row, "total"] = money([float(truth["total"][row]) * 10])[0]
    found, _, mended = look(frame)
    assert found == {(row, "total"): truth["total"][row]}
    assert "subtotal plus tax makes" in mended[0].detail


def test_a_blank_is_written_in_the_currency_of_its_record():
    truth = invoices()
    for name in ("subtotal", "tax", "total"):
        truth[name] = [f"{'$' if at % 9 == 0 else '€'}{text}" for at, text in enumerate(truth[name])]
    frame = truth.copy()
    frame.loc[[9, 10], "total"] = None
    assert look(frame)[0] == {(9, "total"): truth["total"][9], (10, "total"): truth["total"][10]}


def test_a_factor_that_comes_back_is_said_and_believed_less():
    rng = np.random.default_rng(4)
    quantity, price = rng.integers(1, 50, 1000), np.round(rng.uniform(10, 900, 1000), 2)
    total = np.round(quantity * price * np.where(np.arange(1000) % 30 == 0, 0.9, 1), 2)
    _, _, mended = look(written({"quantity": quantity, "price": price, "total": total}))
    assert mended
    assert all(one.score < 0.75 for one in mended)
    assert "It is 0.9 times that, as in" in mended[0].detail


def test_amounts_without_cents_may_be_one_off():
    frame = invoices(2000)
    for name in ("subtotal", "tax", "total"):
        frame[name] = [f"{float(text):.0f}" for text in frame[name]]
    found, doubts, _ = look(frame)
    assert not found
    assert not doubts


def test_two_wrong_cells_of_a_record_are_flagged_not_guessed():
    frame = pd.DataFrame(make("sum", 200, np.random.default_rng(3)))
    frame["z"] = np.round(frame["z"], 2)
    frame = written({name: frame[name].to_numpy() for name in frame})
    frame.loc[7, "x"] = "1234567.10"
    found, doubts, _ = look(frame)
    assert not [cell for cell in found if cell[1] != "x"]
    assert len(found) + len(doubts) == 1


def test_german_numbers_are_read_and_written_as_their_column_does():
    truth = invoices().map(lambda text: text)
    german = str.maketrans(",.", ".,")
    for name in ("subtotal", "tax", "total"):
        truth[name] = [f"{float(text):,.2f} €".translate(german) for text in truth[name]]
    frame = truth.copy()
    frame.loc[9, "total"] = None
    frame.loc[11, "total"] = truth.loc[12, "total"]
    found, doubts, _ = look(frame)
    assert found == {(9, "total"): truth["total"][9], (11, "total"): truth["total"][11]}
    assert not doubts


def test_credit_notes_and_whole_numbers_add_up_too():
    columns = make("line of an invoice", 300, np.random.default_rng(5))
    columns["n"] = np.where(np.arange(300) % 7 == 0, -columns["n"], columns["n"])
    columns["z"] = np.round(columns["x"] * columns["n"] * (1 - columns["d"] / 100)).astype(int)
    truth = written(columns)
    assert not look(truth)[0]
    frame = truth.copy()
    frame.loc[[14, 15], "z"] = None
    assert look(frame)[0] == {(14, "z"): truth["z"][14], (15, "z"): truth["z"][15]}


@pytest.mark.parametrize("other", [0.07, 0.0])
def test_a_second_tax_rate_is_no_error(other):
    rng = np.random.default_rng(2)
    net = np.round(rng.uniform(5, 5000, 500), 2)
    rate = np.where(np.arange(500) % 25 == 0, other, 0.19)
    found, doubts, _ = look(written({"net": net, "tax": np.round(net * rate, 2)}))
    assert not found
    assert not doubts


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"x": ["1", "2", "3"], "y": ["2", "3", "4"], "z": ["3", "5", "7"]}),
        pd.DataFrame({"x": ["5"] * 100, "y": ["2"] * 100, "z": ["7"] * 100}),
        pd.DataFrame({"x": [None] * 100, "y": [""] * 100, "z": ["0"] * 100}),
        pd.DataFrame({"x": [str(at) for at in range(300)], "z": [str(at) for at in range(300)]}),
        pd.DataFrame({"x": ["1e400", "nan", "inf"] * 40, "y": ["1e300"] * 120, "z": ["0"] * 120}),
    ],
    ids=["three rows", "constants", "blanks", "copies", "out of range"],
)
def test_what_does_not_vary_or_is_too_little_says_nothing(frame):
    assert not look(frame.astype(object))[0]
    assert not formulas(frame.astype(object))


@pytest.mark.parametrize(
    "name", ["cleaning/beers/dirty", "cleaning/flights/dirty", "cleaning/hospital/dirty", "imputation/physicians_dev"]
)
def test_tables_in_which_nothing_is_reckoned_are_left_alone(name):
    if not (DATA / f"{name}.csv").is_file():
        pytest.skip("the table is not there")
    found, doubts, _ = look(read_table(DATA / f"{name}.csv"))
    assert not found
    assert not doubts


def test_a_discount_that_is_nearly_always_nought_is_no_part():
    frame = orders()
    frame["discount"] = ["5" if at == 3 else "0" for at in range(len(frame))]
    assert formulas(frame) == ["total = quantity * price"]


def test_keys_phones_and_years_are_no_amounts():
    roles = {"a": Role.PHONE, "b": Role.POSTCODE, "c": Role.ID, "d": Role.AMOUNT}
    frame = pd.DataFrame({name: [str(1000 + at * 7 % 900) for at in range(100)] for name in roles}).astype(object)
    assert [one.name for one in amounts(frame, list(frame), roles)] == ["d"]
    frame = pd.DataFrame({"a": [f"{at:05d}" for at in range(100)], "b": [str(1950 + at % 60) for at in range(100)]})
    assert not amounts(frame.astype(object), ["a", "b"], {})


def test_names_and_the_order_of_columns_and_rows_do_not_matter():
    frame = invoices()
    frame.loc[5, "total"] = "1.00"
    found, _, _ = look(frame)
    turned = frame[frame.columns[::-1]].rename(columns={"total": "Gesamt", "discount": "Rabatt"}).sample(frac=1)
    other = look(turned)[0]
    assert {(int(turned.index[row]), value) for (row, _), value in other.items()} == {
        (row, value) for (row, _), value in found.items()
    }


def test_rejected_proposals_lower_the_rule_and_then_stop_it():
    frame = orders()
    for row in range(12):
        frame.loc[row, "total"] = money([float(frame.loc[row, "total"]) * 1.5])[0]
    batch = Batch(frame, dict.fromkeys(frame.columns, Role.NUMBER))
    first = [one for one in ConflictDetector().detect(batch, RunContext()) if one.rule.startswith("sum:")]
    assert first
    assert {one.rule for one in first} == {"sum: total = quantity * price"}
    few = ConflictDetector().reweight([Label(one, is_defect=False) for one in first[:4]])
    lower = [one for one in few.detect(batch, RunContext()) if one.rule.startswith("sum:")]
    assert max(one.score for one in lower) < min(one.score for one in first)
    many = few.reweight([Label(one, is_defect=False) for one in first[:8]])
    assert not [one for one in many.detect(batch, RunContext()) if one.rule.startswith("sum:")]


def test_accepted_corrections_teach_nothing_about_the_way_numbers_are_written():
    frame = orders()
    for row in range(8):
        frame.loc[row, "quantity"] += "00"
    batch = Batch(frame, dict.fromkeys(frame.columns, Role.NUMBER))
    found = list(ConflictDetector().detect(batch, RunContext()))
    learned = ConflictDetector().fit(batch, [Label(one, is_defect=True) for one in found], RunContext())
    assert {one.fingerprint for one in learned.detect(batch, RunContext())} == {one.fingerprint for one in found}


def test_findings_set_one_field_or_flag_and_give_the_reason():
    frame = orders()
    frame.loc[3, "total"] = "1.00"
    batch = Batch(frame, dict.fromkeys(frame.columns, Role.NUMBER))
    (one,) = [one for one in ConflictDetector().detect(batch, RunContext()) if one.subjects == (3,)]
    assert isinstance(one.proposal, SetFields | Flag)
    assert "quantity times price" in one.evidence[0].detail
    assert set(one.evidence[0].fields) == {"quantity", "price", "total"}
    assert one.evidence[0].feature == "arithmetic"


def test_a_run_is_cancelled_between_the_forms():
    def refuse(done, total, stage=""):
        if "sums" in stage:
            raise Cancelled

    with pytest.raises(Cancelled):
        reckoning.find(Batch(orders(), {}), ["quantity", "price", "total"], refuse)


def test_long_rules_keep_apart_what_is_cut_off():
    one, other = rule_of("sum", "x" * 150 + "y"), rule_of("sum", "x" * 150 + "z")
    assert one != other
    assert len(one) <= 110


@pytest.mark.parametrize(
    ("form", "value", "like", "made"),
    [
        (Form(decimals=2, least=2), 1234.5, None, "1234.50"),
        (Form(decimals=2, least=0), 1234.5, None, "1234.5"),
        (Form(decimals=2, least=2, group=","), -1234567.5, None, "-1,234,567.50"),
        (Form(",", 2, 2, "."), 1234.5, "1.000,00 €", "1.234,50 €"),
        (Form(decimals=2, least=2, before="$"), 5, None, "$5.00"),
        (Form(decimals=0, after=" %"), 15, None, "15 %"),
    ],
)
def test_numbers_are_written_in_the_form_of_their_column(form, value, like, made):
    assert form.write(value, like) == made
