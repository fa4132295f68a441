.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast test-long test-chaos soak bench-bridge bench-memory bench-claim bench-storage bench-retention lint format clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install packages, make .venv, build; does only what is missing
	@scripts/setup.sh

demo: setup ## Run tasks on a Ray and a Postgres of their own, and watch them
	@scripts/demo.sh

test: setup ## All tests of both languages, without the long proofs
	@scripts/test.sh all

test-fast: setup ## What needs neither Ray nor seconds of waiting: under a minute
	@scripts/test.sh fast

test-long: setup ## All tests and the long proofs (*.long.test.ts, and `long` in pytest)
	@scripts/test.sh long

test-chaos: setup ## Kill everything under load by a seeded script, and check what comes of it: SEED=n
	@node_modules/.bin/node test/chaos/main.ts $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES))

soak: setup ## The same for long: MINUTES=60
	@node_modules/.bin/node test/chaos/main.ts $(if $(SEED),--seed $(SEED)) --minutes $(or $(MINUTES),60)

bench-bridge: setup ## The link between Node and Python alone, beside a bare echo of zeromq.js and pyzmq
	@node_modules/.bin/node bench/bridge/main.ts

bench-memory: setup ## What worker and server take in memory, in flight and while the other side is stopped
	@node_modules/.bin/node bench/bridge-memory/main.ts

bench-claim: setup ## What a claim costs with 1,000 ready executions, 1,000,000, and 1,000,000 scheduled besides
	@node_modules/.bin/node bench/claim/main.ts

bench-storage: setup ## What each index and the counts of the executions cost, against the tables without them
	@node_modules/.bin/node bench/storage/main.ts && node_modules/.bin/node bench/storage/vacuum.ts

bench-retention: setup ## Removing what is old while 5,000 executions/s are made, and partitions instead
	@node_modules/.bin/node bench/retention/main.ts

lint: setup ## Formats, types, layers, of both languages
	@scripts/lint.sh

format: setup ## Put the code into the form that lint asks for
	@node_modules/.bin/biome check --write
	@cd python && ../.venv/bin/ruff check --fix . && ../.venv/bin/ruff format .

clean: ## Remove what setup and the tools made; keep development data in .rayferry
	rm -rf node_modules dist .venv .cache
	find python examples -name __pycache__ -prune -exec rm -rf {} +
	rm -rf python/.pytest_cache python/.mypy_cache python/.ruff_cache python/.import_linter_cache
