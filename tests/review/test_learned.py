"""A model version's page: why the order, which members proved right, and rules kept as standing checks."""

from __future__ import annotations

import numpy as np
import pytest
from django.urls import reverse

from crmquality.models import Kind, ModelVersion, RuleVersion
from crmquality.services import learning, model_files, running
from crmquality.services.batches import source_batch
from detectors.anomalies.detector import RULE, AnomalyDetector
from detectors.anomalies.sequence_detector import SequenceDetector
from detectors.contract import Finding, Flag, Label, RunContext
from detectors.roles import Role
from review.models import Decision, ReviewItem
from review.selectors.learned import contributions
from review.services import deciding, queue
from review.services.filtering import Filters, Sort

pytestmark = pytest.mark.django_db


@pytest.fixture
def version(make_source):
    """Deals of which the large, quick ones were confirmed, and a model that learned it."""
    rng = np.random.default_rng(3)
    amounts, days = rng.lognormal(8, 0.3, 300), rng.integers(5, 60, 300)
    amounts[:12], days[:12] = rng.uniform(60_000, 90_000, 12), 0
    closed = np.datetime64("2024-01-01") + days
    rows = [[f"D{row}", f"{amounts[row]:.2f}", "2024-01-01", str(closed[row])] for row in range(300)]
    roles = {"Id": Role.ID, "Amount": Role.AMOUNT, "Created": Role.CREATED_AT, "Closed": Role.CLOSED_AT}
    source = make_source("deals", roles, rows, kind=Kind.OPPORTUNITIES)
    batch = source_batch(source)
    ids = batch.frame.index.to_numpy()
    labels = [Label(Finding((int(ids[row]),), Flag(), 0.9, (), RULE), row < 8) for row in (*range(8), *range(100, 108))]
    fitted = AnomalyDetector().fit(batch, labels, RunContext(seed=1))
    made = learning.keep_version(source=source, detector=fitted, roles=batch.roles, labels=len(labels))
    return learning.activate(version=made)


def test_the_page_says_why_the_order_is_so_and_describes_what_was_confirmed(client, steward, version):
    client.force_login(steward)
    page = client.get(reverse("model", args=[version.pk])).content.decode()
    assert "16 verdicts, 8 of them confirming" in page
    assert "leaf weights" in page
    assert "quantile histogram" in page
    assert "Amount &gt; " in page
    assert "Keep as a standing check" not in page


def test_an_admin_keeps_a_rule_as_a_standing_check(client, admin, version):
    client.force_login(admin)
    (rule, *_) = learning.load_version(version).rules()
    url = reverse("keep-check", args=[version.pk])
    answer = client.post(url, {"rule": str(rule)}, follow=True).content.decode()
    assert "is checked on every record from the next run on" in answer
    kept = RuleVersion.objects.get()
    assert kept.origin == RuleVersion.Origin.ANOMALIES
    assert kept.quality_rule.source == version.source
    again = client.post(url, {"rule": str(rule)}, follow=True).content.decode()
    assert "Not kept" in again
    gone = client.post(url, {"rule": "Amount > 1"}, follow=True).content.decode()
    assert "has changed since the page was shown" in gone
    assert RuleVersion.objects.count() == 1


def test_a_version_whose_files_are_damaged_says_so(client, steward, version):
    ModelVersion.objects.filter(pk=version.pk).update(sha256="0" * 64)
    client.force_login(steward)
    assert "This version cannot be read" in client.get(reverse("model", args=[version.pk])).content.decode()


def test_a_refit_serves_where_its_labels_foretell_each_other(version):
    """The measure that the gate asks for is there, so that a version of more labels need not wait for a person."""
    assert version.metrics["held_out_gain"] > 0
    passes, why = learning.gate(version, version)
    assert passes
    assert "gain" in why


def test_a_verdict_tells_what_each_further_one_would_teach_and_mixes_unlike_ones(version, steward):
    """The queue's orders "varied" and "most informative" are the model's own, from the first verdict on."""
    running.execute_run(running.request_run(source=version.source, detector="anomalies").pk)
    first = queue.claim_next(user=steward)
    deciding.decide(item=first, verdict=Decision.Verdict.ACCEPT, user=steward)
    left = list(ReviewItem.objects.open())
    assert all(item.worth is not None and 0 <= item.worth <= 0.5 for item in left)
    assert sorted(item.variety for item in left) == pytest.approx(sorted(item.rank for item in left))
    likeliest = max(left, key=lambda item: item.rank)
    taught = queue.fill(user=steward, filters=Filters(sort=Sort.INFORMATIVE), want=5).fresh
    assert [item.worth for item in taught] == sorted((item.worth for item in left), reverse=True)[:5]
    queue.release(user=steward)
    varied = queue.fill(user=steward, filters=Filters(sort=Sort.VARIED), want=10).fresh
    queue.release(user=steward)
    likely = queue.fill(user=steward, filters=Filters(), want=10).fresh
    assert likely[0].rank == likeliest.rank
    assert [item.pk for item in varied] != [item.pk for item in likely]


def _flip_a_bit(version):
    path = next((model_files.models_folder() / version.directory).glob("*.safetensors"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def _remove_a_file(version):
    next((model_files.models_folder() / version.directory).glob("*.safetensors")).unlink()


def _written_by_older_code(version):
    ModelVersion.objects.filter(pk=version.pk).update(detector_version="0")


def _of_another_detector(version):
    """Whole and unchanged since it was written, but not what its row says."""
    folder = model_files.models_folder() / version.directory
    for path in folder.iterdir():
        path.unlink()
    SequenceDetector().save(folder)
    ModelVersion.objects.filter(pk=version.pk).update(sha256=model_files.digest(folder))


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (_flip_a_bit, "absent or were changed since they were written"),
        (_remove_a_file, "absent or were changed since they were written"),
        (_written_by_older_code, "written by anomalies 0, this is"),
        (_of_another_detector, "missing a part or damaged"),
    ],
)
def test_where_a_model_file_cannot_be_read_the_last_good_one_serves_and_it_says_why(version, harm, words):
    fitted = learning.load_version(version)
    roles = source_batch(version.source).roles
    later = fitted.reweight([Label(Finding((int(fitted.ids[50]),), Flag(), 0.9, (), RULE), True)])
    broken = learning.activate(
        version=learning.keep_version(source=version.source, detector=later, roles=roles, labels=17)
    )
    harm(broken)
    model_files._load_files.cache_clear()
    _, served = learning.load_serving(version.source, "anomalies")
    assert served == version
    broken.refresh_from_db()
    assert broken.state == ModelVersion.State.RETIRED
    assert words in broken.note
    assert ModelVersion.objects.get(source=version.source, state=ModelVersion.State.ACTIVE) == version


def test_a_decision_meets_a_damaged_model_and_the_queue_is_ranked_by_the_last_good_one(version, steward):
    running.execute_run(running.request_run(source=version.source, detector="anomalies").pk)
    fitted = learning.load_version(version)
    roles = source_batch(version.source).roles
    later = fitted.reweight([Label(Finding((int(fitted.ids[60]),), Flag(), 0.9, (), RULE), True)])
    broken = learning.activate(
        version=learning.keep_version(source=version.source, detector=later, roles=roles, labels=17)
    )
    _flip_a_bit(broken)
    model_files._load_files.cache_clear()
    before = dict(ReviewItem.objects.open().values_list("pk", "rank"))
    deciding.decide(item=queue.claim_next(user=steward), verdict=Decision.Verdict.REJECT, user=steward)
    after = dict(ReviewItem.objects.open().values_list("pk", "rank"))
    assert any(abs(after[item] - before[item]) > 1e-6 for item in after)
    version.refresh_from_db()
    assert version.state == ModelVersion.State.ACTIVE


def test_whoever_asks_sees_each_columns_share_of_an_anomalys_score(client, steward, version):
    running.execute_run(running.request_run(source=version.source, detector="anomalies").pk)
    client.force_login(steward)
    item = ReviewItem.objects.open().order_by("-rank").first()
    page = client.get(reverse("shapley", args=[item.pk])).content.decode()
    assert "The shares below add up to the difference" in page
    assert "Amount" in page
    found = contributions(item)
    assert sum(one.added for one in found.rows) == pytest.approx(found.score - found.usual, abs=0.5)
    ModelVersion.objects.update(state=ModelVersion.State.RETIRED)
    assert "No model serves this source yet" in client.get(reverse("shapley", args=[item.pk])).content.decode()
