"""What the database's planner knows of a table, brought up to date before a job asks long questions of it.

PostgreSQL does so by itself, but a minute after a table was filled: a run that starts at once after an import would
be planned for a table of which nothing is known, and take minutes where seconds do.
"""

from __future__ import annotations

from django.db import connection

GROWN = 1.2
"""Statistics are old once the table takes so many times the pages it took then; they need not be exact."""

_OUTDATED = """
    SELECT relname FROM pg_class
    WHERE relname = ANY(%s) AND relkind = 'r' AND pg_table_is_visible(oid)
      AND (reltuples < 0 OR pg_relation_size(oid) / current_setting('block_size')::int > %s * relpages)
      AND pg_relation_size(oid) > 0
    ORDER BY relname
"""

# What an import adds to a GIN index waits in a list that each search reads from end to end until a vacuum: 2 ms each.
_WAITING = """
    SELECT gin_clean_pending_list(i.indexrelid) FROM pg_index i
    JOIN pg_class t ON t.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am a ON a.oid = x.relam
    WHERE a.amname = 'gin' AND t.relname = ANY(%s) AND pg_table_is_visible(t.oid)
"""


def bring_up_to_date(*tables: str) -> list[str]:
    """Take statistics anew of those tables that were filled or grew by a fifth since; returns which.

    What waits to be sorted into their GIN indexes is sorted in.

    Call it outside a transaction: other sessions that do the same wait for its end.
    """
    with connection.cursor() as cursor:
        cursor.execute(_OUTDATED, [list(tables), GROWN])
        outdated = [name for (name,) in cursor.fetchall()]
        for name in outdated:
            cursor.execute(f"ANALYZE {connection.ops.quote_name(name)}")
        cursor.execute(_WAITING, [list(tables)])
    return outdated
