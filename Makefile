# Ardoise: make help lists what can be made.
#
# Everything works as root or through sudo, on Debian 12 with Go 1.26 or newer, git and make. What a target needs beside
# that it installs from Debian (scripts/install-packages), and tests from npm (scripts/install-npm). Results go to build/.

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS   += --no-print-directory

GO   ?= $(or $(shell command -v go 2>/dev/null),/usr/local/go/bin/go)
SUDO := $(shell test "$$(id -u)" = 0 || echo sudo)
# Tests of network and disks need root: they are built as you and run through sudo.
AS_ROOT := $(if $(SUDO),-exec "sudo -E env PATH=$$PATH")

export CGO_ENABLED ?= 0
export PATH := $(dir $(GO)):$(PATH):/usr/local/sbin:/usr/sbin:/sbin

PCS      ?= 2
FIRMWARE ?= secureboot
KEEP     ?= 0
FUZZTIME ?= 10s

VM_TESTS    := ./integration/firstlight ./integration/startmenu ./integration/reset ./integration/orders
BLACK_BOX   := ./integration/refusals ./integration/room ./integration/wake
# One goroutine, and rooms of a thousand PCs: the race detector finds nothing there and takes ten times as long.
SIMULATED   := ./imaging/multicast/simnet
RACE_TESTS  := $$($(GO) list ./... | grep -v -e /integration/firstlight$$ -e /integration/refusals$$ -e /integration/room$$ -e /integration/startmenu$$ -e /integration/reset$$ -e /integration/orders$$ -e /integration/wake$$ -e /simnet$$)

.DEFAULT_GOAL := help
.PHONY: help packages npm build bootenv golden demo test quick lint fuzz soak bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo "  PCS=$(PCS) FIRMWARE=bios|uefi|secureboot KEEP=1 vary the demo; FUZZTIME=$(FUZZTIME) the fuzzing."

packages:
	@$(SUDO) scripts/install-packages

npm: packages
	@scripts/install-npm

build: packages ## the static binaries, into build/
	@mkdir -p build
	$(GO) build -trimpath -ldflags "-s -w" -o build/ ./cmd/...
	GOOS=windows $(GO) build -trimpath -ldflags "-s -w" -o build/ ./cmd/ardoise-reset
	build/ardoise manual build/man

bootenv: packages ## the boot environment from Debian's signed packages, into build/boot
	$(GO) run ./scripts/bootenv -o build/boot

golden: bootenv ## a small bootable golden master that checks its own files, build/golden.img
	$(GO) run ./scripts/goldenmaster -o build/golden.img

demo: build golden ## a virtual school whose PCs are imaged before your eyes
	@$(GO) build -o build/demo ./scripts/demo
	@$(SUDO) env "PATH=$$PATH" build/demo -pcs $(PCS) -firmware $(FIRMWARE) $(if $(filter-out 0,$(KEEP)),-keep)

test: lint build golden npm ## everything: lint, unit tests with the race detector, real VMs (about 12 minutes without KVM)
	@$(GO) build -o build/testreport ./scripts/testreport
	@{ code=0; \
	   CGO_ENABLED=1 $(GO) test -json -race -shuffle=on -count=1 -timeout 25m $(AS_ROOT) $(RACE_TESTS) || code=1; \
	   $(GO) test -json -count=1 $(SIMULATED) || code=1; \
	   $(GO) test -json -count=1 -timeout 30m $(AS_ROOT) $(BLACK_BOX) || code=1; \
	   $(GO) test -json -count=1 -p 1 -timeout 40m $(AS_ROOT) $(VM_TESTS) || code=1; \
	   exit $$code; } | build/testreport -show integration/

quick: lint build npm ## what needs no VM, in under two minutes
	@$(GO) build -o build/testreport ./scripts/testreport
	@$(GO) test -json -shuffle=on $(AS_ROOT) $(RACE_TESTS) $(SIMULATED) | build/testreport

lint: packages ## gofmt, vet, staticcheck, tidy
	@unformatted=$$(gofmt -l $$($(GO) list -f '{{.Dir}}' ./...)); \
	 test -z "$$unformatted" || { echo "error: not formatted: $$unformatted"; echo "hint: gofmt -w $$unformatted"; exit 1; }
	$(GO) vet -tags soak ./...
	$(GO) tool staticcheck -tags soak ./...
	$(GO) mod tidy -diff

fuzz: packages ## a short round of every fuzz target (FUZZTIME each)
	@FUZZTIME=$(FUZZTIME) scripts/fuzz

soak: build golden ## hours: every firmware, disk and card, a million files, long fuzzing; not in CI
	$(GO) test -count=1 -v -tags soak -timeout 12h $(AS_ROOT) -run Matrix $(VM_TESTS)
	$(GO) test -count=1 -v -tags soak -timeout 3h -run MillionFiles ./cmd/ardoise
	@FUZZTIME=20m scripts/fuzz

bench: build golden ## the figures of the design, as tables and as build/{bench,storebench,roombench,fleetbench}.json
	@$(GO) build -o build/ ./scripts/bench ./scripts/storebench ./scripts/roombench ./scripts/fleetbench
	@code=0; for name in bench storebench roombench fleetbench; do \
	   $(SUDO) env "PATH=$$PATH" build/$$name -o build/$$name.json || code=$$?; done; \
	 TMPDIR=$(CURDIR)/build $(GO) test -tags soak -timeout 2h -run '^$$' -bench 'TenMillionChunks|Collect' ./masters/store | \
	   tee build/store.txt || code=$$?; \
	 TMPDIR=$(CURDIR)/build $(GO) test -run '^$$' -bench Region ./fleet | tee build/fleet.txt || code=$$?; exit $$code

clean: ## remove build/
	$(SUDO) rm -rf build
