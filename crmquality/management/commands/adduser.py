"""`manage.py adduser NAME --role steward`: add a person, or change their role and password."""

from __future__ import annotations

from secrets import token_urlsafe
from typing import Any

from django.contrib.auth.models import Group, User
from django.core.management.base import BaseCommand, CommandParser

from crmquality.services.access import UserRole


class Command(BaseCommand):
    """Add a person; the drawn password is printed once."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        """See the help of each."""
        parser.add_argument("name")
        parser.add_argument("--role", choices=[role.value for role in UserRole], required=True)
        parser.add_argument("--email", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        """Create or update, and print the password."""
        password = token_urlsafe(12)
        user, _ = User.objects.get_or_create(username=options["name"])
        user.email = options["email"] or user.email
        user.set_password(password)
        user.save()
        user.groups.set([Group.objects.get(name=options["role"])])
        self.stdout.write(f"{options['name']} ({options['role']}) password {password}")
