# The only commands to remember. Each installs what it misses, says so, and is safe to run twice.

SHELL := /bin/bash
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/communiconnect-live
export CARGO_TARGET_DIR ?= $(CACHE)/target
# A newer Node.js, where the system's is too old (scripts/tools.sh).
export PATH := $(CACHE)/node/node_modules/.bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help demo run test check bench fuzz web peers tools

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

demo: tools web ## the main job, with a picture on a page: server, live, moving test picture
	@scripts/demo.sh

run: tools web ## the server alone, on its defaults (data in ./data)
	cargo run --release --locked --bin communiconnect-live

test: peers web ## every test, real encoders, players and PostgreSQL included
	@scripts/test.sh

check: tools ## what CI checks: formatting, lints, documentation, the page's lint and types
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --locked
	cd web && npm run --silent lint && npm run --silent check && npm run --silent test

bench: peers web ## speeds beside nginx in the same run; rewrites docs/performance.md
	@scripts/bench.sh

fuzz: export FUZZ_TARGET_DIR ?= $(CACHE)/fuzz
fuzz: peers ## a minute of hostile bytes for every parser (SECONDS_EACH=60)
	fuzz/run.sh $(or $(SECONDS_EACH),60)

web: tools ## the page, built into web/dist
	@scripts/web.sh

tools:
	@scripts/tools.sh

peers: tools
	@scripts/peers.sh
