"""Model versions: which serve, how good they are; let another one serve, or the one before it again."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from crmquality.cli.console import Console, Exit
from crmquality.cli.session import session
from crmquality.models import ModelVersion
from crmquality.selectors.sources import named
from crmquality.services import learning
from crmquality.services.access import STAFF, UserRole, require
from crmquality.services.errors import Refused


def add_arguments(parser: ArgumentParser) -> None:
    """One word a thing to do; without one, the list."""
    parser.set_defaults(do="list", source=None, detector=None, all=False)
    words = parser.add_subparsers(dest="do", metavar="list|activate|rollback")
    listed = words.add_parser("list", help="the versions, the newest first")
    listed.add_argument("--source", help="of this source only")
    listed.add_argument("--detector", help="of this detector only")
    listed.add_argument("--all", action="store_true", help="retired ones too")
    chosen = words.add_parser("activate", help="let a version serve (admins)")
    chosen.add_argument("version", type=int, help="its id, as the list says")
    chosen.add_argument("--reason", default="", help="kept with the version")
    back = words.add_parser("rollback", help="let the version serve that served before (admins)")
    back.add_argument("source")
    back.add_argument("detector")
    back.add_argument("--reason", default="", help="kept with the version")


def execute(options: Namespace, console: Console) -> int:
    """Do it."""
    with session(console, options.user, *STAFF) as user:
        if options.do in (None, "list"):
            return _list(options, console)
        require(user, UserRole.ADMIN)
        why = options.reason or f"By {user} on the command line."
        if options.do == "activate":
            version = ModelVersion.objects.filter(pk=options.version).first()
            if version is None:
                raise Refused(f"There is no model version {options.version}: crmquality models lists them.")
            served = learning.activate(version=version, user=user, note=why)
        else:
            served = learning.roll_back(source=named(options.source), detector=options.detector, user=user, why=why)
        console.give(as_row(served))
        console.say(f"Version {served.number} of {served.detector} on {served.source.name} serves from now on.")
    return Exit.OK


def as_row(version: ModelVersion) -> dict[str, Any]:
    """A model version as JSON; see docs/cli.md."""
    return {
        "id": version.pk,
        "source": version.source.name,
        "detector": version.detector,
        "number": version.number,
        "state": version.state,
        "labels": version.labels,
        "metrics": version.metrics,
        "created_at": version.created_at.isoformat(),
        "activated_at": version.activated_at.isoformat() if version.activated_at else None,
        "activated_by": version.activated_by.username if version.activated_by else None,
        "note": version.note,
    }


def _list(options: Namespace, console: Console) -> int:
    versions = ModelVersion.objects.select_related("source", "activated_by")
    if options.source:
        versions = versions.filter(source=named(options.source))
    if options.detector:
        versions = versions.filter(detector=options.detector)
    if not options.all:
        versions = versions.exclude(state=ModelVersion.State.RETIRED)
    for version in versions:
        console.give(as_row(version))
        measured = ", ".join(f"{name} {value:.3f}" for name, value in sorted(version.metrics.items())[:3])
        console.say(
            f"{version.pk:>5}  {version.source.name}: {version.detector} v{version.number}  {version.state}, "
            f"{version.labels:,} labels{', ' + measured if measured else ''}"
        )
        if version.note:
            console.say(f"       {version.note}")
    if not versions:
        console.say("No model version: a first run of a detector that learns keeps one.")
    return Exit.OK
