# make demo | make test: all set-up included. Needs Python 3.11 with its headers and venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
export CRMQUALITY_HOME ?= $(CURDIR)/.home

.PHONY: install demo test bench lint browser java tryton

install: $(STAMP)

$(STAMP): pyproject.toml .ci/constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed: apt-get install python3.11 python3.11-venv python3.11-dev"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c .ci/constraints.txt -e '.[dev]'
	$(BIN)/python -W ignore manage.py warm  # compiles the kernels once, so that the first import and run are not slow
	touch $(STAMP)

# make demo DATA=path/to/file.csv   make demo PORT=8001 CONTACTS=20000
demo: install
	$(BIN)/python manage.py demo $(if $(DATA),--data '$(DATA)') $(if $(PORT),--port $(PORT)) $(if $(CONTACTS),--contacts $(CONTACTS))

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

browser:
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq chromium >/dev/null; } \
	  || { echo "The browser tests need Debian's chromium: sudo apt-get install chromium"; exit 1; }

# Only the test of duplicates on Spark needs it; where it cannot be installed, that test says so and is skipped.
java:
	@command -v java >/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq openjdk-17-jre-headless >/dev/null; } \
	  || echo "No Java: duplicates on Spark are not tested. sudo apt-get install openjdk-17-jre-headless"

# A Tryton of its own, beside the project and never imported by it, for the test of a whole CRM: about four minutes, once.
tryton: install
	$(BIN)/python -W ignore -m tests.tryton_server

test: install browser java lint tryton
	$(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist loadfile

# Peers are installed beside the project, never into it: see each benchmark's PEERS.
bench: install
	$(BIN)/python -m benchmarks --all
