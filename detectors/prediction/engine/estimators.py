"""What the search tries: families of preprocessing and estimator, with the settings each can take."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, SplineTransformer, StandardScaler, TargetEncoder

Settings = Mapping[str, Any]

TREES = 120
"""Trees of a forest: the blend gains nothing from more, and model files stay small."""


@dataclass(frozen=True)
class Task:
    """What is to be predicted from which matrix. categories: feature positions that are categories."""

    numeric: bool
    n_features: int
    categories: Sequence[int]
    seed: int
    threads: int

    @property
    def numbers(self) -> list[int]:
        """Feature positions that are no categories."""
        return [place for place in range(self.n_features) if place not in set(self.categories)]


@dataclass(frozen=True)
class Family:
    """Models of one kind. grid: setting -> its values, the first one the default."""

    name: str
    grid: Mapping[str, Sequence[Any]]
    build: Callable[[Task, Settings], Pipeline]

    @property
    def default(self) -> dict[str, Any]:
        """The first value of every setting."""
        return {setting: values[0] for setting, values in self.grid.items()}


def families() -> list[Family]:
    """All families, the cheap ones first.

    Tried and left out: nearest neighbours and naive Bayes (never in a blend), a perceptron (slower than all
    others together, no better than the linear models with bins).
    """
    leaves: dict[str, Sequence[Any]] = {"min_samples_leaf": [10, 5, 20, 40], "max_features": [0.4, 0.25, 0.7]}
    return [
        Family("linear", {"c": [0.3, 0.05, 1.0, 5.0]}, _linear),
        Family("linear, numbers in bins", {"c": [0.1, 0.03, 0.3], "bins": [10, 20, 6]}, _binned),
        Family("linear, splines", {"c": [0.3, 0.05, 1.0], "knots": [6, 10, 4]}, _splines),
        Family(
            "boosted trees",
            {
                "learning_rate": [0.06, 0.03, 0.12],
                "max_leaf_nodes": [8, 4, 16, 31],
                "min_samples_leaf": [20, 50, 100],
                "l2_regularization": [1.0, 10.0, 0.0],
                "max_features": [0.5, 0.25, 1.0],
            },
            _boosted,
        ),
        Family(
            "boosted trees, target encoding",
            {
                "learning_rate": [0.06, 0.03],
                "max_leaf_nodes": [6, 4, 12],
                "min_samples_leaf": [30, 100],
                "l2_regularization": [1.0, 10.0],
                "max_features": [0.4, 0.8],
            },
            _boosted_encoded,
        ),
        Family("extra trees", leaves, _extra),
        Family("random forest", leaves, _forest),
    ]


def prior(task: Task, settings: Settings) -> Pipeline:
    """The class shares or the mean: what to say knowing nothing."""
    return make_pipeline(DummyRegressor() if task.numeric else DummyClassifier(strategy="prior"))


def baseline() -> Family:
    """Plain (logistic) regression with its usual settings: what a model has to beat."""
    return Family("plain regression", {"c": [1.0]}, _linear)


def single() -> Family:
    """What one column alone tells: a score of the present process, whatever its scale."""
    return Family("one column", {"c": [1.0], "bins": [20]}, _binned)


def _one_hot() -> OneHotEncoder:
    return OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=5, sparse_output=False)


def _filled(*then: Any) -> Pipeline:
    return make_pipeline(SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True), *then)


def _prepared(task: Task, numbers: Any) -> ColumnTransformer:
    return ColumnTransformer([("numbers", numbers, task.numbers), ("categories", _one_hot(), list(task.categories))])


def _regression(task: Task, c: float) -> Any:
    if task.numeric:
        return Ridge(alpha=1 / c)
    return LogisticRegression(C=c, max_iter=400)


def _linear(task: Task, settings: Settings) -> Pipeline:
    return make_pipeline(_prepared(task, _filled(StandardScaler())), _regression(task, settings["c"]))


def _binned(task: Task, settings: Settings) -> Pipeline:
    bins = KBinsDiscretizer(
        settings["bins"], encode="onehot-dense", strategy="quantile", quantile_method="averaged_inverted_cdf"
    )
    impute = SimpleImputer(strategy="median", keep_empty_features=True)
    return make_pipeline(_prepared(task, make_pipeline(impute, bins)), _regression(task, settings["c"]))


def _splines(task: Task, settings: Settings) -> Pipeline:
    curve = SplineTransformer(n_knots=settings["knots"], degree=3, knots="quantile", extrapolation="linear")
    return make_pipeline(_prepared(task, _filled(curve, StandardScaler())), _regression(task, settings["c"]))


def _trees(task: Task, settings: Settings, categories: Sequence[int] | None) -> Any:
    kind = HistGradientBoostingRegressor if task.numeric else HistGradientBoostingClassifier
    return kind(
        **settings,
        max_iter=600,
        early_stopping=True,
        validation_fraction=0.12,
        n_iter_no_change=25,
        categorical_features=list(categories) if categories else None,
        random_state=task.seed,
    )


def _boosted(task: Task, settings: Settings) -> Pipeline:
    return make_pipeline(_trees(task, settings, task.categories))


def _encoded(task: Task) -> ColumnTransformer:
    folds = KFold if task.numeric else StratifiedKFold
    encoder = TargetEncoder(
        target_type="continuous" if task.numeric else "auto", cv=folds(5, shuffle=True, random_state=task.seed)
    )
    return ColumnTransformer([("numbers", "passthrough", task.numbers), ("categories", encoder, list(task.categories))])


def _boosted_encoded(task: Task, settings: Settings) -> Pipeline:
    return make_pipeline(_encoded(task), _trees(task, settings, None))


def _extra(task: Task, settings: Settings) -> Pipeline:
    kind = ExtraTreesRegressor if task.numeric else ExtraTreesClassifier
    return _bagged(task, kind(TREES, random_state=task.seed, n_jobs=task.threads, bootstrap=True, **settings))


def _forest(task: Task, settings: Settings) -> Pipeline:
    kind = RandomForestRegressor if task.numeric else RandomForestClassifier
    return _bagged(task, kind(TREES, random_state=task.seed, n_jobs=task.threads, **settings))


def _bagged(task: Task, forest: Any) -> Pipeline:
    return make_pipeline(_encoded(task), _filled(), forest)
