"""The addresses of the API that concern what people said."""

from rest_framework.routers import SimpleRouter

from review.api.alarms import AlarmEndpoint
from review.api.decisions import ChangeSetEndpoint, DecisionEndpoint
from review.api.desks import BudgetEndpoint, ViewEndpoint
from review.api.evaluations import EvaluationEndpoint
from review.api.figures import FiguresEndpoint
from review.api.items import ItemEndpoint
from review.api.learned import LearnedEndpoint
from review.api.many import AcceptanceRuleEndpoint, BatchEndpoint, LotEndpoint
from review.api.own import OwnEndpoint, QuestionEndpoint
from review.api.people import PersonEndpoint
from review.api.policies import GateEndpoint, PolicyEndpoint
from review.api.survivorship import SurvivorshipEndpoint
from review.api.undoings import UndoingEndpoint, UndoPeriodEndpoint

router = SimpleRouter(use_regex_path=False)
router.register("items", ItemEndpoint, "api-item")
router.register("decisions", DecisionEndpoint, "api-decision")
router.register("change-sets", ChangeSetEndpoint, "api-change-set")
router.register("views", ViewEndpoint, "api-view")
router.register("budgets", BudgetEndpoint, "api-budget")
router.register("own-records", OwnEndpoint, "api-own-record")
router.register("questions", QuestionEndpoint, "api-question")
router.register("policies", PolicyEndpoint, "api-policy")
router.register("gates", GateEndpoint, "api-gate")
router.register("figures", FiguresEndpoint, "api-figures")
router.register("evaluations", EvaluationEndpoint, "api-evaluation")
router.register("people", PersonEndpoint, "api-person")
router.register("batches", BatchEndpoint, "api-batch")
router.register("lots", LotEndpoint, "api-lot")
router.register("acceptance-rules", AcceptanceRuleEndpoint, "api-acceptance-rule")
router.register("survivorship", SurvivorshipEndpoint, "api-survivorship")
router.register("undoings", UndoingEndpoint, "api-undoing")
router.register("undo-periods", UndoPeriodEndpoint, "api-undo-period")
router.register("alarms", AlarmEndpoint, "api-alarm")
router.register("sources", LearnedEndpoint, "api-source-rules")

urlpatterns = router.urls
