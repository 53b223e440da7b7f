.DEFAULT_GOAL := help
.PHONY: help check lint test test-slow test-compose bench fmt revision build

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

check: lint test ## What CI runs, slow tests left out: format, lint, types, floors, tests, migrations

lint: ## Format, lint, types and floors, nothing changed
	uv run ruff format --check
	uv run ruff check
	uv run mypy
	uv run lint-imports

test: ## The tests, on the engines given by URL, by Docker, or embedded
	uv run pytest

test-slow: ## The tests that take more than a few seconds
	uv run pytest -m slow

test-compose: ## The tests on the engines of docker-compose.yml, started for them and removed afterwards
	.ci/test-compose

bench: ## The benchmark, beside its floors and peers
	uv run --group bench python -m benchmarks

fmt: ## Format, and repair what the linter can repair
	uv run ruff format
	uv run ruff check --fix

revision: ## A new revision from the tables: make revision m="what changes"
	@test -n "$(m)" || { echo 'say what changes: make revision m="…"' >&2; exit 2; }
	uv run alembic revision --autogenerate --message "$(m)"

build: ## The wheel and the source distribution, in dist/
	uv build
