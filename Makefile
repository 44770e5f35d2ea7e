# SPDX-License-Identifier: Apache-2.0
# zqublkd: serve zoned qcow2 images as zoned block devices.
#
#   make demo        the main job, shown: on this host if its ublk has zones, else in a VM
#   make test        what guards every change: all tests at their small size but those marked full
#   make unit        the inner loop: vet, staticcheck, unit tests
#   make             program, man pages and completions in bin/; then make install (PREFIX, DESTDIR), make uninstall
#   make deb         a Debian package in bin/deb/
#   make scenario S=btrfs K=6.12    one VM scenario
#   make bench       measured against other block devices; docs/benchmarks.md
#   make test-full   the sizes that docs/verification.md records; some of them: STEPS="model race"

SHELL := /bin/bash
GO ?= go
BIN := bin
# The size of every scenario: small or full.
SIZE ?= small
K ?= 6.12
PREFIX ?= /usr/local
RELEASE := $(shell cat VERSION)

export ZQUBLKD_SIZE := $(SIZE)

.PHONY: all build docs zonetest deps unit race procs1 scenarios scenario vm test test-full bench demo soak install uninstall deb clean

all: build docs

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-X main.release=$(RELEASE)' -o $(BIN)/zqublkd ./cmd/zqublkd

# Man pages of all verbs and completions for shells, made by the program itself.
docs:
	rm -rf $(BIN)/docs
	$(GO) run -tags docs -ldflags '-X main.release=$(RELEASE)' ./cmd/zqublkd docs $(BIN)/docs

# The conformance cases for a block device, to be run in the VM.
zonetest:
	CGO_ENABLED=0 $(GO) test -c -trimpath -tags vm -o $(BIN)/zonetest ./zoned/zonetest/blockdev

# What the tests need of the machine: Debian packages, and kernels and a guest
# for the VMs in a cache outside the tree. Says what it does.
deps:
	@command -v gcc >/dev/null || { echo "deps: installing gcc with apt-get, for go test -race"; apt-get install -qy --no-install-recommends gcc libc6-dev; }
	tests/vm/setup

unit:
	$(GO) vet ./... && $(GO) vet -tags vm ./...
	$(GO) tool staticcheck -tags vm ./...
	$(GO) test -timeout 20m ./...

# What takes long and has one goroutine: crash states, one after another.
LONG := ^TestCrash$$|CrashCommit|PlantedBugs|Exhaustive|ThinStorage|OverlayModel

# What runs on one goroutine and for long is left out here: `tests/full race` has all.
race:
	$(GO) test -race -short -count=1 -timeout 20m -skip '$(LONG)|CommitKilled|CrashWhileRefcountsGrow|ManySnapshots|MapStreams|ReportStreams|Extremes|ExportShapes|QEMU|CheckVectors|Repair|CreatedImages|Coverage|Requirements|Tidy|Bindings|Malformed|OneBitRefcounts|^TestAmend$$|AmendCrash|ConditionsCrash|AmendKilled|AmendWithoutRoom|^TestFailing$$|ResizeZones|RefcountsGrow|ZonedKilled|ZoneReader$$|TablesInMemory|^TestStopped$$|CutEnd|LongVerbs|TestExamples' \
		$$($(GO) list ./... | grep -v tests/matrix)

# Everything with queues and workers must make progress on one processor, too.
procs1:
	GOMAXPROCS=1 $(GO) test -count=1 -timeout 20m -skip '$(LONG)' ./zoned ./internal/... ./ublk

scenarios: build zonetest $(if $(filter full,$(SIZE)),deb)
	$(GO) test -tags vm -count=1 -v -p 1 -timeout 60m ./tests ./tests/powercut

scenario: build zonetest $(if $(findstring deb,$(S)),deb)
	ZQUBLKD_KERNELS=all $(GO) test -tags vm -count=1 -v -timeout 28m -run 'TestScenarios/$(S)/$(K)' ./tests

# Nothing that deps gets may be missing: what a test needs and lacks is a failure (internal/needs).
test: export ZQUBLKD_EVERYTHING_IS_HERE := 1
test: deps build unit race procs1 scenarios

# BENCH takes kernels and options of `bench run`: make bench BENCH='--kernels 7.3 -gates -stores tmpfs'
bench: build
	tests/bench/run.sh $(BENCH)

test-full: deps build zonetest
	tests/full $(STEPS)

# A command of your own in a machine: make vm K=7.3 CMD='modprobe ublk_drv; zqublkd features'
vm: build
	tests/vm/run --kernel $(K) --file $(BIN)/zqublkd --file tests/scenarios sh -c '$(CMD)'

# Everything at once for a time, in a machine: make soak K=7.3 SOAK=3600 SEED=1
SOAK ?= 3600
SEED ?= 0
soak: build
	tests/vm/run --kernel $(K) --memory 4096 --limit $$(($(SOAK) + 900))s --file $(BIN)/zqublkd --file tests/scenarios \
		--env SOAK_SECONDS=$(SOAK) $(if $(filter-out 0,$(SEED)),--env SOAK_SEED=$(SEED)) bash /opt/zqublkd/scenarios/soak.sh

demo: build
	tests/demo/run

# What make install puts where, below PREFIX; in units and rules /usr/bin becomes PREFIX/bin.
INSTALLED := \
	systemd/zqublkd@.service:lib/systemd/system/ \
	systemd/zqublkd-failed@.service:lib/systemd/system/ \
	systemd/zqublkd-metrics.service:lib/systemd/system/ \
	contrib/prometheus/zqublkd.rules.yml:share/doc/zqublkd/ \
	contrib/grafana/zqublkd.json:share/doc/zqublkd/ \
	systemd/zqublkd.modules-load.conf:lib/modules-load.d/zqublkd.conf \
	systemd/60-zqublkd.rules:lib/udev/rules.d/ \
	$(BIN)/docs/zqublkd.bash:share/bash-completion/completions/zqublkd \
	$(BIN)/docs/_zqublkd:share/zsh/vendor-completions/ \
	$(BIN)/docs/zqublkd.fish:share/fish/vendor_completions.d/ \
	LICENSE:share/doc/zqublkd/

# install and uninstall need no compiler: `make` has built what they put there.
install uninstall:
	BIN=$(BIN) contrib/install $@ "$(DESTDIR)" "$(PREFIX)" $(INSTALLED)

# A Debian package, in bin/deb; installs what building it needs.
deb: build docs
	contrib/deb

clean:
	rm -rf $(BIN)
