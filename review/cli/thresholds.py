"""Where to cut: the bounds of each detector, what others would do, and a new version of them with its reason.

show says what is in force; what-if holds bounds that need not be in force against the claims and decisions there are;
set puts bounds in force (admins), and the queue follows at once. Bounds are scores in [0, 1].
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from crmquality.cli.console import Console, Exit, percent
from crmquality.cli.session import session
from crmquality.models import Source
from crmquality.selectors.sources import named
from crmquality.services.access import STAFF, UserRole, require
from crmquality.services.errors import Refused
from detectors import registry
from review.estimation import Estimate
from review.models import Gate, PolicyVersion
from review.policy import Policy
from review.selectors import thresholds as selecting
from review.services import policies


def add_arguments(parser: ArgumentParser) -> None:
    """One word a thing to do; without one, what is in force."""
    parser.set_defaults(do="show", source=None, detector=None)
    words = parser.add_subparsers(dest="do", metavar="show|what-if|set")
    shown = words.add_parser("show", help="the bounds in force and whether their gate is open")
    shown.add_argument("source", nargs="?", help="name of a source (default: all)")
    shown.add_argument("detector", nargs="?", help="of it only")
    asked = words.add_parser("what-if", help="what bounds would do; nothing is written")
    changed = words.add_parser("set", help="put bounds in force (admins)")
    for one in (asked, changed):
        one.add_argument("source")
        one.add_argument("detector")
        one.add_argument("--review-at", type=float, metavar="SCORE", help="shown to a person from this score")
        automatic = one.add_mutually_exclusive_group()
        automatic.add_argument("--accept-at", type=float, metavar="SCORE", help="accepted by itself from this score")
        automatic.add_argument("--by-hand", action="store_true", help="nothing is accepted by itself")
        one.add_argument("--target", type=float, metavar="PRECISION", help="to be proven before --accept-at counts")
        one.add_argument("--audit", type=float, metavar="SHARE", help="of what could go by itself, shown all the same")
    changed.add_argument("--reason", required=True, help="why; kept with the version")


def execute(options: Namespace, console: Console) -> int:
    """Do it. Bounds not named stay as they are."""
    with session(console, options.user, *STAFF) as user:
        if options.do in (None, "show"):
            return _show(options, console)
        if options.do == "set":
            require(user, UserRole.ADMIN)
        source, detector = named(options.source), _known(options.detector)
        in_force = policies.policy_in_force(source, detector)
        try:
            wanted = _bounds(options, in_force.bounds)
        except ValueError as error:
            raise Refused(f"These bounds make no sense: {error}.") from error
        if options.do == "what-if":
            return _what_if(source, detector, wanted, console)
        if not options.reason.strip():
            raise Refused("Say why: --reason is kept with the version.")
        version = policies.set_policy(
            source=source,
            detector=detector,
            review_at=wanted.review_at,
            accept_at=wanted.accept_at,
            target=wanted.target,
            audit_share=wanted.audit_share,
            user=user,
            reason=options.reason.strip()[:300],
        )
        _tell(version, Gate.objects.filter(source=source, detector=detector).first(), console)
        console.say("The queue follows now, what is accepted by itself at the next run.")
    return Exit.OK


def as_row(version: PolicyVersion, gate: Gate | None) -> dict[str, Any]:
    """Bounds in force as JSON; see docs/cli.md."""
    return {
        "source": version.source.name,
        "detector": version.detector,
        "number": version.number,
        "review_at": version.review_at,
        "accept_at": version.accept_at,
        "target": version.target,
        "audit_share": version.audit_share,
        "reason": version.reason,
        "by": version.by.username if version.by else None,
        "gate": {"open": gate.passes, "why": gate.why, "decided": gate.decided} if gate else None,
    }


def _show(options: Namespace, console: Console) -> int:
    detectors = [_known(options.detector)] if options.detector else list(registry.available())
    wanted = named(options.source).pk if options.source else None
    for row in selecting.rows(detectors):
        if wanted in (None, row.source.pk):
            _tell(row.version, row.gate, console)
    return Exit.OK


def _tell(version: PolicyVersion, gate: Gate | None, console: Console) -> None:
    console.give(as_row(version, gate))
    itself = "nothing by itself" if version.accept_at is None else f"by itself from {version.accept_at:g}"
    console.say(
        f"{version.source.name}: {version.detector} v{version.number}  shown from {version.review_at:g}, {itself}"
        + (f"  ({version.reason})" if version.reason else "")
    )
    if gate and version.accept_at is not None:
        console.say(f"    the gate is {'open' if gate.passes else 'closed'}: {gate.why}")


def _what_if(source: Source, detector: str, wanted: Policy, console: Console) -> int:
    seen = selecting.outlook(source, detector, wanted)
    gate = {"open": seen.verdict.passes, "why": seen.verdict.why} if seen.verdict else None
    console.give(
        {
            "source": source.name,
            "detector": detector,
            "review_at": wanted.review_at,
            "accept_at": wanted.accept_at,
            "precision_shown": _estimate(seen.shown),
            "recall_shown": _estimate(seen.found),
            "precision_accepted": _estimate(seen.accepted) if seen.accepted else None,
            "gate": gate,
            "added": seen.effect.added,
            "dropped": seen.effect.dropped,
            "shown": seen.effect.shown,
            "automatic": seen.effect.automatic,
        }
    )
    effect = seen.effect
    console.say(f"{source.name}: {detector} shown from {wanted.review_at:g}")
    console.say(f"  the queue would hold {effect.shown:,} ({effect.added:,} more, {effect.dropped:,} fewer)")
    console.say(f"  right among the shown   {_words(seen.shown)}")
    console.say(f"  found of all there are  {_words(seen.found)}")
    if seen.accepted and seen.verdict:
        console.say(f"  by itself from {wanted.accept_at:g}: {effect.automatic:,} corrections, {_words(seen.accepted)}")
        console.say(f"  the gate would be {'open' if seen.verdict.passes else 'closed'}: {seen.verdict.why}")
    return Exit.OK


def _bounds(options: Namespace, now: Policy) -> Policy:
    accept_at = now.accept_at if options.accept_at is None else options.accept_at
    return Policy(
        review_at=now.review_at if options.review_at is None else options.review_at,
        accept_at=None if options.by_hand else accept_at,
        target=now.target if options.target is None else options.target,
        audit_share=now.audit_share if options.audit is None else options.audit,
    )


def _known(detector: str) -> str:
    if detector not in registry.available():
        raise Refused(f"There is no detector {detector!r}: choose one of {', '.join(registry.available())}.")
    return detector


def _estimate(one: Estimate) -> dict[str, Any]:
    return {"value": one.share, "low": one.low, "high": one.high, "decided": one.decided}


def _words(one: Estimate) -> str:
    if one.share is None:
        return f"unknown: {one.decided} decided"
    return f"{percent(one.share)} ({percent(one.low)} to {percent(one.high)}, {one.decided:,} decided)"
