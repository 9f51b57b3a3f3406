"""The contract of look-ups as tests: give your adapter a `Bench`, and run every check over it.

    @pytest.mark.parametrize("check", all_checks(), ids=lambda check: check.__name__)
    def test_my_look_up_keeps_the_contract(check, bench):
        check(bench)

Each check raises AssertionError, with a sentence, where the contract is broken.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping
from typing import Any

from crmquality.connectors.contract import Line
from crmquality.connectors.faults import Denied, QuotaSpent, SystemFault
from crmquality.connectors.settings import read
from crmquality.enrichment.contract import Adapter, LookUp
from crmquality.enrichment.matching import key_of
from detectors.roles import Role


class Bench(ABC):
    """An adapter with something to ask.

    key: the role it is asked by. given: what a person would fill in. known: a text that it knows, and what it knows.
    shared: a text that two entries hold; "" if there is none.
    """

    adapter: Adapter
    key: Role
    given: Mapping[str, Any]
    known: tuple[str, Mapping[Role, str]]
    shared: str = ""

    def wrong_login(self) -> Mapping[str, Any] | None:
        """What to fill in so that the login is refused; None if it knows none."""
        return None

    def open(self, line: Line | None = None, given: Mapping[str, Any] | None = None) -> LookUp:
        """Open the look-up."""
        plain, secrets = read(self.adapter.settings, self.given if given is None else given)
        return self.adapter.open(self.key, plain, secrets, line or Line())


Check = Callable[[Bench], None]


def all_checks() -> list[Check]:
    """Every check of a look-up."""
    return [
        it_says_what_it_is_without_a_secret,
        a_known_key_is_answered_in_roles,
        answers_stand_in_the_order_of_the_keys,
        what_several_hold_is_nobodys,
        requests_are_counted_and_end_with_the_quota,
        a_wrong_login_is_denied_without_saying_the_secret,
    ]


def it_says_what_it_is_without_a_secret(bench: Bench) -> None:
    """`check` gives a sentence, and `gives` the roles that it may know."""
    _, secrets = read(bench.adapter.settings, bench.given)
    with bench.open() as look_up:
        said = look_up.check()
        assert said
        assert not any(value in said for value in secrets.values()), "the sentence holds a secret"
        assert set(bench.known[1]) <= set(look_up.gives())


def a_known_key_is_answered_in_roles(bench: Bench) -> None:
    """What is known comes as text by role, none of it blank; another spelling of the key gives the same."""
    text, expected = bench.known
    with bench.open() as look_up:
        for spelt in (text, f"  {text.upper()} "):
            (answer,) = look_up.ask([key_of(bench.key, spelt)])
            assert answer is not None, f"{spelt!r} is not known"
            assert dict(answer.values) == dict(expected)
            assert all(isinstance(value, str) and value.strip() for value in answer.values.values())


def answers_stand_in_the_order_of_the_keys(bench: Bench) -> None:
    """One answer a key, None for what is not known; no key, no answer."""
    known = key_of(bench.key, bench.known[0])
    with bench.open() as look_up:
        found = look_up.ask(["nobody.invalid", known, "nobody-else.invalid"])
        assert [answer is not None for answer in found] == [False, True, False]
        assert look_up.ask([]) == []


def what_several_hold_is_nobodys(bench: Bench) -> None:
    """A key that two entries hold is answered by None: neither may be taken for the other."""
    if bench.shared:
        with bench.open() as look_up:
            assert look_up.ask([key_of(bench.key, bench.shared)]) == [None]


def requests_are_counted_and_end_with_the_quota(bench: Bench) -> None:
    """`Line.spend` is called before every request, and what it raises stops them; what is local spends nothing."""
    spent: list[int] = []

    def spend() -> None:
        if len(spent) >= 2:
            raise QuotaSpent("No more today.")
        spent.append(1)

    key = key_of(bench.key, bench.known[0])
    with bench.open(Line(spend=spend)) as look_up:
        look_up.ask([key])
        assert bool(spent) is not bench.adapter.is_local, "requests are not counted"
        if not bench.adapter.is_local:
            try:
                look_up.ask([key, "second.invalid", "third.invalid"])
            except QuotaSpent:
                return
            raise AssertionError("a request was made without quota")


def a_wrong_login_is_denied_without_saying_the_secret(bench: Bench) -> None:
    """The fault is Denied, and holds no secret."""
    given = bench.wrong_login()
    if given is None:
        return
    _, secrets = read(bench.adapter.settings, given)
    fault: Exception | None = None
    try:
        with bench.open(given=given) as look_up:
            look_up.ask([key_of(bench.key, bench.known[0])])
    except SystemFault as raised:
        fault = raised
    assert isinstance(fault, Denied), "a wrong login is not told as one"
    assert not any(value in str(fault) for value in secrets.values()), "the message holds a secret"
