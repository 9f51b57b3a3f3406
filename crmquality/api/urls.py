"""The addresses of the API that concern what is true; those of what people said are in `review.api.urls`."""

from django.urls import path
from drf_spectacular.views import SpectacularAPIView
from rest_framework.routers import SimpleRouter

from crmquality.api.bakeoffs import BakeOffEndpoint
from crmquality.api.checks import CheckEndpoint
from crmquality.api.connections import ConnectionEndpoint, FeedEndpoint, HookEndpoint, OutboxEndpoint
from crmquality.api.deliveries import DeliveryEndpoint, DestinationEndpoint
from crmquality.api.enrichments import EnrichmentEndpoint
from crmquality.api.jobs import ImportEndpoint, RunEndpoint, TrainingEndpoint
from crmquality.api.measurements import ExportEndpoint, MeasurementEndpoint
from crmquality.api.predictions import (
    CutOffsEndpoint,
    PredictionEndpoint,
    PredictionTrainingEndpoint,
    ScoreEndpoint,
    ScoringEndpoint,
)
from crmquality.api.privacy import AccessPolicyEndpoint, DisclosureEndpoint
from crmquality.api.profiles import ProfileEndpoint
from crmquality.api.quality import MetricEndpoint, ModelVersionEndpoint
from crmquality.api.records import FindingEndpoint, RecordEndpoint
from crmquality.api.rules import RuleEndpoint
from crmquality.api.series import ExpectationEndpoint, ObservationEndpoint, SeriesEndpoint
from crmquality.api.sources import SourceEndpoint
from crmquality.api.tokens import TokenEndpoint

router = SimpleRouter(use_regex_path=False)
router.register("sources", SourceEndpoint, "api-source")
router.register("imports", ImportEndpoint, "api-import")
router.register("records", RecordEndpoint, "api-record")
router.register("check", CheckEndpoint, "api-check")
router.register("runs", RunEndpoint, "api-run")
router.register("findings", FindingEndpoint, "api-finding")
router.register("metrics", MetricEndpoint, "api-metric")
router.register("models", ModelVersionEndpoint, "api-model")
router.register("trainings", TrainingEndpoint, "api-training")
router.register("access-policies", AccessPolicyEndpoint, "api-access-policy")
router.register("disclosures", DisclosureEndpoint, "api-disclosure")
router.register("measurements", MeasurementEndpoint, "api-measurement")
router.register("exports", ExportEndpoint, "api-export")
router.register("rules", RuleEndpoint, "api-rule")
router.register("profiles", ProfileEndpoint, "api-profile")
router.register("predictions", PredictionEndpoint, "api-prediction")
router.register("prediction-trainings", PredictionTrainingEndpoint, "api-prediction-training")
router.register("scorings", ScoringEndpoint, "api-scoring")
router.register("cut-offs", CutOffsEndpoint, "api-cut-offs")
router.register("scores", ScoreEndpoint, "api-score")
router.register("series", SeriesEndpoint, "api-series")
router.register("observations", ObservationEndpoint, "api-observation")
router.register("expectations", ExpectationEndpoint, "api-expectation")
router.register("bake-offs", BakeOffEndpoint, "api-bake-off")
router.register("destinations", DestinationEndpoint, "api-destination")
router.register("deliveries", DeliveryEndpoint, "api-delivery")
router.register("connections", ConnectionEndpoint, "api-connection")
router.register("feeds", FeedEndpoint, "api-feed")
router.register("enrichments", EnrichmentEndpoint, "api-enrichment")
router.register("outbox", OutboxEndpoint, "api-outbox")

urlpatterns = [
    *router.urls,
    path("hooks/<uuid:uid>/", HookEndpoint.as_view(), name="api-hook"),
    path("token/", TokenEndpoint.as_view(), name="api-token"),
    path("schema/", SpectacularAPIView.as_view(), name="api-schema"),
]
