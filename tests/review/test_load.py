"""Stewards at one queue at once: nothing is assigned twice, applied twice or lost. Times are for benchmarks."""

import threading

import pytest
from django.utils import timezone

from benchmarks._review_checks import found_wrong
from benchmarks._review_data import Size, fill
from benchmarks._review_stewards import Steward, held_twice
from review.models import Decision

pytestmark = pytest.mark.django_db(transaction=True)
EACH = 25


def test_stewards_at_once_decide_every_item_once_and_lose_nothing(live_server, make_user, settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    people = [make_user("steward", f"steward{number}") for number in range(4)]
    fill(Size(records=1_500, items=600, open=400), [person.pk for person in people])
    since = timezone.now()
    stewards = [Steward(live_server.url, person.username, "secret-word", seed) for seed, person in enumerate(people)]
    for one in stewards:
        one.sign_in()
    threads = [
        threading.Thread(target=one.work, args=(lambda one=one: len(one.answers) >= EACH, 0)) for one in stewards
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in stewards:
        one.leave()
    assert [error for one in stewards for error in one.errors] == []
    assert held_twice(stewards) == []
    assert found_wrong(since) == dict.fromkeys(found_wrong(since), 0)
    done = [said for one in stewards for said in one.answers if said.outcome == "done"]
    assert Decision.objects.filter(at__gte=since).count() == len(done) > 2 * EACH
