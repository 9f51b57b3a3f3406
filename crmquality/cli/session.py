"""For the time of a command: a database that answers, and somebody who acts."""

from __future__ import annotations

import getpass
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.db import OperationalError, connection, connections

from crmquality.cli.console import Console
from crmquality.cli.errors import NotRunning, first_line
from crmquality.embedded import Servers, uses_embedded
from crmquality.services import masking
from crmquality.services.access import UserRole, require
from crmquality.services.errors import Refused


@contextmanager
def session(console: Console, name: str | None, *roles: UserRole) -> Iterator[User]:
    """The person who acts, with one of these roles, and a database that answers; what is shown is masked for them.

    Raises Refused for an unknown person, PermissionDenied for one without such a role, NotRunning and EmbeddedError
    where no database can be had.
    """
    with reachable(console):
        user = acting(name)
        require(user, *roles)
        with masking.seen_by(lambda: user):
            yield user


@contextmanager
def reachable(console: Console) -> Iterator[None]:
    """A database: the one that answers, else the embedded one, started here and ended again."""
    problem = why_no_database()
    if not problem:
        yield
        return
    if not uses_embedded()[0]:
        raise NotRunning(f"The database of DATABASE_URL does not answer: {problem}.")
    servers = Servers(settings.HOME)
    console.progress.write("Nothing runs on this home: starting its database for this command ...\n")
    servers.start()
    try:
        call_command("migrate", interactive=False, verbosity=0)
        yield
    finally:
        connections.close_all()
        servers.stop()


def why_no_database() -> str:
    """Why the database does not answer; "" if it does."""
    try:
        connection.ensure_connection()
    except OperationalError as error:
        return first_line(error)
    return ""


def acting(name: str | None) -> User:
    """The person of this name; without one, the admin that whoever has this console is. Raises Refused."""
    if name is None:
        return console_admin()
    user = User.objects.filter(username=name).first()
    if user is None:
        raise Refused(f"There is no person {name!r}: manage.py adduser {name} --role steward adds one.")
    if not user.is_active:
        raise PermissionDenied(f"{name} was deactivated: name another person with --as.")
    return user


def console_admin() -> User:
    """LOGIN@console, an admin made at the first command.

    Whoever can read the secrets of this home holds the installation. They act under a name of their own, not under
    that of some admin, so that the logs say what was done here; nobody can sign in as it.
    """
    name = re.sub(r"[^\w.+-]", "_", _login())[:100] + "@console"
    user: Any
    user, is_new = User.objects.get_or_create(username=name, defaults={"password": make_password(None)})
    if is_new:
        user.groups.add(Group.objects.get_or_create(name=UserRole.ADMIN.value)[0])
    if not user.is_active:
        raise PermissionDenied(f"{name} was deactivated: name a person with --as.")
    found: User = user
    return found


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "nobody"
