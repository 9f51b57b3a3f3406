"""A prepared query gives what the queryset it was built from gives."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.contrib.postgres.expressions import ArraySubquery
from django.db import transaction
from django.db.models import OuterRef

from crmquality.models import Record
from crmquality.prepared import Prepared, where

pytestmark = pytest.mark.django_db


def test_instances_have_their_fields_and_related_ones_without_another_query(source, django_assert_num_queries):
    rows = Record.objects.select_related("source__feed__connection").order_by("id")
    prepared = Prepared(lambda: rows.filter(where('"crmquality_record"."id" = ANY(%s)', "ids")))
    wanted = list(rows)[:3]
    with django_assert_num_queries(1):
        found = prepared.all(ids=[one.pk for one in wanted])
        assert [one.source.columns for one in found] == [source.columns] * 3
        assert [getattr(one.source, "feed", None) for one in found] == [None] * 3
    assert found == wanted
    assert [one.__dict__.keys() for one in found] == [one.__dict__.keys() for one in wanted]
    assert [(one.fields, one.updated_at) for one in found] == [(one.fields, one.updated_at) for one in wanted]


def test_other_values_find_other_rows_and_none_finds_none(source):
    prepared = Prepared(lambda: Record.objects.filter(where("id = %s", "record")))
    for record in Record.objects.all():
        assert prepared.first(record=record.pk) == record
    assert prepared.first(record=0) is None


def test_annotations_come_along(steward):
    names = ArraySubquery(Group.objects.filter(user=OuterRef("pk")).values("name"))
    prepared = Prepared(lambda: User.objects.annotate(names=names).filter(where("id = %s", "user")))
    assert prepared.first(user=steward.pk).names == ["steward"]


def test_a_value_that_is_not_given_is_an_error(source):
    prepared = Prepared(lambda: Record.objects.filter(where("id = %s", "record")))
    with pytest.raises(KeyError):
        prepared.all()


def test_rows_are_locked_where_the_queryset_locks_them(source):
    locking = Prepared(lambda: Record.objects.select_for_update().filter(where("id = %s", "record")))
    with transaction.atomic():
        assert locking.first(record=Record.objects.first().pk)
    assert "FOR UPDATE" in locking._made[0]
