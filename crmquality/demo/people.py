"""The demo's users: one of each main role, with passwords drawn at the first start."""

from __future__ import annotations

import json
from pathlib import Path
from secrets import token_urlsafe

from django.contrib.auth.models import Group, User

from crmquality.services.access import UserRole

PEOPLE = {"sam": UserRole.STEWARD, "priya": UserRole.SALES, "ada": UserRole.ADMIN}
FULL_NAMES = {"priya": "Priya Nair"}
"""Sales people see the records whose owner is named as they are; she owns a sixth of the sample's."""


def ensure_people(home: Path) -> dict[str, tuple[str, str]]:
    """Name -> (role, password); made at the first start, remembered in HOME/demo-logins.json (mode 0600)."""
    path = home / "demo-logins.json"
    passwords: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    for name, role in PEOPLE.items():
        user = User.objects.filter(username=name).first()
        if user and name in passwords:
            continue
        passwords[name] = token_urlsafe(9)
        if user is None:
            first, _, last = FULL_NAMES.get(name, "").partition(" ")
            user = User.objects.create_user(name, f"{name}@example.com", first_name=first, last_name=last)
        user.set_password(passwords[name])
        user.save()
        user.groups.set([Group.objects.get(name=role.value)])
    path.touch(mode=0o600)
    path.write_text(json.dumps(passwords))
    return {name: (role.value, passwords[name]) for name, role in PEOPLE.items()}
