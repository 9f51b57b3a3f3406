"""Detector, connector and look-up in a package of their own are found and keep their contracts; nothing is edited."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

PACKAGE = Path(__file__).parent / "third_party"
ROOT = Path(__file__).parents[1]
USE = """
from detectors import registry
from detectors.testing import all_checks
assert "shouting" in registry.available(), list(registry.available())
assert "duplicates" in registry.available()
detector = registry.load("shouting")
for check in all_checks():
    check(detector())
from crmquality.connectors import registry as connectors
from crmquality.connectors.settings import read
assert {"littlecrm", "files", "sql"} <= set(connectors.available()), list(connectors.available())
connector = connectors.load_system("littlecrm")
assert "Little CRM" in [one.title for one in connectors.systems()]
assert read(connector.settings, {"address": "http://127.0.0.1:9", "token": "x"})[1] == {"token": "x"}
from crmquality.connectors.testing import system_checks
from tests.connectors.benches import LittleBench
from tests.crm_server import Crm, serving
for check in system_checks():
    with serving(Crm()) as crm:
        bench = LittleBench(crm)
        bench.connector = connectors.load_system("littlecrm")
        check(bench)
from crmquality.enrichment import registry as look_ups
from crmquality.enrichment import testing
from detectors.roles import Role
assert {"yellowpages", "file", "http"} <= set(look_ups.available()), list(look_ups.available())
class YellowBench(testing.Bench):
    adapter, key, given = look_ups.load("yellowpages"), Role.PHONE, {}
    known = ("+1 (202) 555-0101", {Role.COMPANY: "Acme", Role.CITY: "Boston"})
for check in testing.all_checks():
    check(YellowBench())
print("kept", len(all_checks()), len(system_checks()))
"""


def test_a_package_installed_beside_the_project_is_found_and_keeps_the_contract(tmp_path: Path) -> None:
    home = tmp_path / "venv"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    site = next((home / "lib").glob("python*/site-packages"))
    # this environment's packages, the project among them, are there too; the new one is installed into the new home
    (site / "ours.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n{ROOT}\n")
    package = shutil.copytree(PACKAGE, tmp_path / "package", ignore=shutil.ignore_patterns("__pycache__"))
    words = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    subprocess.run([sys.executable, *words, "--target", str(site), str(package)], check=True, capture_output=True)
    done = subprocess.run([python, "-W", "ignore", "-c", USE], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("kept")
