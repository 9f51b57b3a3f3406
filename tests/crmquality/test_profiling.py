"""Profiles as jobs: one at a time, kept, drilled into, and never showing what is masked."""

import pytest
from django.test import Client

from crmquality.models import Profile, Record
from crmquality.services import disclosing, profiling
from crmquality.services.blocks import record_blocks
from crmquality.services.errors import Refused
from detectors.roles import Role

pytestmark = pytest.mark.django_db
COLUMNS = {"Key": Role.ID, "Mail": Role.EMAIL, "Stage": Role.STAGE, "Amount": Role.AMOUNT}


@pytest.fixture
def deals(make_source):
    rows = [
        [f"K{at}", "shared@example.com" if at < 20 else f"p{at}@example.com", "won" if at % 3 else "lost", str(at)]
        for at in range(60)
    ]
    rows[5][3] = "9999"
    rows[6][2] = None
    return make_source("deals", COLUMNS, rows)


@pytest.fixture
def profile(deals):
    job = profiling.request_profile(source=deals)
    profiling.execute_profile(job.pk)
    job.refresh_from_db()
    assert job.state == "succeeded", job.error
    return job


def page(person, path):
    client = Client()
    client.force_login(person)
    return client.get(path).content.decode()


def test_blocks_hold_every_live_record_whatever_its_text(make_source):
    odd = ['a "quoted", text', "two\nlines", "ein Wörtchen\t", None, "", "\\N", "x" * 5_000]
    source = make_source("odd", {"Key": Role.ID, "a,b": Role.TEXT}, [[f"K{at}", one] for at, one in enumerate(odd)])
    Record.objects.filter(external_id="K2").update(gone_at="2026-01-01T00:00Z")
    blocks = list(record_blocks(source, ["a,b", "Key"], size=30))
    assert len(blocks) > 1
    cells = {key: text for _, block in blocks for text, key in block.rows()}
    expected = {f"K{at}": one for at, one in enumerate(odd) if at != 2}
    assert cells == expected
    ids = [int(one) for ids, _ in blocks for one in ids]
    assert ids == sorted(Record.objects.live().filter(source=source).values_list("pk", flat=True))


def test_a_profile_is_made_by_a_worker_and_one_at_a_time(deals):
    first = profiling.request_profile(source=deals)
    assert profiling.request_profile(source=deals).pk == first.pk
    profiling.execute_profile(first.pk)
    assert profiling.latest_profile(deals).result["rows"] == 60
    assert profiling.request_profile(source=deals).pk != first.pk


def test_a_source_without_columns_is_refused(make_source):
    with pytest.raises(Refused, match="import a file"):
        profiling.request_profile(source=make_source("bare", {}, []))


def test_only_the_newest_profiles_are_kept(deals, monkeypatch):
    monkeypatch.setattr(profiling, "KEPT", 2)
    for _ in range(4):
        profiling.execute_profile(profiling.request_profile(source=deals).pk)
    assert Profile.objects.filter(source=deals).count() == 2


def test_the_page_leads_from_a_picture_to_the_records_behind_it(deals, profile, steward):
    shown = page(steward, f"/sources/{deals.pk}/profile/")
    assert "Box plot of Amount" in shown
    assert "K5" in page(steward, f"/sources/{deals.pk}/profile/records/?column=Amount&end=high")
    assert "K6" in page(steward, f"/sources/{deals.pk}/records/?column=Stage&is=blank")
    lost = page(steward, f"/sources/{deals.pk}/records/?column=Stage&value=lost")
    assert "K0" in lost
    assert "K1<" not in lost
    blanks = next(at for at, one in enumerate(profile.result["patterns"]) if one["columns"] == ["Stage"])
    assert "K6" in page(steward, f"/sources/{deals.pk}/profile/records/?pattern={blanks}")


@pytest.mark.parametrize(
    "query", ["column=Amount&bar=999", "column=nothing&bar=1", "pattern=99", "column=Amount&end=sideways", "bar=x", ""]
)
def test_what_the_profile_does_not_hold_is_an_empty_page(deals, profile, steward, query):
    assert "No record of that kind is left" in page(steward, f"/sources/{deals.pk}/profile/records/?{query}")


def test_a_value_shared_by_many_is_named_unless_it_is_masked_for_who_looks(deals, profile, steward, admin):
    disclosing.set_policy(
        source=deals, masked_for=["steward"], columns=["email"], reason_required=False, sales_decide=[], by=None
    )
    path = f"/sources/{deals.pk}/profile/"
    assert "shared@example.com" in page(admin, path)
    assert "shared@example.com" not in page(steward, path)
    assert "Values of this column are masked for you." in page(steward, path)
    assert "shared@example.com" not in page(steward, f"/api/v1/profiles/{profile.pk}/")
    client = Client()
    client.force_login(steward)
    answer = client.get(f"/sources/{deals.pk}/records/?column=Mail&value=shared@example.com")
    assert answer.status_code == 404


def test_a_cancelled_profile_leaves_the_one_before_it(deals, profile):
    from crmquality.services import running

    again = profiling.request_profile(source=deals)
    running.cancel(again)
    profiling.execute_profile(again.pk)
    assert profiling.latest_profile(deals).pk == profile.pk
