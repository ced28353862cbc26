# `make` alone prints this list. Everything here is a short name for a command that can be run by itself.
# Settings: PORT_BASE=20000 moves every port (two checkouts side by side), PROFILE=release builds optimised binaries.
PROFILE ?= dev
TARGET := $(or $(CARGO_TARGET_DIR),target)
BIN := $(TARGET)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
LOCAL := $(BIN)/local
CRATES = $(shell cargo metadata --locked --no-deps --format-version 1 | grep -o '"name":"[^"]*","version":"[^"]*","id":"path' | cut -d'"' -f4)

.DEFAULT_GOAL := help
.PHONY: help tools build up down status logs reset demo judge test lint fmt kill-matrix mutants check-crates generate deny advisories

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# === the local system ===

demo: tools build ## Start the demo's own system and play its scenarios
	@$(LOCAL) demo

judge: $(LOCAL) ## Judge the demo that was played again, from what the system holds now
	@$(LOCAL) judge

up: tools build ## Start everything as processes; returns when all is ready
	@$(LOCAL) up

down: $(LOCAL) ## Stop everything; fine when nothing runs
	@$(LOCAL) down

status: $(LOCAL) ## Show what runs, its memory and its addresses
	@$(LOCAL) status

logs: $(LOCAL) ## Show the end of the logs: of all, or S=operator; F=1 goes on
	@$(LOCAL) logs $(S) $(if $(F),--follow)

reset: $(LOCAL) ## Stop everything and forget all local state
	@$(LOCAL) reset

# === building ===

tools: ## Build daprd, etcd, kube-apiserver and Jaeger from pinned modules (some minutes, once)
	@tools/build

build: ## Build our binaries
	cargo build --locked --workspace --bins --profile $(PROFILE)

$(LOCAL):
	cargo build --locked --package local --profile $(PROFILE)

generate: ## Write the files that are generated from code (the CRD)
	cargo run --locked --quiet --package operator --profile $(PROFILE) -- crd > charts/pagos/files/paymentsagas.yaml.new
	mv charts/pagos/files/paymentsagas.yaml.new charts/pagos/files/paymentsagas.yaml

# === checking ===

test: tools build lint ## Formatting, lints, and every test, those on real processes included
	cargo test --locked --workspace --quiet

lint: ## Formatting and clippy, warnings are errors; no source file that no crate compiles
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --quiet -- --deny warnings
	@tools/orphans $(TARGET)

fmt: ## Format the code
	cargo fmt --all

kill-matrix: tools build ## Kill -9 each process in turn while 50 payments run (some minutes)
	cargo test --locked --package local --test system -- "kill matrix"

check-crates: ## Compile each crate alone: its manifest says all it needs
	@for crate in $(CRATES); do echo "cargo check --package $$crate"; cargo check --locked --quiet --package $$crate || exit; done

# Built once and kept outside the checkout, like the Go programs.
DENY := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/saludtech-pagos/cargo-deny-0.20.2
$(DENY)/bin/cargo-deny:
	cargo install --locked --quiet cargo-deny --version 0.20.2 --root $(DENY)

deny: $(DENY)/bin/cargo-deny ## Bans, licences and sources of the dependencies
	@$(DENY)/bin/cargo-deny --locked check bans licenses sources

advisories: $(DENY)/bin/cargo-deny ## Known vulnerabilities of the dependencies (fetches their database)
	@$(DENY)/bin/cargo-deny --locked check advisories

mutants: ## Plant each deliberate mistake in the engine and see its test go red
	@operator/saga/mutants/run

