"""The addresses of the API that concern what people said."""

from rest_framework.routers import SimpleRouter

from review.api.decisions import ChangeSetEndpoint, DecisionEndpoint
from review.api.items import ItemEndpoint
from review.api.policies import PolicyEndpoint

router = SimpleRouter(use_regex_path=False)
router.register("items", ItemEndpoint, "api-item")
router.register("decisions", DecisionEndpoint, "api-decision")
router.register("change-sets", ChangeSetEndpoint, "api-change-set")
router.register("policies", PolicyEndpoint, "api-policy")

urlpatterns = router.urls
