"""How sources, records, jobs, findings, models and metrics look in the API, and what may be sent."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from crmquality.api.base import Form, IdField, person
from crmquality.models import (
    Change,
    Finding,
    Import,
    JobState,
    Kind,
    ModelVersion,
    QualityMetric,
    Record,
    Run,
    Source,
    Training,
)
from crmquality.services import masking
from detectors.roles import Role

JOB = [
    "id", "source", "state", "percent", "seconds_left", "progress_done", "progress_total", "progress_stage",
    "cancel_requested", "created_at", "started_at", "finished_at", "requested_by", "error",
]  # fmt: skip


class SourceSerializer(serializers.ModelSerializer[Source]):
    """A source with its columns, what each means, and what was guessed."""

    class Meta:
        model = Source
        fields = [
            "id", "name", "system", "kind", "columns", "roles", "role_guesses", "roles_confirmed", "country",
            "segment_column", "sensitive_allowed", "deduplicated", "run_every", "created_at",
        ]  # fmt: skip


class SegmentColumn(Form):
    """A mapped column, or ""."""

    column = serializers.CharField(allow_blank=True, max_length=1_000)


class Deduplicated(Form):
    """Whether a source holds nobody twice."""

    deduplicated = serializers.BooleanField()


class SensitiveColumns(Form):
    """Sensitive columns of the source (gender, age ...)."""

    columns = serializers.ListField(child=serializers.CharField(max_length=1_000))


class NewSource(Form):
    """A source to be made; a file is imported into it later."""

    name = serializers.CharField(max_length=120)
    kind = serializers.ChoiceField(choices=Kind.choices, default=Kind.CONTACTS)
    system = serializers.CharField(max_length=120, default="default")


class ColumnRoles(Form):
    """What columns mean; columns not named keep their role."""

    roles = serializers.DictField(
        child=serializers.ChoiceField(choices=[role.value for role in Role]), allow_empty=False
    )


class ExportQuery(Form):
    """include_inactive: also records merged into another or gone from the source."""

    include_inactive = serializers.BooleanField(default=False)


class RecordSerializer(serializers.ModelSerializer[Record]):
    """A record; `version` is its ETag."""

    class Meta:
        model = Record
        fields = ["id", "source", "external_id", "line", "fields", "version", "golden", "gone_at", "updated_at"]

    def to_representation(self, instance: Record) -> Any:
        """Masked for whoever asks."""
        return super().to_representation(masking.current().record(instance))


class ChangeSerializer(serializers.ModelSerializer[Change]):
    """One value before and after, by whom and why."""

    by = person("change_set.by")
    at = serializers.DateTimeField(source="change_set.at", read_only=True)
    action = serializers.CharField(source="change_set.action", read_only=True)
    cause = serializers.CharField(source="change_set.cause", read_only=True)

    class Meta:
        model = Change
        fields = [
            "id", "change_set", "record", "field", "is_pointer", "before", "after", "reason", "by", "at", "action",
            "cause",
        ]  # fmt: skip

    def to_representation(self, instance: Change) -> Any:
        """Masked for whoever asks."""
        return super().to_representation(masking.current().change(instance))


class FindingSerializer(serializers.ModelSerializer[Finding]):
    """A claim: about which records, what it proposes, how strong, and why."""

    action = serializers.CharField(read_only=True, help_text="set, merge or flag")

    class Meta:
        model = Finding
        fields = [
            "id", "source", "detector", "action", "subjects", "proposal", "score", "rule", "evidence", "state",
            "first_run", "last_run", "created_at",
        ]  # fmt: skip

    def to_representation(self, instance: Finding) -> Any:
        """Masked for whoever asks."""
        return super().to_representation(masking.current().finding(instance))


class AttributionSerializer(serializers.Serializer[Any]):
    """Where a field's value is from, if a look-up gave it: who says so, and under which licence."""

    field = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    licence = serializers.CharField()
    at = serializers.DateTimeField()


class RecordDetail(RecordSerializer):
    """A record with the row as it was read, its latest changes, the open claims about it, and what is attributed."""

    attributions = AttributionSerializer(many=True, read_only=True)
    history = ChangeSerializer(many=True, read_only=True)
    findings = FindingSerializer(many=True, read_only=True)

    class Meta(RecordSerializer.Meta):
        fields = [*RecordSerializer.Meta.fields, "raw", "history", "findings", "attributions"]


class RecordQuery(Form):
    """q finds text in any field; live leaves out merged and gone records."""

    source = IdField()
    external_id = serializers.CharField(required=False, max_length=1_000)
    q = serializers.CharField(required=False, max_length=200)
    live = serializers.BooleanField(required=False)


class RecordEdit(Form):
    """Values to write into fields; null or "" blanks one."""

    fields = serializers.DictField(  # type: ignore[assignment] # the field of a record, not of the serializer
        child=serializers.CharField(allow_null=True, allow_blank=True, trim_whitespace=False), allow_empty=False
    )
    reason = serializers.CharField(default="", allow_blank=True, max_length=500)


class ImportSerializer(serializers.ModelSerializer[Import]):
    """An import with its progress and counts."""

    percent = serializers.IntegerField(read_only=True)
    seconds_left = serializers.IntegerField(read_only=True, allow_null=True)
    requested_by = person("requested_by")

    class Meta:
        model = Import
        fields = [
            *JOB, "file_name", "size", "sha256", "options", "dry_run", "complete", "run_after_import", "rows_read",
            "rows_new", "rows_changed", "rows_same", "rows_quarantined", "gated", "broken",
        ]  # fmt: skip


class NewImport(Form):
    """A file (CSV, Excel or Parquet) for a source."""

    source = serializers.PrimaryKeyRelatedField(queryset=Source.objects.all())
    file = serializers.FileField()
    roles = serializers.JSONField(default=dict, help_text="Column -> role, as a JSON object.")
    options = serializers.JSONField(default=dict, help_text="encoding, delimiter, sheet ..., as a JSON object.")
    dry_run = serializers.BooleanField(default=False)
    complete = serializers.BooleanField(default=False, help_text="The file holds every record: others are gone.")
    run_after_import = serializers.BooleanField(default=False)
    gated = serializers.BooleanField(default=True, help_text="Rows that break a blocking rule go to quarantine.")

    def validate_roles(self, value: Any) -> dict[str, str]:
        """An object of texts."""
        return _texts(value)

    def validate_options(self, value: Any) -> dict[str, str]:
        """An object of texts."""
        return _texts(value)


class JobQuery(Form):
    """Which jobs to list."""

    source = IdField()
    state = serializers.ChoiceField(choices=JobState.choices, required=False)


class RunQuery(JobQuery):
    """Which runs to list."""

    detector = serializers.CharField(required=False, max_length=60)


class RunSerializer(serializers.ModelSerializer[Run]):
    """A run with its progress and counts."""

    percent = serializers.IntegerField(read_only=True)
    seconds_left = serializers.IntegerField(read_only=True, allow_null=True)
    requested_by = person("requested_by")

    class Meta:
        model = Run
        fields = [
            *JOB, "detector", "detector_version", "cause", "seed", "model_version", "records_seen", "found",
            "found_new", "withdrawn", "seconds", "peak_mb", "remarks", "only_changes", "changed",
        ]  # fmt: skip


class NewRun(Form):
    """A run of one detector, or of all that are switched on."""

    source = serializers.PrimaryKeyRelatedField(queryset=Source.objects.all())
    detector = serializers.CharField(default="", allow_blank=True, max_length=60)
    seed = serializers.IntegerField(default=0, min_value=0, max_value=2**31 - 1)
    only_changes = serializers.BooleanField(
        default=False, help_text="Go on from the latest run, where the detector can and few records changed."
    )


class FindingQuery(Form):
    """Which claims to list."""

    source = IdField()
    detector = serializers.CharField(required=False, max_length=60)
    state = serializers.ChoiceField(choices=Finding.State.choices, required=False)
    action = serializers.ChoiceField(choices=["set", "merge", "link", "flag"], required=False)
    rule = serializers.CharField(required=False, max_length=120)
    min_score = serializers.FloatField(required=False, min_value=0, max_value=1)
    record = IdField()


class MetricSerializer(serializers.ModelSerializer[QualityMetric]):
    """One metric at one time: numerator / denominator."""

    class Meta:
        model = QualityMetric
        fields = [
            "id", "source", "run", "name", "field", "segment", "numerator", "denominator", "value", "low", "high",
            "rule_version", "at",
        ]  # fmt: skip


class MetricQuery(Form):
    """Which history to list. field, segment: "" for the source as a whole."""

    source = IdField()
    name = serializers.CharField(required=False, max_length=40)
    field = serializers.CharField(required=False, allow_blank=True, max_length=1_000)
    segment = serializers.CharField(required=False, allow_blank=True, max_length=1_000)


class LatestQuery(Form):
    """The source whose newest metrics are asked for."""

    source = IdField(required=True)


class ModelVersionSerializer(serializers.ModelSerializer[ModelVersion]):
    """What a detector learned, how good it is, and why it serves or does not."""

    activated_by = person("activated_by")

    class Meta:
        model = ModelVersion
        fields = [
            "id", "source", "detector", "number", "detector_version", "state", "sha256", "signature", "metrics",
            "labels", "feedback_count", "created_at", "activated_at", "activated_by", "note",
        ]  # fmt: skip


class ModelQuery(Form):
    """Which model versions to list."""

    source = IdField()
    detector = serializers.CharField(required=False, max_length=60)
    state = serializers.ChoiceField(choices=ModelVersion.State.choices, required=False)


class TrainingSerializer(serializers.ModelSerializer[Training]):
    """A training with its progress."""

    percent = serializers.IntegerField(read_only=True)
    seconds_left = serializers.IntegerField(read_only=True, allow_null=True)
    requested_by = person("requested_by")

    class Meta:
        model = Training
        fields = [*JOB, "detector", "result"]


class NewTraining(Form):
    """Fit a detector anew on all decisions of a source."""

    source = serializers.PrimaryKeyRelatedField(queryset=Source.objects.all())
    detector = serializers.CharField(max_length=60)


class Credentials(Form):
    """A person's name and password."""

    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=200, trim_whitespace=False, style={"input_type": "password"})


class IssuedToken(Form):
    """A token, shown this once."""

    token = serializers.CharField()
    expires = serializers.DateTimeField()


def _texts(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise serializers.ValidationError("This must be a JSON object of texts.")
    return value
