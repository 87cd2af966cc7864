# Two commands matter: `make run` and `make test`. Each target first checks for what it needs and installs what is
# missing (tests/prerequisites.sh says how), so that a machine with a C and a Rust compiler is enough.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Seconds for each fuzz target, and what `make run` listens on; `make run DEMO_FLAGS="--listen 127.0.0.1:8081"`.
FUZZ_SECONDS ?= 30
DEMO_FLAGS ?=

.PHONY: help run build test check fmt bench fuzz soak

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## Build and start the demo: an agent backend with the gateway in front, and lines to try
	@exec target/release/rampart demo $(DEMO_FLAGS)

build: ## Build the release binary, target/release/rampart
	@tests/prerequisites.sh build
	cargo build --release --locked --package rampart-server

test: ## Format, lints and every test; what continuous integration runs
	@tests/prerequisites.sh build test
	@tests/run.sh

check: ## Format and lints only
	@tests/prerequisites.sh build
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

fmt: ## Format every crate
	cargo fmt --all

bench: ## CPU per request beside bare Pingora and nginx; the Core Rule Set beside libmodsecurity; quotas; a quarter of an hour
	@tests/prerequisites.sh build bench
	cargo build --release --locked --package rampart-server --package rampart-tests --bins
	@tests/bench/run.sh
	@tests/bench/inspection.sh
	@tests/bench/limits.sh

fuzz: ## Every fuzz target for FUZZ_SECONDS each (30)
	@tests/prerequisites.sh build fuzz
	@tests/fuzz.sh $(FUZZ_SECONDS)

soak: ## Reloads under load for a minute, and a thousand reloads: memory stays flat; about five minutes
	@tests/prerequisites.sh build test
	cargo build --release --locked --workspace --bins
	cargo test --release --locked --package rampart-tests --test soak -- --ignored --nocapture --test-threads=1
