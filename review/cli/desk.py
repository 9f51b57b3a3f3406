"""Decide the queue in the terminal, one card at a time, with the keys of the page. ? lists them, q ends.

A card is yours while it is on the screen, and given back when you quit. With --json the waiting cards are printed as
JSON lines instead; nothing is reserved then.
"""

from __future__ import annotations

import signal
import sys
import time
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import PermissionDenied

from crmquality.cli.console import Console, Exit
from crmquality.cli.session import session
from crmquality.models import Record
from crmquality.selectors.sources import named
from crmquality.services import disclosing
from crmquality.services.access import DECIDERS
from crmquality.services.errors import Refused
from review.cli import cards
from review.cli.editing import edited
from review.cli.terminal import NoTerminal, Terminal
from review.models import Decision, DecisionBatch, ReviewItem
from review.selectors.cards import Card, card
from review.selectors.decided import NOTHING_WRITTEN, along_in_words, standing, undone_in_words
from review.services import checks, deciding, desks, queue
from review.services.filtering import Filters, Sort, visible_items

COUNTED = 1_000
CHECKS = 4
"""So many checks that propose the same are looked through, on average, for the cards that are listed."""

KEEP = 60.0
"""Seconds between two renewals of the card's lease."""

AWAY = 30 * 60.0
"""Without a key for so long the card is left to others: its lease ends by itself."""

ALERT_PAUSE = 30 * 60.0
KEYS = """\
  a      accept: apply the proposal         n  not sure
  x      reject: it is not asked again      k  known cause (of an anomaly)
  space  skip: comes back after the others  u  undo your last decision
  r      skip and say why                   v  reveal masked values (noted)
  e      edit: your own values              o  the fields that do not differ
  w      all that accepting writes          q  quit; the card is given back
  ?      this list"""
SHORT = "a accept  x reject  space skip  e edit  u undo  ? keys  q quit"


def add_arguments(parser: ArgumentParser) -> None:
    """The filters of the queue."""
    parser.add_argument("--source", help="of this source only")
    parser.add_argument("--detector", default="", help="of this detector only")
    parser.add_argument("--action", default="", choices=["", "set", "merge", "link", "flag"], help="of this kind only")
    parser.add_argument("--min-score", type=float, default=0.0)
    parser.add_argument("--mine", action="store_true", help="only what is assigned to you")
    parser.add_argument("--sort", default=Sort.RANK.value, choices=Sort.values, help="what comes first")
    parser.add_argument("--limit", type=int, default=20, help="with --json: so many cards at most")


def execute(options: Namespace, console: Console) -> int:
    """Serve cards until the person quits; with --json list them."""
    with session(console, options.user, *DECIDERS) as user:
        filters = Filters(
            source=named(options.source).pk if options.source else None,
            detector=options.detector,
            action=options.action,
            min_score=options.min_score,
            assigned="me" if options.mine else "",
            sort=options.sort,
        )
        if console.as_json:
            for item in _questions(_waiting(user, filters).select_related("finding", "source"), options.limit):
                console.give(cards.as_row(card(item)))
            return Exit.OK
        try:
            terminal = Terminal()
        except NoTerminal:
            raise Refused("review reads keys from a terminal: start it in one, or take --json to list cards.") from None
        with _ended_by_signals():
            desk = Desk(user, filters, terminal)
            desk.serve()
        console.say(desk.summary())
    return Exit.OK


class Desk:
    """One person, one card."""

    def __init__(self, user: Any, filters: Filters, terminal: Terminal) -> None:
        self.user = user
        self.filters = filters
        self.terminal = terminal
        self.done: Counter[str] = Counter()
        self.card: Card | None = None
        self._shown = self._pressed = time.monotonic()
        self._check_noted = 0
        self._alerted = -ALERT_PAUSE
        self._over_budget = False

    @property
    def item(self) -> ReviewItem:
        """The item on the desk."""
        assert self.card is not None
        return self.card.item

    def serve(self) -> None:
        """Cards until the queue is empty or the person quits; what is held is given back however it ends."""
        try:
            self._next()
            while self.card is not None and self._press():
                pass
        except (EOFError, KeyboardInterrupt):
            self.terminal.write()
        finally:
            self._put_back()

    def summary(self) -> str:
        """What was done, in a line."""
        said = ", ".join(f"{count} {word}" for word, count in self.done.items() if count)
        return f"Done: {said}." if said else "Nothing decided."

    def _press(self) -> bool:
        """One key; whether to go on."""
        key = self.terminal.key(every=KEEP, meanwhile=self._keep)
        self._pressed = time.monotonic()
        if key == "q":
            return False
        act = self._acts().get(key)
        if act is None:
            self.terminal.write(SHORT)
            return True
        try:
            act()
        except (Refused, PermissionDenied) as refusal:
            self.terminal.wrapped(str(refusal), indent="")
            self._again()
        return self.card is not None

    def _acts(self) -> dict[str, Callable[[], None]]:
        assert self.card is not None
        shown = self.card
        return {
            "a": lambda: self._decide(Decision.Verdict.ACCEPT),
            "x": lambda: self._decide(Decision.Verdict.REJECT),
            "n": lambda: self._decide(Decision.Verdict.UNSURE),
            "k": self._expected,
            "e": self._edit,
            " ": lambda: self._skip(""),
            "r": self._skip_with_reason,
            "u": self._undo,
            "\x7f": self._undo,
            "v": self._reveal,
            "o": lambda: cards.same_fields(shown, self.terminal),
            "w": lambda: cards.all_writes(shown, self.terminal),
            "?": lambda: self.terminal.write(KEYS),
        }

    def _decide(self, verdict: Decision.Verdict, choices: dict[str, Any] | None = None) -> None:
        """Record a verdict. A merge is sent with the digest of the plan that was seen, so that nothing else is done."""
        item, seconds = self.item, time.monotonic() - self._shown
        if checks.is_check(item):
            answer = checks.answer(item=item, verdict=verdict, user=self.user, seconds=seconds)
            self.done["checked"] += 1
            self._say(checks.said(answer))
            return self._next(avoid=item.pk)
        if self.card and self.card.merge and choices is None and verdict == Decision.Verdict.ACCEPT:
            choices = {"seen": self.card.merge.digest}
        decision = deciding.decide(item=item, verdict=verdict, user=self.user, edited=choices, seconds=seconds)
        self.done[SAID[verdict]] += 1
        self._say(f"{SAID[verdict].capitalize()}. {along_in_words(decision)}".rstrip())
        self._alert()
        return self._next(avoid=item.pk)

    def _expected(self) -> None:
        if self.item.action != "flag":
            raise Refused("k is for anomalies: a true one with a known cause.")
        self._decide(Decision.Verdict.EXPECTED)

    def _edit(self) -> None:
        assert self.card is not None
        choices = edited(self.card, self.terminal)
        if choices is None:
            self._say("Nothing was changed.")
            return
        merges = self.card.merge is not None
        self._decide(Decision.Verdict.ACCEPT if merges else Decision.Verdict.EDIT, choices)

    def _skip(self, reason: str) -> None:
        item = self.item
        queue.skip(item=item, user=self.user, reason=reason)
        self.done["skipped"] += 1
        self._say("Skipped: it comes back after the others.")
        self._next(avoid=item.pk)

    def _skip_with_reason(self) -> None:
        reason = self.terminal.line("Why not now? ")
        if reason is not None:
            self._skip(reason)

    def _undo(self) -> None:
        """As the page's key: a check is told of once, decisions made together are undone together on the page."""
        check = checks.undone_in_vain(self.user, self._check_noted)
        if check:
            self._check_noted = check.pk
            raise Refused(NOTHING_WRITTEN)
        latest = standing(self.user)
        if latest is None:
            raise Refused("Nothing to undo.")
        if DecisionBatch.objects.of(latest):
            raise Refused("Your last decision was made together with others: undo it on the page, under Batches.")
        undone = deciding.undo_decision(decision=latest, user=self.user)
        self.done["undone"] += 1
        self._put_back()
        self._say(undone_in_words(undone))
        again = queue.claim(user=self.user, item_id=latest.item_id)
        self._lay(again) if again else self._next()

    def _reveal(self) -> None:
        assert self.card is not None
        if not self.card.masked:
            raise Refused("Nothing is masked for you here.")
        why = self.terminal.line("Why do you need to see the values? ") if self.card.reason_required else ""
        if why is None:
            return
        records = Record.objects.filter(pk__in=[one.pk for one in self.card.records]).select_related("source")
        disclosing.reveal(records=list(records), user=self.user, why=why)
        self._again()

    def _again(self) -> None:
        """The same card as it is now, if it is still to be decided by this person; else the next one."""
        item = self.item
        if checks.is_check(item):
            return self._lay(item)
        held = queue.claim(user=self.user, item_id=item.pk)
        return self._lay(held) if held else self._next()

    def _next(self, avoid: int | None = None) -> None:
        """Lay the next card; none where the queue is empty or the day's budget is used up and they stop."""
        self.card = None
        budget = desks.budget_of(self.user)
        if budget and not budget.left and not self._over_budget:
            self._say(f"You have decided the {budget.cards} cards of today. a goes on, every other key ends.")
            if self.terminal.key(every=KEEP, meanwhile=lambda: None) != "a":
                return
            self._over_budget = True
        avoided = [avoid] if avoid else []
        desk = queue.fill(user=self.user, filters=self.filters, want=1, avoid=avoided)
        if not desk.fresh and avoid:
            desk = queue.fill(user=self.user, filters=self.filters, want=1)  # what was skipped is all there is
        if desk.fresh:
            self._lay(desk.fresh[0], desk.records)
        else:
            self._say("The queue is empty.")

    def _lay(self, item: ReviewItem, records: dict[int, Record] | None = None) -> None:
        self.card = card(item, None if checks.is_check(item) else records)
        self._shown = time.monotonic()
        waiting = _waiting(self.user, self.filters)[: COUNTED + 1].count()
        cards.show(self.card, self.terminal, waiting=f"{COUNTED}+" if waiting > COUNTED else str(waiting))
        self.terminal.write(self.terminal.styled("faint", SHORT))

    def _keep(self) -> None:
        """Nobody pressed a key for a while: the card stays theirs, until they seem to be away."""
        if self.card and time.monotonic() - self._pressed < AWAY:
            queue.renew(user=self.user, held=[self.item.pk])

    def _put_back(self) -> None:
        if self.card:
            queue.release(user=self.user, held=[self.item.pk])

    def _alert(self) -> None:
        if time.monotonic() - self._alerted >= ALERT_PAUSE:
            word = checks.alert(self.user)
            if word:
                self._alerted = time.monotonic()
                self._say(word)

    def _say(self, text: str) -> None:
        self.terminal.wrapped(text, indent="")


SAID = {
    Decision.Verdict.ACCEPT: "accepted",
    Decision.Verdict.REJECT: "rejected",
    Decision.Verdict.EDIT: "corrected",
    Decision.Verdict.EXPECTED: "noted as expected",
    Decision.Verdict.UNSURE: "noted as unsure",
}


def _waiting(user: Any, filters: Filters) -> Any:
    """What waits for this person, in the order of the queue."""
    return filters.apply(visible_items(user).available_to(user.pk), user).order_by(*filters.order)


def _questions(items: Any, limit: int) -> list[ReviewItem]:
    """The first of these items, one a question: what asks the same as one before it is left out."""
    asked: dict[str, ReviewItem] = {}
    for item in items[: limit * CHECKS]:
        asked.setdefault(item.finding.fingerprint if item.action == "set" else f"item {item.pk}", item)
    return list(asked.values())[:limit]


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """A closed window or a kill ends the command as Ctrl-C does, so that the card is given back."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    signs = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(sign, stop) for sign in signs]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        for sign, handler in zip(signs, before, strict=True):
            signal.signal(sign, handler)
        sys.stdout.flush()
