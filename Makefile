PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo docs docs-test pictures gateways live peers test check format slow dist lock clean console console-check console-test

$(STAMP): pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(STAMP)

demo: $(STAMP)  ## two simulated weeks: ingest, detect, table, report
	$(BIN)/stillwatch demo

test: $(STAMP)  ## the default test run
	$(BIN)/python -m pytest -n 2 -m "not slow and not console"

gateways: .venv-gateways/.installed tests/gateways/otel-js/node_modules/.installed  ## LiteLLM and OpenTelemetry's exporter for JavaScript, for tests/gateways
.venv-gateways/.installed: tests/gateways/requirements-litellm.txt
	$(PYTHON) -m venv .venv-gateways
	.venv-gateways/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

tests/gateways/otel-js/node_modules/.installed: tests/gateways/otel-js/package-lock.json
	if command -v npm >/dev/null; then cd $(@D)/.. && npm ci --no-audit --no-fund && touch node_modules/.installed; fi

live: $(STAMP) gateways  ## a campaign among every look-alike, live through LiteLLM; minutes
	$(BIN)/python -m pytest -s -m slow tests/gateways/test_live.py

peers: .venv-peers/.installed  ## medallion, misp-stix and openmined-psi in an environment of their own, for tests/sharing
.venv-peers/.installed: tests/sharing/requirements-peers.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

slow: $(STAMP)  ## the long suites
	$(BIN)/python -m pytest -m slow

CONSOLE_SOURCES := $(shell find console -path console/node_modules -prune -o -type f -print)

console: src/stillwatch/console_assets/index.html  ## the analyst's console into the package; needs Node 20.19 or later
src/stillwatch/console_assets/index.html: console/node_modules/.installed $(CONSOLE_SOURCES)
	cd console && npm run build
console/node_modules/.installed: console/package-lock.json
	cd console && npm ci --no-audit --no-fund
	touch $@

console-check: console/node_modules/.installed  ## types, lint and format of the console
	cd console && npm run check

console-test: $(STAMP) console  ## the console in Chromium
	$(BIN)/python -m pytest -m console

docs: $(STAMP)  ## the documentation site in build/site; broken links fail
	rm -rf docs/reference
	$(BIN)/python tools/reference.py docs/reference
	$(BIN)/zensical build --clean --strict

docs-test: $(STAMP)  ## every command block of README and docs, in a shell
	$(BIN)/python -m pytest tests/docs -m "slow or not slow"

pictures: $(STAMP)  ## the pictures of the documentation, from the demonstration's workspace
	$(BIN)/stillwatch demo
	$(BIN)/python tools/pictures.py stillwatch-demo docs/pictures

check: $(STAMP)  ## format, lint, types, import contracts, licences
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/check_licences.py

format: $(STAMP)
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

dist: $(STAMP) console  ## wheel, sdist, bill of materials and licences; equal trees give equal bytes
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -m hatchling build -d dist
	$(BIN)/python tools/sbom.py -o dist

lock: ## write requirements.lock anew: hashes, no addresses
	$(BIN)/uv pip compile pyproject.toml --extra dev --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-header --no-annotate --output-file requirements.lock
	$(BIN)/uv pip compile tests/gateways/requirements-litellm.in --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-header --no-annotate --output-file tests/gateways/requirements-litellm.txt
	$(BIN)/uv pip compile tests/sharing/requirements-peers.in --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-header --no-annotate --output-file tests/sharing/requirements-peers.txt

clean:
	rm -rf $(VENV) .venv-gateways .venv-peers build dist console/node_modules src/stillwatch/console_assets
