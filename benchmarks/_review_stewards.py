"""Stewards as the web server meets them: each signed in, with a card on the desk and the next ones beside it."""

from __future__ import annotations

import http.client
import random
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from urllib.parse import urlencode, urlsplit

CARD = re.compile(r'data-item="(\d+)"[^>]*?data-key="([^"]+)"', re.DOTALL)
DROPPED = re.compile(r'data-gone="([\d ]*)"')
OUTCOME = re.compile(r'data-outcome="(\w*)"')
FORM = "application/x-www-form-urlencoded"
VERDICTS = ["accept"] * 11 + ["reject"] * 6 + ["unsure", "skip", "undo"]
"""Drawn from with equal chance: 55 % accept, 30 % reject, 5 % each of the others."""


@dataclass
class Held:
    """An item on a desk, from the answer that brought it to the moment its own verdict is sent."""

    item: int
    since: float
    until: float = float("inf")


@dataclass
class Said:
    """One answer of the server. outcome: as the page is told it ("done", "refused" ...)."""

    verdict: str
    item: int
    seconds: float
    outcome: str
    cards: int


@dataclass
class Steward:
    """One person at one desk."""

    address: str
    name: str
    password: str
    seed: int
    answers: list[Said] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        parts = urlsplit(self.address)
        self._line = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        self._cookies: dict[str, str] = {}
        self._stock: list[tuple[int, str]] = []
        self._on_desk: dict[int, Held] = {}
        self._sent = 0

    def sign_in(self) -> None:
        """Sign in by the form and open the queue. Raises RuntimeError if that fails."""
        self._ask("GET", "/login/")
        status, _ = self._ask("POST", "/login/", username=self.name, password=self.password)
        if status != 302:
            raise RuntimeError(f"{self.name} could not sign in: {status}")
        self._ask("GET", "/queue/")
        self._take(self._ask("POST", "/queue/next/", held="")[1])

    def work(self, until: Callable[[], bool], pace: float) -> None:
        """Decide one card after the other; pace: mean seconds that a card is looked at, 0 for none."""
        while not until():
            if pace:
                time.sleep(min(self._random.expovariate(1 / pace), 5 * pace))
            try:
                self._decide()
            except OSError as error:
                self.errors.append(type(error).__name__)
                self._line.close()

    def leave(self) -> None:
        """Close the tab."""
        self._ask("POST", "/queue/release/", held=self._kept())
        now = time.monotonic()
        for one in self._on_desk.values():
            one.until = now
        self._line.close()

    def _decide(self) -> None:
        verdict = self._random.choice(VERDICTS)
        if verdict == "undo":
            self._send("undo", 0, "/decisions/undo/")
        elif not self._stock:
            self._send("next", 0, "/queue/next/")
        else:
            item, key = self._stock.pop(0)
            self._sent += 1
            self._gone(item)
            if verdict == "skip":
                self._send("skip", item, f"/queue/{item}/skip/")
            else:
                self._send(
                    verdict, item, f"/queue/{item}/decide/", verdict=verdict, key=f"{key}-{self._sent}", seconds="1.0"
                )

    def _send(self, said: str, item: int, path: str, /, **values: str) -> None:
        started = time.perf_counter()
        status, text = self._ask("POST", path, held=self._kept(), **values)
        seconds = time.perf_counter() - started
        if status != 200:
            self.errors.append(f"{status} {path}")
            return
        outcome = OUTCOME.search(text)
        cards = self._take(text)
        self.answers.append(Said(said, item, seconds, outcome[1] if outcome else "", cards))

    def _take(self, text: str) -> int:
        dropped = DROPPED.search(text)
        for word in dropped[1].split() if dropped else []:
            self._gone(int(word))
            self._stock = [one for one in self._stock if one[0] != int(word)]
        cards = [(int(item), key) for item, key in CARD.findall(text)]
        for item, key in cards:
            self._gone(item)
            self._stock = [one for one in self._stock if one[0] != item] + [(item, key)]
            self._on_desk[item] = Held(item, time.monotonic())
            self.held.append(self._on_desk[item])
        return len(cards)

    def _gone(self, item: int) -> None:
        one = self._on_desk.pop(item, None)
        if one:
            one.until = time.monotonic()

    def _kept(self) -> str:
        return " ".join(str(item) for item, _ in self._stock)

    def _ask(self, method: str, path: str, **values: str) -> tuple[int, str]:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
        if token := self._cookies.get("csrftoken"):
            headers |= {"X-CSRFToken": token, "HX-Request": "true"}
        body = urlencode(values) if method == "POST" else None
        try:
            self._line.request(method, path, body, headers | ({"Content-Type": FORM} if body is not None else {}))
            answer = self._line.getresponse()
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            self._line.close()  # the server ended an idle connection, as it may; a browser asks again just so
            self._line.request(method, path, body, headers | ({"Content-Type": FORM} if body is not None else {}))
            answer = self._line.getresponse()
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                key, _, rest = value.partition("=")
                self._cookies[key] = rest.split(";", 1)[0]
        return answer.status, answer.read().decode()


def work_together(stewards: list[Steward], *, seconds: float, pace: float) -> float:
    """All of them at once for so long; returns how long it took."""
    started = time.monotonic()
    over = started + seconds
    threads = [threading.Thread(target=one.work, args=(lambda: time.monotonic() >= over, pace)) for one in stewards]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.monotonic() - started


def held_twice(stewards: list[Steward]) -> list[int]:
    """The items that were on two desks at one time."""
    spans = sorted(
        ((one.item, one.since, one.until, number) for number, steward in enumerate(stewards) for one in steward.held),
        key=lambda span: (span[0], span[1]),
    )
    return [
        earlier[0]
        for earlier, later in pairwise(spans)
        if earlier[0] == later[0] and earlier[3] != later[3] and later[1] < earlier[2]
    ]
