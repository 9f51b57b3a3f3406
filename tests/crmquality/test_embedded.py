"""The embedded servers' secrets: drawn once, kept, and readable by earlier and later versions."""

from __future__ import annotations

import json
import stat

from crmquality import embedded


def test_secrets_are_drawn_once_and_only_their_owner_reads_them(tmp_path):
    first = embedded.secrets(tmp_path)
    assert embedded.secrets(tmp_path) == first
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600


def test_a_home_of_an_earlier_version_gets_what_it_lacks_and_keeps_the_rest(tmp_path):
    drawn = embedded.secrets(tmp_path)
    kept = json.loads((tmp_path / "secrets.json").read_text())
    (tmp_path / "secrets.json").write_text(json.dumps({k: v for k, v in kept.items() if k != "connection_key"}))
    later = embedded.secrets(tmp_path)
    assert (later.secret_key, later.database_password) == (drawn.secret_key, drawn.database_password)
    assert later.connection_key


def test_a_home_of_a_later_version_is_read_and_left_as_it_is(tmp_path):
    drawn = embedded.secrets(tmp_path)
    path = tmp_path / "secrets.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"of_a_later_version": "x"}))
    assert embedded.secrets(tmp_path) == drawn
    assert "of_a_later_version" in path.read_text()
