"""The first page: counted figures as pictures, each with its table."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crmquality.models import Record
from crmquality.services import measuring
from review.models import Decision, ReviewItem, SourceFigures
from review.selectors.figures import compute
from review.services import deciding, figures
from tests.scripted import claim, install, scan

Verdict = Decision.Verdict


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def decided(source, steward, monkeypatch):
    """Four claims: one accepted, one edited, one rejected, one open."""
    records = list(Record.objects.order_by("external_id"))
    install(monkeypatch, lambda batch: [claim(one, 0.6 + n / 10, City=f"New {n}") for n, one in enumerate(records)])
    scan(source)
    items = list(ReviewItem.objects.order_by("score"))
    deciding.decide(item=items[0], verdict=Verdict.REJECT, user=steward, seconds=3.0)
    deciding.decide(item=items[1], verdict=Verdict.EDIT, user=steward, edited={"changes": {"City": "Mine"}})
    deciding.decide(item=items[2], verdict=Verdict.ACCEPT, user=steward)
    return items


def test_each_claim_is_counted_where_it_stands(source, decided):
    counted = compute(source)
    one = counted["detectors"]["scripted"]
    names = ("claims", "open", "asked", "decided", "accepted", "edited", "confirmed", "corrected", "automatic")
    assert [one[name] for name in names] == [4, 1, 4, 3, 1, 1, 2, 2, 0]
    assert one["bands"] == [[0, 0], [1, 0], [2, 1], [0, 0], [0, 0]]
    assert counted["turnaround"]["decided"] == 3
    assert counted["days"][-1][1:] == [4, 3]


def test_an_undone_decision_no_longer_counts_after_the_next_refresh(source, decided, steward):
    figures.refresh(source=source)
    assert figures.refresh_changed() == 0
    deciding.undo_decision(decision=Decision.objects.get(verdict=Verdict.ACCEPT), user=steward)
    assert figures.refresh_changed() == 1
    assert SourceFigures.objects.get().figures["detectors"]["scripted"]["decided"] == 2


def test_a_source_that_takes_long_to_count_rests_before_it_is_counted_again(source, decided, steward):
    figures.refresh(source=source)
    deciding.undo_decision(decision=Decision.objects.get(verdict=Verdict.ACCEPT), user=steward)
    SourceFigures.objects.update(seconds=20.0)
    assert figures.refresh_changed() == 0
    SourceFigures.objects.update(at=timezone.now() - timedelta(seconds=201))
    assert figures.refresh_changed() == 1


def test_a_planted_card_counts_nowhere(source, decided, steward):
    from review.models import KnownAnswer

    known = KnownAnswer.objects.create(decision=Decision.objects.first(), right=True, why="stood")
    before = compute(source)
    ReviewItem.objects.create(
        finding=decided[0].finding, source=source, detector="scripted", action="set", state="check",
        score=0.9, rank=0.9, known_answer=known,
    )  # fmt: skip
    assert compute(source) == before


def test_the_page_shows_pictures_and_the_same_numbers_as_tables(source, decided, admin):
    measuring.set_segment_column(source=source, column="City", user=admin)
    measuring.measure_source(source=source)
    client = Client()
    client.force_login(admin)
    text = " ".join(client.get(reverse("dashboard")).content.decode().split())
    assert "Quality score by City" in text
    assert "1 of 3" in text
    assert 'aria-label="From records to corrections: 4 records, 4 claims, 4 asked, 3 decided, 2 corrected"' in text
    assert text.count("<svg") <= text.count("As a table") + 4  # the rest are icons and the cards' trends
    assert "steward" in text


def test_throughput_is_for_admins(source, decided, steward):
    client = Client()
    client.force_login(steward)
    assert 'id="people"' not in client.get(reverse("dashboard")).content.decode()


def test_the_api_gives_the_same_figures(source, decided, steward):
    client = Client()
    client.force_login(steward)
    assert client.get(f"/api/v1/figures/{source.pk}/").json()["detectors"]["scripted"]["decided"] == 3
    figures.refresh(source=source)
    assert client.get(f"/api/v1/figures/{source.pk}/").json()["at"] is not None
