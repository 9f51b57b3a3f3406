"""How the shipped model and calibration were made: `python -m detectors.addresses.recipe [tagger] [calibration]`.

Both are learned on addresses composed by `composing.py`, with a fixed seed; about two minutes of one core.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from detectors.addresses.calibration import CEILING, CURVES, logit
from detectors.addresses.composing import Tagged, broken_records, composed_line, street_line, typo
from detectors.addresses.correction import Corrector
from detectors.addresses.gazetteer import us_gazetteer
from detectors.addresses.standardising import place_key, standard_street
from detectors.addresses.streets import correct_street
from detectors.addresses.tagging import MODEL, TAGS
from detectors.addresses.triples import Triple

SEED = 20240501
LINES, EPOCHS = 24_000, 4
RECORDS = 120_000

_CONFIG = {
    "model": {
        "@architectures": "spacy.Tagger.v2",
        "tok2vec": {
            "@architectures": "spacy.Tok2Vec.v2",
            "embed": {
                "@architectures": "spacy.MultiHashEmbed.v2",
                "width": 64,
                "attrs": ["NORM", "PREFIX", "SUFFIX", "SHAPE"],
                "rows": [4000, 1000, 2000, 500],
                "include_static_vectors": False,
            },
            "encode": {
                "@architectures": "spacy.MaxoutWindowEncoder.v2",
                "width": 64,
                "window_size": 1,
                "maxout_pieces": 3,
                "depth": 4,
            },
        },
    }
}


def train_tagger() -> float:
    """Trains and writes the pipeline; returns its share of right tags on lines it did not see."""
    import spacy
    from spacy.util import fix_random_seed

    fix_random_seed(SEED)
    rng = random.Random(SEED)  # noqa: S311  repeatable, no secret
    table = us_gazetteer()
    areas = table.areas()
    lines = [composed_line(table, areas, rng) for _ in range(LINES + 2_000)]
    pipeline = spacy.blank("en")
    tagger = pipeline.add_pipe("tagger", config=_CONFIG)
    for tag in TAGS:
        tagger.add_label(tag)
    examples = [_example(pipeline, line) for line in lines[:LINES]]
    optimizer = pipeline.initialize(lambda: examples[:200])
    for epoch in range(EPOCHS):
        rng.shuffle(examples)
        optimizer.learn_rate = 0.002 * (1 - epoch / EPOCHS)
        losses: dict[str, float] = {}
        for start in range(0, LINES, 64):
            pipeline.update(examples[start : start + 64], sgd=optimizer, drop=0.15, losses=losses)
        print(f"epoch {epoch + 1}/{EPOCHS}: loss {losses['tagger'] / LINES:.4f}", flush=True)
    if MODEL.is_dir():
        shutil.rmtree(MODEL)
    pipeline.to_disk(MODEL)
    return _accuracy(pipeline, lines[LINES:])


def _example(pipeline: Any, line: Tagged) -> Any:
    from spacy.tokens import Doc
    from spacy.training import Example

    words = [word for word, _ in line]
    meant = Doc(pipeline.vocab, words=words, tags=[tag for _, tag in line])
    return Example(Doc(pipeline.vocab, words=words), meant)


def _accuracy(pipeline: Any, lines: Sequence[Tagged]) -> float:
    from detectors.addresses.tagging import Tagger

    found = Tagger(pipeline).tags([[word for word, _ in line] for line in lines])
    marks = [
        tag == want for line, tags in zip(lines, found, strict=True) for tag, (_, want) in zip(tags, line, strict=True)
    ]
    return sum(marks) / len(marks)


def learn_calibration() -> dict[str, list[tuple[float, float]]]:
    """Curves a part from raw posterior to the share of such proposals that were right; writes and returns them."""
    rng = random.Random(SEED + 1)  # noqa: S311  repeatable, no secret
    table = us_gazetteer()
    corrector = Corrector(table)
    seen: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    for record in broken_records(table, RECORDS, rng):
        found = corrector.judge(record.typed)
        if record.typed.postcode and not record.error.startswith("postcode"):
            alone = corrector.judge(replace(record.typed, postcode=""))
            found += tuple(one for one in alone if one.alone)
        for one in found:
            seen[one.curve].append((logit(one.raw), same_part(one.part, one.value, record.meant)))
    names = frozenset(table.name_words())
    for _ in range(RECORDS):
        line, meant = _street(rng)
        if mended := correct_street(line, names):
            seen["street"].append((logit(mended.raw), standard_street(mended.value) == standard_street(meant)))
    curves = {part: isotonic(points) for part, points in sorted(seen.items())}
    CURVES.write_text(json.dumps(curves, indent=1) + "\n", encoding="utf-8")
    return curves


def same_part(part: str, value: str, meant: Triple) -> bool:
    """Whether a proposed value is what was meant, whatever its spelling or case."""
    wanted = getattr(meant, part)
    return place_key(value) == place_key(wanted) if part == "city" else value.upper() == wanted.upper()


def _street(rng: random.Random) -> tuple[str, str]:
    """(a street line as typed, as meant); in one of eight that has a type, the type holds one typing error."""
    line = street_line(rng)
    words = [word for word, _ in line]
    types = [at for at, (word, tag) in enumerate(line) if tag == "TYPE" and len(word) > 2]
    typed = list(words)
    if types and rng.random() < 0.125:
        typed[types[-1]] = typo(typed[types[-1]], rng)
    return " ".join(typed), " ".join(words)


def isotonic(points: Sequence[tuple[float, bool]], *, least: int = 60) -> list[tuple[float, float]]:
    """A rising curve through (log odds, right or wrong): pooled adjacent violators over bins of at least `least`.

    Each level is shrunk by half a success and half a failure, so that no small level claims certainty.
    """
    from sklearn.isotonic import IsotonicRegression

    points = sorted(points)
    bins = [points[at : at + least] for at in range(0, len(points), least)]
    if len(bins) > 1 and len(bins[-1]) < least:
        bins[-2:] = [bins[-2] + bins[-1]]
    x = np.array([np.mean([raw for raw, _ in one]) for one in bins])
    y = np.array([np.mean([right for _, right in one]) for one in bins])
    sizes = np.array([len(one) for one in bins])
    pooled = IsotonicRegression().fit_transform(x, y, sample_weight=sizes)
    trials = np.array([sizes[pooled == value].sum() for value in pooled])
    level = np.minimum((pooled * trials + 0.5) / (trials + 1), CEILING)
    level = np.maximum.accumulate(level)
    curve: list[tuple[float, float]] = []
    for at in range(len(x)):
        flat = 0 < at < len(x) - 1 and level[at - 1] == level[at] == level[at + 1]
        if not flat:
            curve.append((round(float(x[at]), 3), round(float(level[at]), 4)))
    return curve


def main(wanted: Sequence[str]) -> None:
    """Makes what is named, or both."""
    if "tagger" in wanted or not wanted:
        print(f"tags right on unseen lines: {train_tagger():.4f}")
    if "calibration" in wanted or not wanted:
        for part, curve in learn_calibration().items():
            print(f"{part}: {len(curve)} points")


if __name__ == "__main__":
    main(sys.argv[1:])
