"""The pages."""

from django.contrib.auth import views as auth
from django.urls import path

from review.views import dashboard, jobs, people, policies, queue, records, sources

urlpatterns = [
    path("login/", auth.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("healthz", jobs.healthz, name="healthz"),
    path("readyz", jobs.readyz, name="readyz"),
    path("", dashboard.dashboard, name="dashboard"),
    path("sources/", sources.index, name="sources"),
    path("sources/new/", sources.upload, name="upload"),
    path("sources/<int:source_id>/", sources.detail, name="source"),
    path("sources/<int:source_id>/columns/", sources.columns, name="columns"),
    path("sources/<int:source_id>/run/", sources.run, name="run-source"),
    path("sources/<int:source_id>/schedule/", sources.schedule, name="schedule"),
    path("sources/<int:source_id>/records/", records.index, name="records"),
    path("sources/<int:source_id>/quarantine/", sources.quarantine, name="quarantine"),
    path("sources/<int:source_id>/quarantine.csv", sources.quarantine_file, name="quarantine-file"),
    path("sources/<int:source_id>/export/<str:form>/", sources.export, name="export"),
    path("sources/new/columns/", sources.map_columns, name="map-columns"),
    path("imports/<int:import_id>/", jobs.import_detail, name="import"),
    path("records/<int:record_id>/", records.detail, name="record"),
    path("queue/", queue.page, name="queue"),
    path("queue/next/", queue.next_card, name="next-card"),
    path("queue/<int:item_id>/", queue.page, name="item"),
    path("queue/<int:item_id>/decide/", queue.decide, name="decide"),
    path("queue/<int:item_id>/skip/", queue.skip, name="skip"),
    path("queue/release/", queue.release, name="release"),
    path("decisions/", queue.decisions, name="decisions"),
    path("decisions/undo/", queue.undo_last, name="undo-last"),
    path("decisions/<int:decision_id>/undo/", queue.undo, name="undo"),
    path("changes/", records.changes, name="changes"),
    path("changes/<int:change_set_id>/undo/", records.undo_change_set, name="undo-changes"),
    path("runs/", jobs.index, name="runs"),
    path("runs/<int:run_id>/", jobs.detail, name="run"),
    path("runs/<int:run_id>/cancel/", jobs.cancel, name="cancel-run"),
    path("thresholds/", policies.thresholds, name="thresholds"),
    path("thresholds/<int:source_id>/", policies.threshold, name="threshold"),
    path("policies/<int:policy_id>/roll-back/", policies.roll_back, name="roll-back"),
    path("my-work/", people.mine, name="my-work"),
    path("people/", people.index, name="people"),
    path("models/", policies.models, name="models"),
    path("models/<int:version_id>/activate/", policies.activate, name="activate-model"),
]
