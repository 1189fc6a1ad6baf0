# `make help` lists what there is. Needs Go, gcc and make; everything else is fetched in pinned versions.

SHELL := /bin/bash
.DEFAULT_GOAL := help

# cgo for SQLite and the race detector.
export CGO_ENABLED := 1

COUNT ?= 50
FUZZTIME ?= 20s
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
# The version is stamped by hand: stamping by go fails where git distrusts the folder's owner, as in some containers.
GO_BUILD := go build -trimpath -buildvcs=false -ldflags "-X main.version=$(VERSION)"
LINT := go tool -modfile=tools/go.mod golangci-lint

##@ Use

.PHONY: help
help: ## list the targets
	@awk 'BEGIN { FS = ":.*## "; printf "make TARGET [NAME=value]\n" } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: build ## do the main job: half a year of bills through the engine, then keep serving
	bin/sundial demo

.PHONY: build
build: ## build bin/sundial
	$(GO_BUILD) -o bin/sundial ./cmd/sundial

##@ Check

# Under the race detector collecting garbage takes a sixth of the time; it may take up to 2 GB instead.
.PHONY: test
test: ## run all tests with the race detector (some 7 minutes on 2 cores)
	GOGC=400 go test -race -timeout 900s ./...

.PHONY: cover
cover: ## print how much of each package's statements its own tests run (without the race detector)
	@scripts/cover

.PHONY: lint
lint: ## read the code with golangci-lint (built once, from tools/go.mod)
	$(LINT) config verify
	$(LINT) run ./...

.PHONY: vulnerabilities
vulnerabilities: ## look up what the program is made of in Go's database of vulnerabilities, where that can be reached
	@scripts/vulnerabilities

.PHONY: generate
generate: ## write generated files anew
	go generate ./...

.PHONY: check-generated
check-generated: ## fail if a generated file is not what `make generate` writes
	@scripts/check-generated

##@ Measure and torture

.PHONY: bench
bench: build ## measure the engine's figures (10 minutes; the machine should have nothing else to do)
	bin/sundial bench

.PHONY: torture
torture: build ## kill the program COUNT times (default 50) under load and look for what it lost
	SUNDIAL_TORTURE=$(COUNT) go test -run '^TestTorture$$' -count=1 -timeout 60m -v ./cmd/sundial

.PHONY: damage
damage: build ## damage a data directory in COUNT ways (1000, say), start the program on each, and look for what is wrong and not said
	SUNDIAL_DAMAGE=$(COUNT) go test -run '^TestDamage$$' -count=1 -timeout 180m -v ./cmd/sundial

.PHONY: powercut
powercut: ## cut the power 20 times under load (needs root and loop devices)
	SUNDIAL_POWER_CUTS=20 go test -run '^TestPowerCut' -count=1 -timeout 60m -v ./eventstore

.PHONY: notices
notices: ## hold the notices of COUNT generated feeds (1000, say) against what was owed
	SUNDIAL_NOTICE_FEEDS=$(COUNT) go test -run '^TestNoticesOverFeeds$$' -count=1 -timeout 60m -v ./domain

.PHONY: model
model: ## hold the API against the model of what people may do, in COUNT sequences (5000, say)
	SUNDIAL_MODEL=$(COUNT) go test -run '^TestModel$$' -count=1 -timeout 60m -v ./internal/testing/people

.PHONY: abuse
abuse: ## send COUNT times as much (10, say) as `make test` does to be in others' way, and print what it does to them
	SUNDIAL_ABUSE=$(COUNT) go test -run '^TestAbuse' -count=1 -timeout 60m -v ./... 2>&1 | grep -v 'no tests to run\|^testing: warning\|level='

.PHONY: fuzz
fuzz: ## fuzz every fuzz target for FUZZTIME (default 20s) each
	@scripts/fuzz $(FUZZTIME)

.PHONY: clean
clean: ## remove what was built
	rm -rf bin
