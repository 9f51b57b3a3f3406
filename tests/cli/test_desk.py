"""The queue in a terminal, driven key by key through a pseudo terminal, on a real database."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from crmquality.models import Change, Disclosure, Record
from crmquality.services import disclosing
from review.models import CheckShares, Decision, ReviewItem, Skip
from review.services import queue
from tests.pseudo_terminal import PseudoTerminal
from tests.scripted import claim, install, install_checks, merge_claim, scan
from tests.workers import same_servers

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bob(source: Any) -> Record:
    return Record.objects.get(external_id="C3")


@pytest.fixture
def terminal(steward: Any) -> Callable[..., Any]:
    """with terminal() as tty: the steward at the queue."""

    @contextmanager
    def start(*words: str, columns: int = 80, **environment: str) -> Iterator[PseudoTerminal]:
        program = ("-m", "crmquality", "review", "--as", "steward", *words)
        with PseudoTerminal(*program, environment=same_servers() | environment, columns=columns) as tty:
            yield tty

    return start


def two_cards(monkeypatch: pytest.MonkeyPatch, source: Any, bob: Record) -> None:
    install(monkeypatch, lambda batch: [claim(bob, City="Boston"), claim(bob, 0.8, Email="bob@gmail.com")])
    scan(source)


def test_cards_are_accepted_skipped_undone_and_rejected_by_the_keys_of_the_page(terminal, source, bob, monkeypatch):
    two_cards(monkeypatch, source, bob)
    with terminal() as tty:
        card = tty.until("? keys")
        assert "Correct City?" in card
        assert "-> Bost{+o+}n" in card
        assert "because the test says so" in card
        assert "City: “Bostn” becomes “Boston”" in card
        tty.press("a")
        assert "Accepted." in tty.until("Correct Email?")
        tty.until("? keys")
        bob.refresh_from_db()
        assert bob.fields["City"] == "Boston"
        tty.press("u")
        tty.until("Undone.")
        tty.until("Correct City?")
        tty.until("? keys")
        bob.refresh_from_db()
        assert bob.fields["City"] == "Bostn"
        tty.press(" ")
        tty.until("Skipped")
        tty.until("Correct Email?")
        tty.until("? keys")
        tty.press("x")
        tty.until("Rejected.")
        tty.until("skipped 1x")
        tty.press("q")
        assert tty.ends() == 0
        assert "Done: 1 accepted, 1 undone, 1 skipped, 1 rejected." in tty.seen
    assert set(Decision.objects.filter(undone_at=None).values_list("verdict", flat=True)) == {"reject"}
    assert not ReviewItem.objects.filter(leased_by__isnull=False).exists()


def test_equal_proposals_of_several_checks_are_one_card(terminal, source, bob, monkeypatch):
    same = [claim(bob, City="Boston")]
    install_checks(monkeypatch, formats=lambda batch: same, conflicts=lambda batch: same)
    scan(source, "formats", "conflicts")
    CheckShares.objects.create(known=0, hidden=0)
    with terminal() as tty:
        card = tty.until("? keys")
        assert "Also found by: conflicts (90 %). Your answer settles all." in card
        assert "also conflicts: because the test says so" in card
        tty.press("x")
        tty.until("Rejected. It answers conflicts too.")
        tty.until("The queue is empty.")
        tty.press("q")
    assert set(Decision.objects.values_list("verdict", flat=True)) == {"reject"}
    assert Decision.objects.count() == 2


def test_values_of_ones_own_are_typed_over_the_proposal(terminal, source, bob, monkeypatch, steward):
    install(monkeypatch, lambda batch: [claim(bob, City="Boston")])
    scan(source)
    with terminal() as tty:
        tty.until("? keys")
        tty.press("e")
        tty.until("City: Boston")
        tty.press("\x15Brighton\r")
        tty.until("The queue is empty.")
        assert tty.ends() == 0
    bob.refresh_from_db()
    assert bob.fields["City"] == "Brighton"
    assert (Decision.objects.get().verdict, Decision.objects.get().by) == ("edit", steward)


def test_an_edit_is_left_without_a_trace(terminal, source, bob, monkeypatch):
    install(monkeypatch, lambda batch: [claim(bob, City="Boston")])
    scan(source)
    with terminal() as tty:
        tty.until("? keys")
        tty.press("e")
        tty.until("City: Boston")
        tty.press("\x15\x04")
        tty.until("Nothing was changed.")
        tty.press("q")
        assert tty.ends() == 0
    assert not Decision.objects.exists()


def test_a_merge_shows_who_holds_what_and_takes_the_value_of_a_number(terminal, source, monkeypatch):
    ann, anne = Record.objects.get(external_id="C1"), Record.objects.get(external_id="C2")
    install(monkeypatch, lambda batch: [merge_claim(ann, anne)])
    scan(source)
    with terminal() as tty:
        card = tty.until("? keys")
        assert "Are these 2 records the same?" in card
        assert "C1" in card
        assert "Ann{+e+} Lee" in card or "Ann Lee" in card
        tty.press("e")
        tty.until("Name (1, 2, =TEXT):")
        tty.press("7\r")
        tty.until("Answer 1, 2, =TEXT or nothing.")
        tty.press("=Ann M. Lee\r")
        tty.until("The queue is empty.")
        assert tty.ends() == 0
    ann.refresh_from_db()
    anne.refresh_from_db()
    assert ann.fields["Name"] == "Ann M. Lee"
    assert anne.golden_id == ann.pk


def test_everything_fits_into_80_columns_and_no_escape_is_written_without_colour(terminal, source, bob, monkeypatch):
    long = "Boston upon the river " * 12
    install(monkeypatch, lambda batch: [claim(bob, City=long.strip())])
    scan(source)
    with terminal(NO_COLOR="1") as tty:
        shown = tty.until("? keys")
        tty.press("?")
        shown += tty.until("this list")
        tty.press("o")
        shown += tty.until("Postcode")
        tty.press("q")
        tty.ends()
    assert max(map(len, shown.splitlines())) <= 80
    assert "\x1b" not in shown


def test_a_cell_cannot_speak_to_the_terminal(terminal, source, bob, monkeypatch):
    install(monkeypatch, lambda batch: [claim(bob, City="\x1b]0;owned\x07\x1b[2JBoston\u202e")])
    scan(source)
    with terminal(NO_COLOR="1") as tty:
        shown = tty.until("? keys")
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "\u202e" not in shown


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_card_is_given_back_however_the_command_ends(terminal, source, bob, monkeypatch, sign):
    two_cards(monkeypatch, source, bob)
    with terminal() as tty:
        tty.until("? keys")
        assert ReviewItem.objects.filter(leased_by__isnull=False).count() == 1
        os.kill(tty.process.pid, sign)
        tty.ends()
    assert not ReviewItem.objects.filter(leased_by__isnull=False).exists()


def test_a_card_on_the_terminal_is_nobody_elses_and_one_decided_elsewhere_is_said(
    terminal, source, bob, monkeypatch, admin
):
    install(monkeypatch, lambda batch: [claim(bob, City="Boston")])
    scan(source)
    with terminal() as tty:
        tty.until("? keys")
        assert queue.claim_next(user=admin) is None
        ReviewItem.objects.update(state=ReviewItem.State.WITHDRAWN)
        tty.press("a")
        tty.until("withdrawn already")
        tty.until("The queue is empty.")
        assert tty.ends() == 0
    assert not Change.objects.exists()


def test_masked_values_are_revealed_with_a_reason_that_is_logged(terminal, source, bob, monkeypatch, admin, steward):
    disclosing.set_policy(
        source=source,
        masked_for=["steward"],
        columns=["name", "email"],
        reason_required=True,
        sales_decide=[],
        by=admin,
    )
    install(monkeypatch, lambda batch: [claim(bob, Email="bob@gmail.com")])
    scan(source)
    with terminal() as tty:
        card = tty.until("? keys")
        assert "Masked for you: Email, Name." in card
        assert "bob@gmial.com" not in card
        tty.press("v")
        tty.until("Why do you need to see the values?")
        tty.press("a call\r")
        assert "bob@gm" in tty.until("? keys")
        tty.press("q")
        tty.ends()
    (row,) = Disclosure.objects.all()
    assert (row.by, row.why, row.external_id) == (steward, "a call", "C3")


def test_a_card_is_put_off_with_a_reason(terminal, source, bob, monkeypatch):
    install(monkeypatch, lambda batch: [claim(bob, City="Boston")])
    scan(source)
    with terminal() as tty:
        tty.until("? keys")
        tty.press("r")
        tty.until("Why not now?")
        tty.press("ask Ann\r")
        tty.until("skipped by steward: ask Ann")
        tty.press("q")
        assert tty.ends() == 0
    assert Skip.objects.get().reason == "ask Ann"


def test_only_the_cards_that_were_asked_for_come(terminal, source, bob, monkeypatch):
    two_cards(monkeypatch, source, bob)
    with terminal("--min-score", "0.85") as tty:
        tty.until("Correct City?")
        tty.until("? keys")
        tty.press("x")
        tty.until("The queue is empty.")
        assert tty.ends() == 0
