"""Look-ups: made, changed, tried; asked in a run, and what they answered kept.

A run asks first of all what is kept, so a service that does not answer withdraws no proposal; then, key by key, what is
not known yet, up to a number a run. Nothing is written into a record here: what is known is proposed to a person.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from django.utils import timezone
from django.utils.text import get_valid_filename

from crmquality.connectors.contract import Line
from crmquality.connectors.faults import SystemFault
from crmquality.connectors.settings import moved, read, require_secrets
from crmquality.enrichment import registry
from crmquality.enrichment.contract import KEYS, Adapter, Answer, LookUp
from crmquality.enrichment.files import lookup_folder
from crmquality.enrichment.matching import DIFFERS, SCORES, key_of, same
from crmquality.models import Enrichment, LookedUp, Source
from crmquality.services import vault
from crmquality.services.connections import faults_as_refused
from crmquality.services.errors import Refused
from detectors.contract import Batch
from detectors.enrichment.detector import Suggestion
from detectors.roles import Role

AT_ONCE = 50
LARGEST_FILE = 512 * 2**20
LONGEST_KEPT = 3_650
MOST_A_RUN = 100_000


def make(
    *, source: Source, name: str, adapter: str, given: Mapping[str, Any], terms: Mapping[str, Any], user: Any = None
) -> Enrichment:
    """Keep a new look-up; it is not asked. given: setting -> value, secrets among them.

    terms: key, fills, replaces, provider, licence, keep_days, most, is_on; those left out are as the model has them.
    Raises Refused for an unknown adapter, settings or terms that do not do, or a name that is taken.
    """
    kind, name = adapter_of(adapter), name.strip()
    if not name or len(name) > 60:
        raise Refused("A look-up needs a name of at most 60 characters.")
    if Enrichment.objects.filter(source=source, name=name).exists():
        raise Refused(f"{source.name} has a look-up {name!r} already.")
    made = Enrichment(source=source, name=name, adapter=adapter, created_by=user)
    _set_terms(made, terms)
    with faults_as_refused():
        made.settings, secrets = read(kind.settings, given)
        require_secrets(kind.settings, secrets)
    made.secrets = vault.seal(secrets, bound_to=made.uid)
    made.save()
    return made


def change(*, enrichment: Enrichment, given: Mapping[str, Any], terms: Mapping[str, Any]) -> Enrichment:
    """Change how and for what it is asked. Secrets left blank stay, unless they would be sent to another place.

    What it answered before is forgotten where it is asked otherwise now. Raises Refused.
    """
    kind = adapter_of(enrichment.adapter)
    before = (enrichment.settings, enrichment.key)
    with faults_as_refused():
        plain, secrets = read(kind.settings, given)
        known = {} if moved(kind.settings, enrichment.settings, plain) else _secrets(enrichment)
        require_secrets(kind.settings, {**known, **secrets})
    _set_terms(enrichment, terms)
    enrichment.settings, enrichment.error = plain, ""
    enrichment.secrets = vault.seal({**known, **secrets}, bound_to=enrichment.uid)
    enrichment.save()
    if before != (enrichment.settings, enrichment.key):
        enrichment.answers.all().delete()
    return enrichment


def remove(*, enrichment: Enrichment) -> None:
    """Forget it and what it answered; what was accepted stays, with its source and licence."""
    enrichment.delete()


def try_out(enrichment: Enrichment) -> str:
    """Ask whether it answers. Raises Refused with the reason if it does not."""
    with faults_as_refused(), opened(enrichment) as look_up:
        said = look_up.check()
    Enrichment.objects.filter(pk=enrichment.pk).update(error="")
    return said


def keep_file(*, name: str, pieces: Iterable[bytes]) -> str:
    """Put a file into the folder of look-ups, in the place of one of this name; returns its name there.

    It is written beside and renamed, so a run never reads half a file. Raises Refused if it is too large.
    """
    kept = get_valid_filename(Path(name).name)[-100:]
    path = lookup_folder() / kept
    part, size = path.with_suffix(f"{path.suffix}.part"), 0
    try:
        with part.open("wb") as file:
            for piece in pieces:
                size += len(piece)
                if size > LARGEST_FILE:
                    raise Refused(f"A file has at most {LARGEST_FILE // 2**20:,} MB.")
                file.write(piece)
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)
    return kept


def adapter_of(name: str) -> Adapter:
    """An installed adapter. Raises Refused."""
    try:
        return registry.load(name)
    except (registry.UnknownAdapter, ImportError) as error:
        raise Refused(str(error)) from error


def held_secrets(enrichment: Enrichment) -> set[str]:
    """The names of the secrets that are kept."""
    try:
        return set(_secrets(enrichment))
    except Refused:
        return set()


@contextmanager
def opened(enrichment: Enrichment) -> Iterator[LookUp]:
    """The look-up, open. Raises Refused, and what the adapter does."""
    kind = adapter_of(enrichment.adapter)
    with kind.open(Role(enrichment.key), enrichment.settings, _secrets(enrichment), Line(timeout=15)) as look_up:
        yield look_up


def key_roles(source: Source) -> list[Role]:
    """The roles by which look-ups of a source can be asked: those that a column of it holds."""
    held = set(source.column_roles.values())
    return [role for role in KEYS if role in held]


class Enricher:
    """Asks the look-ups of a source for a run."""

    def __init__(self, source: Source) -> None:
        self.enrichments = list(Enrichment.objects.filter(source=source, is_on=True))

    def __call__(self, batch: Batch, report: Callable[..., None]) -> Iterator[Suggestion]:
        """What they know of the records of a batch. One that fails is noted and ends no other."""
        for place, one in enumerate(self.enrichments):
            report(place, len(self.enrichments), f"look-up: {one.name}")
            column = batch.column(Role(one.key))
            if column is None:
                _note(one, f"No column holds a {one.key.replace('_', ' ')}.")
                continue
            keys = _keys(batch.frame[column], Role(one.key))
            known = self._known(one, list(dict.fromkeys(keys)), report)
            yield from _suggestions(one, batch, column, keys, known)

    def _known(self, one: Enrichment, keys: Sequence[str], report: Callable[..., None]) -> dict[str, Answer | None]:
        """Key -> what is known of it: kept answers, and new ones as far as they can be had now."""
        adapter = adapter_of(one.adapter)
        fresh = timezone.now() - timedelta(days=one.keep_days)
        kept = {} if adapter.is_local else {answer.key: answer for answer in one.answers.all().iterator()}
        found = {key: _answer(answer) for key in keys if (answer := kept.get(_digest(key))) is not None}
        wanted = [key for key in keys if (held := kept.get(_digest(key))) is None or held.at < fresh]
        if not adapter.is_local:
            wanted = wanted[: one.most]
        try:
            if wanted:
                with opened(one) as look_up:
                    for start in range(0, len(wanted), AT_ONCE):
                        part = wanted[start : start + AT_ONCE]
                        answers = dict(zip(part, look_up.ask(part), strict=True))
                        found |= answers
                        if not adapter.is_local:
                            _keep(one, answers)
                        report(start, len(wanted), f"look-up: {one.name}")
            _note(one, "")
        except (SystemFault, Refused) as fault:
            _note(one, str(fault))
        return found


def _keys(cells: pd.Series, role: Role) -> pd.Series:
    """The keys of those records that have one."""
    keys = cells.map(lambda cell: "" if pd.isna(cell) else key_of(role, cell))
    return keys[keys != ""]


def _suggestions(
    one: Enrichment, batch: Batch, column: str, keys: pd.Series, known: Mapping[str, Answer | None]
) -> Iterator[Suggestion]:
    """What is known and not so in a record: a value for a blank, or, where that is wanted, for one that differs."""
    wanted = {Role(role) for role in one.fills}
    targets = {role: name for role in Role if (name := batch.column(role)) is not None and name != column}
    label = one.key.replace("_", " ")
    for record, key in keys.items():
        answer = known.get(key)
        for role, value in answer.values.items() if answer else ():
            target = targets.get(role)
            if target is None or (wanted and role not in wanted):
                continue
            held = batch.frame.at[record, target]
            is_blank = pd.isna(held) or not str(held).strip()
            if not is_blank and (not one.replaces or same(role, str(held), value)):
                continue
            title = f", found as “{answer.title}”" if answer and answer.title else ""
            yield Suggestion(
                record=int(record),
                column=target,
                value=value,
                score=round(SCORES[Role(one.key)] - (0 if is_blank else DIFFERS), 4),
                why=f"{one.name} knows it by the {label} “{batch.frame.at[record, column]}”{title}",
                source=f"{one.provider}{f', {answer.address}' if answer and answer.address else ''}",
                licence=one.licence,
                rule=f"{one.name}: {target}"[:120],
                fields=(column, target),
            )


def _set_terms(enrichment: Enrichment, terms: Mapping[str, Any]) -> None:
    for name, value in terms.items():
        setattr(enrichment, name, value.strip() if isinstance(value, str) else value)
    keys = key_roles(enrichment.source)
    if enrichment.key not in keys:
        choices = ", ".join(role.value for role in keys) or "no column: confirm its columns first"
        raise Refused(f"A look-up of {enrichment.source.name} can be asked by {choices}.")
    if not enrichment.provider or not enrichment.licence:
        raise Refused("Say who provides the values, and under which licence: both stand with every proposal.")
    if max(len(enrichment.provider), len(enrichment.licence)) > 200:
        raise Refused("Provider and licence have at most 200 characters each.")
    unknown = sorted(set(enrichment.fills) - {role.value for role in Role})
    if unknown:
        raise Refused(f"{', '.join(unknown)}: no meaning that a column can have.")
    if not 1 <= enrichment.keep_days <= LONGEST_KEPT:
        raise Refused(f"Answers are kept from 1 to {LONGEST_KEPT:,} days.")
    if not 1 <= enrichment.most <= MOST_A_RUN:
        raise Refused(f"From 1 to {MOST_A_RUN:,} keys are asked for in a run.")


def _secrets(enrichment: Enrichment) -> dict[str, str]:
    return vault.unseal(enrichment.secrets, bound_to=enrichment.uid)


def _note(one: Enrichment, error: str) -> None:
    Enrichment.objects.filter(pk=one.pk).update(error=error[:300], asked_at=timezone.now())


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _answer(kept: LookedUp) -> Answer | None:
    if kept.values is None:
        return None
    known = {role.value: role for role in Role}
    values = {known[role]: text for role, text in kept.values.items() if role in known}
    return Answer(values, kept.title, kept.address)


def _keep(one: Enrichment, answers: Mapping[str, Answer | None]) -> None:
    now = timezone.now()
    rows = [
        LookedUp(
            enrichment=one,
            key=_digest(key),
            values={role.value: text for role, text in answer.values.items()} if answer else None,
            title=answer.title[:500] if answer else "",
            address=answer.address[:500] if answer else "",
            at=now,
        )
        for key, answer in answers.items()
    ]
    fields = ["values", "title", "address", "at"]
    LookedUp.objects.bulk_create(rows, update_conflicts=True, unique_fields=["enrichment", "key"], update_fields=fields)


def sweep_answers() -> int:
    """Forget answers that are twice as old as they are kept; returns how many."""
    removed = 0
    for one in Enrichment.objects.all():
        removed += one.answers.filter(at__lt=timezone.now() - 2 * timedelta(days=one.keep_days)).delete()[0]
    return removed
