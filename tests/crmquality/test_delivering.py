"""Messages to others: signed, tried again, told once, kept when nobody takes them, and never into a private network."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from crmquality.services import outgoing

pytestmark = pytest.mark.django_db


class Receiver:
    """A web server on a free port that keeps what it gets and answers as told."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                status = outer.answers.pop(0) if outer.answers else 200
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return None

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?x=1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver()
    yield running
    running.server.shutdown()


@pytest.fixture
def destination(receiver: Receiver) -> Any:
    from crmquality.services import delivering

    return delivering.save_destination(
        name="ops", kind="webhook", target=receiver.url, events=["test"], allow_private=True, user=None
    )


def tell(key: str = "a") -> list[Any]:
    from crmquality.services import delivering

    return delivering.tell("test", key=key, title="Deals a day", text="42 deals", data={"value": 42})


def send(delivery: Any) -> Any:
    """One attempt, as a worker makes it, as if its time had come."""
    from crmquality.models import Delivery
    from crmquality.services import delivering

    Delivery.objects.filter(pk=delivery.pk, state="queued").update(run_after=timezone.now() - timedelta(seconds=1))
    delivering.execute_delivery(delivery.pk)
    delivery.refresh_from_db()
    return delivery


def test_a_message_is_signed_as_standard_webhooks_says(receiver: Receiver, destination: Any) -> None:
    from crmquality.services import delivering

    (delivery,) = tell()
    assert send(delivery).state == "succeeded"
    headers, body = receiver.got[0]
    assert json.loads(body)["type"] == "test"
    assert json.loads(body)["data"] == {"value": 42}
    key = base64.b64decode(delivering.shown_key(destination).removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert headers["webhook-id"] == delivery.message_id


def test_after_a_change_of_key_both_sign_for_a_day(receiver: Receiver, destination: Any) -> None:
    from crmquality.models import Destination
    from crmquality.services import delivering

    old = delivering.shown_key(destination)
    delivering.change_key(destination)
    assert delivering.shown_key(destination) != old
    send(tell("a")[0])
    Destination.objects.update(key_changed_at=timezone.now() - timedelta(days=2))
    send(tell("b")[0])
    counts = [len(headers["webhook-signature"].split()) for headers, _ in receiver.got]
    assert counts == [2, 1]


def test_one_is_told_once_of_each_key_and_only_of_the_events_it_asked_for(destination: Any) -> None:
    from crmquality.models import Destination

    assert len(tell("a")) == 1
    assert tell("a") == []
    Destination.objects.update(events=[])
    assert tell("b") == []


def test_what_fails_is_tried_again_later_and_then_succeeds(receiver: Receiver, destination: Any) -> None:
    receiver.answers = [500, 302, 200]
    (delivery,) = tell()
    assert send(delivery).state == "queued"
    assert (delivery.answer, delivery.error) == (500, "It answered 500.")
    assert delivery.run_after > timezone.now()
    assert "redirects are not followed" in send(delivery).error
    assert send(delivery).state == "succeeded"
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1


def test_after_all_attempts_it_is_a_dead_letter_that_can_be_sent_again(receiver: Receiver, destination: Any) -> None:
    from crmquality.models import Delivery
    from crmquality.services import delivering
    from crmquality.services.errors import Conflict
    from review.selectors import destinations

    receiver.answers = [503] * 8
    (delivery,) = tell()
    with pytest.raises(Conflict):
        delivering.replay(delivery)
    for _ in range(8):
        send(delivery)
    assert (delivery.state, delivery.attempts) == ("failed", 8)
    assert destinations.dead_letters() == [delivery]
    again = delivering.replay(delivery)
    assert again.message_id == delivery.message_id
    assert send(again).state == "succeeded"
    assert destinations.dead_letters() == []
    assert Delivery.objects.count() == 2


def test_a_destination_that_fails_again_and_again_is_left_in_peace_for_a_while(
    receiver: Receiver, destination: Any
) -> None:
    receiver.answers = [500] * 5
    waiting = tell("waits")[0]
    for number in range(5):
        send(tell(str(number))[0])
    destination.refresh_from_db()
    waiting.refresh_from_db()
    assert destination.failures == 5
    assert waiting.run_after == destination.paused_until > timezone.now()
    assert tell("late")[0].run_after == destination.paused_until
    assert send(waiting).state == "succeeded"
    destination.refresh_from_db()
    assert (destination.failures, destination.paused_until) == (0, None)


def test_one_that_says_it_is_gone_is_switched_off(receiver: Receiver, destination: Any) -> None:
    receiver.answers = [410]
    assert send(tell()[0]).state == "failed"
    destination.refresh_from_db()
    assert not destination.enabled
    assert tell("b") == []


def test_a_private_address_is_not_reached_unless_an_admin_allows_it(receiver: Receiver, destination: Any) -> None:
    from crmquality.models import Destination

    Destination.objects.update(allow_private=False)
    assert "private network" in send(tell()[0]).error
    assert not receiver.got


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
        ),
        *("::1", "fe80::1", "fe80::1%eth0", "fc00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "::"),
        *("2001:0:4136:e378:8000:63bf:f5ff:fffe", "255.255.255.255", "192.0.2.1", "198.18.0.1", "ff02::1"),
    ],
)
def test_private_addresses_however_they_are_written_are_known(address: str) -> None:
    assert not outgoing.is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::5db8:d822"])
def test_public_ones_too(address: str) -> None:
    assert outgoing.is_public(address)


def test_a_name_with_one_private_address_among_public_ones_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(0, 0, 0, "", (address, 443)) for address in ("93.184.216.34", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(outgoing.Unreachable, match="private"):
        outgoing.resolve("both.example", 443, allow_private=False)


def test_the_connection_goes_to_the_address_that_was_checked(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = receiver.server.server_port
    answers = [[(0, 0, 0, "", ("127.0.0.1", port))]]
    real = socket.getaddrinfo

    def changing(host: str, *rest: Any, **named: Any) -> Any:
        if host != "rebinding.example":
            return real(host, *rest, **named)
        return answers.pop() if answers else pytest.fail("the name was resolved again")

    monkeypatch.setattr(socket, "getaddrinfo", changing)
    assert outgoing.post(f"http://rebinding.example:{port}/", b"{}", {}, allow_private=True) == 200
    assert receiver.got[0][0]["host"] == f"rebinding.example:{port}"


def test_an_answer_that_drips_is_cut_off_in_time() -> None:
    listening = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        other, _ = listening.accept()
        while True:
            try:
                other.sendall(b"HTTP/1.1 200 OK\r\nX: y\r\n" if threading.Event().wait(0.2) else b"X: y\r\n")
            except OSError:
                return

    threading.Thread(target=drip, daemon=True).start()
    with pytest.raises(outgoing.Unreachable):
        outgoing.post(f"http://127.0.0.1:{listening.getsockname()[1]}/", b"{}", {}, allow_private=True, timeout=1)
    listening.close()


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/",
        "example.com",
        "https://",
        "https://a:b@example.com/",
        "http://e.com:99999/",
        "http://e.com/a b",
    ],
)
def test_what_is_no_address_is_refused_when_it_is_typed(url: str, admin: Any) -> None:
    from crmquality.services import delivering
    from crmquality.services.errors import Refused

    with pytest.raises(Refused):
        delivering.save_destination(name="x", kind="webhook", target=url, events=[], user=admin)


def test_an_e_mail_address_is_told_by_mail(settings: Any, admin: Any) -> None:
    from crmquality.services import delivering
    from crmquality.services.errors import Refused

    given = {"name": "ann", "kind": "email", "events": ["test"], "user": admin}
    with pytest.raises(Refused, match="CRMQUALITY_MAIL_HOST"):
        delivering.save_destination(**given, target="ann@example.com")
    settings.EMAIL_HOST = "localhost"
    with pytest.raises(Refused, match="no e-mail address"):
        delivering.save_destination(**given, target="ann at example")
    delivering.save_destination(**given, target="ann@example.com")
    assert send(tell()[0]).state == "succeeded"
    (sent,) = mail.outbox
    assert (sent.to, sent.subject, sent.body) == (["ann@example.com"], "Deals a day", "42 deals")


def test_a_mail_server_that_is_away_means_trying_again(
    settings: Any, admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crmquality.services import delivering

    settings.EMAIL_HOST = "127.0.0.1"
    settings.EMAIL_PORT = 1
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    delivering.save_destination(name="a", kind="email", target="a@example.com", events=["test"], user=admin)
    delivery = send(tell()[0])
    assert delivery.state == "queued"
    assert "mail server" in delivery.error


def test_two_destinations_of_one_name_are_refused(destination: Any, admin: Any) -> None:
    from crmquality.services import delivering
    from crmquality.services.errors import Refused

    with pytest.raises(Refused, match="named 'ops'"):
        delivering.save_destination(name="ops", kind="webhook", target="https://e.com/", events=[], user=admin)
    with pytest.raises(Refused, match="no event"):
        delivering.save_destination(name="b", kind="webhook", target="https://e.com/", events=["x"], user=admin)


class TestPages:
    def test_an_admin_adds_tests_and_removes_a_destination(self, client: Any, admin: Any) -> None:
        from crmquality.models import Delivery, Destination

        client.force_login(admin)
        bad = client.post("/destinations/", {"name": "crm", "kind": "webhook", "target": "nowhere"})
        assert (bad.status_code, Destination.objects.count()) == (400, 0)
        assert "Give a whole address" in bad.content.decode()
        client.post("/destinations/", {"name": "crm", "kind": "webhook", "target": "https://e.com/", "events": []})
        made = Destination.objects.get()
        client.post(f"/destinations/{made.pk}/act/", {"act": "test"})
        assert Delivery.objects.get().event == "test"
        assert "whsec_" in client.get(f"/destinations/{made.pk}/").content.decode()
        client.post(f"/destinations/{made.pk}/act/", {"act": "remove"})
        assert not Destination.objects.exists()

    def test_an_auditor_sees_no_signing_key(self, client: Any, make_user: Any, destination: Any) -> None:
        client.force_login(make_user("auditor"))
        page = client.get(f"/destinations/{destination.pk}/").content.decode()
        assert "whsec_" not in page
        assert "Add one" not in client.get("/destinations/").content.decode()

    def test_a_dead_letter_is_sent_again_from_the_page(self, client: Any, admin: Any, destination: Any) -> None:
        from crmquality.models import Delivery

        dead = Delivery.objects.create(destination=destination, event="test", key="1", state="failed", title="Lost")
        client.force_login(admin)
        assert "Dead letters" in client.get("/destinations/").content.decode()
        client.post(f"/deliveries/{dead.pk}/replay/")
        assert Delivery.objects.get(replays=dead).state == "queued"


def test_the_api_makes_changes_and_removes_destinations(client: Any, admin: Any) -> None:
    client.force_login(admin)
    sent = {"name": "crm", "kind": "webhook", "target": "https://e.com/", "events": ["test"]}
    made = client.post("/api/v1/destinations/", sent, content_type="application/json").json()
    assert made["enabled"]
    put = client.put(f"/api/v1/destinations/{made['id']}/", sent | {"enabled": False}, content_type="application/json")
    assert put.json()["enabled"] is False
    place = f"/api/v1/destinations/{made['id']}"
    before = client.get(f"{place}/key/").json()["key"]
    assert client.post(f"{place}/key/").json()["key"] != before
    test = client.post(f"{place}/test/").json()
    assert client.get("/api/v1/deliveries/", {"state": "queued"}).json()["results"][0]["id"] == test["id"]
    assert client.post(f"/api/v1/deliveries/{test['id']}/replay/").status_code == 409
    assert client.delete(f"{place}/").status_code == 204
