# The only commands to remember. Each installs what it misses, says so, and is safe to run twice.

SHELL := /bin/bash
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/communiconnect-live
export CARGO_TARGET_DIR ?= $(CACHE)/target
export FUZZ_TARGET_DIR ?= $(CACHE)/fuzz
# A newer Node.js, where the system's is too old (scripts/tools.sh).
export PATH := $(CACHE)/node/node_modules/.bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help demo run test check bench latency kills fuzz web tools

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

demo: tools web ## the main job, with a picture on a page: server, live, moving test picture
	@scripts/demo.sh

run: tools web ## the server alone, on its defaults (data in ./data)
	cargo build --release --locked -p communiconnect-live -p communiconnect-media-worker
	cargo run --release --locked --bin communiconnect-live

test: web ## every test, real encoders, players and PostgreSQL included
	@scripts/peers.sh tests
	@scripts/test.sh

# The load tool and the fuzz targets are workspaces of their own: `--workspace` does not reach them.
check: web ## formatting, lints, documentation, the page's lint, types and tests
	cargo fmt --all --check
	cargo fmt --manifest-path benches/load/Cargo.toml --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy --manifest-path benches/load/Cargo.toml --all-targets --locked -- -D warnings
	CARGO_TARGET_DIR=$(FUZZ_TARGET_DIR) cargo clippy --manifest-path fuzz/Cargo.toml --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --locked
	cd web && npm run --silent lint && npm run --silent check && npm run --silent test

bench: web ## speeds beside nginx in the same run; rewrites docs/performance.md
	@scripts/peers.sh bench
	@scripts/bench.sh

latency: web ## how far behind its encoder Chromium shows a live, and how soon over weak links: eight minutes
	@scripts/peers.sh tests
	@scripts/latency.sh
	@scripts/first-picture.sh

kills: web ## a server killed a hundred times under lives that are watched (KILLS=100 KILLS_SEED=…)
	@scripts/peers.sh tests
	KILLS=$(or $(KILLS),100) cargo test --locked -p communiconnect-live --test kills -- --nocapture

fuzz: tools ## a minute of hostile bytes for every parser (SECONDS_EACH=60)
	@scripts/peers.sh fuzz
	@fuzz/run.sh $(or $(SECONDS_EACH),60)

web: tools ## the page, built into web/dist
	@scripts/web.sh

tools:
	@scripts/tools.sh
