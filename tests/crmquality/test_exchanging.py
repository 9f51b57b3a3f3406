"""The command that hands a source's duplicate model to Splink."""

from __future__ import annotations

import json

import pytest
from django.core.management import CommandError, call_command

from detectors.roles import Role

pytestmark = pytest.mark.django_db


def test_a_source_is_exported_with_its_own_record_ids(make_source, tmp_path, capsys):
    import pyarrow.parquet as pq

    source = make_source()
    call_command("splink", "export", source.name, str(tmp_path))
    folder = tmp_path / "people"
    records = pq.read_table(folder / "records.parquet")
    assert records["record_id"].to_pylist() == sorted(source.records.values_list("pk", flat=True))
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["comparisons"]["email"] == ["email", ["Email"]]
    assert (folder / "settings_spark.json").exists()
    assert "4 records, compared by" in capsys.readouterr().out


def test_an_unknown_source_is_one_clear_line(make_source, tmp_path):
    make_source()
    with pytest.raises(CommandError, match="There is no source 'nowhere': there are contacts"):
        call_command("splink", "export", "nowhere", str(tmp_path))


def test_a_source_without_anything_to_compare_is_refused(make_source, tmp_path):
    source = make_source("numbers", {"Amount": Role.AMOUNT}, [["1"], ["2"]])
    with pytest.raises(CommandError, match="no columns by which"):
        call_command("splink", "export", source.name, str(tmp_path))


def test_a_folder_that_holds_no_export_is_one_clear_line(tmp_path):
    with pytest.raises(CommandError, match="holds no export"):
        call_command("splink", "run", str(tmp_path), str(tmp_path / "pairs.parquet"), "--engine", "duckdb")


def test_splink_settings_become_a_candidate_version(make_source, tmp_path, capsys):
    from crmquality.models import ModelVersion

    source = make_source()
    levels = [
        {"sql_condition": "email_l IS NULL OR email_r IS NULL", "is_null_level": True},
        {"sql_condition": "email_l = email_r", "m_probability": 0.9, "u_probability": 0.001},
        {"sql_condition": "ELSE", "m_probability": 0.1, "u_probability": 0.999},
    ]
    odd = {"output_column_name": "shoe", "comparison_levels": [{"sql_condition": "shoe_l = shoe_r"}]}
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"comparisons": [{"output_column_name": "email", "comparison_levels": levels}, odd]}))
    with pytest.raises(CommandError, match="shoe: it compares shoe"):
        call_command("splink", "import", source.name, str(file))
    call_command("splink", "import", source.name, str(file), "--skip")
    version = ModelVersion.objects.get()
    assert version.state == ModelVersion.State.CANDIDATE
    assert "settings.json" in version.note
    said = capsys.readouterr().out
    assert "left out: shoe" in said
    assert "email as email" in said
