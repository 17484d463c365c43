# build    builds dist/assay and dist/assayd
# help     prints these lines
# release  builds both for linux on amd64 and arm64 in dist/release, with manual pages,
#          completions, the licenses of all linked modules and SHA256SUMS
# programs builds the programs of the release, without the rest
# image    builds the image of assayd in a container engine
# manual   writes the manual pages and shell completions of both programs to dist/share,
#          which has the layout of /usr/share
# demo     builds both, starts assayd and scans on this machine (ADVISORIES=folder or zip)
# deps     installs the Debian packages that the tests need (root)
# test     runs lint and every test; with CI=true it runs deps first. Without the test data,
#          the tests that need it are skipped, and the last line counts them
# test-builders  builds docs/patterns with all builders, including a current BuildKit that
#          it compiles first (minutes); prints the tables of docs/builders.md, and fails if
#          they differ
# lint     runs the static checks: gofmt, vet, staticcheck, gocyclo, deadcode, shellcheck …
# fuzz     runs every fuzz target for FUZZTIME
# bench    measures the budgets (ROOT=folder; default a fresh Debian 12), and writes a CPU
#          profile of assayd for each kind of scan to dist/profiles
# bench-full  measures assayd with data of the size of all public data, on SQLite and on
#          PostgreSQL (half an hour, 10 GB of disk); bench has a small form of it
# test-long  runs make test and the tests that take minutes: all records of the test data,
#          all builders, 500 flipped bits, 100 kills. Run it before a release
# kills    sends 100 SIGKILLs during import, update and load, half of them with a nearly
#          full disk (root), and 100 during updates of all sources; make test sends 4 and 3
# load     puts assayd under load, on loopback: LOAD=flags of check/load
# verdicts compares the verdicts of the test data with those of an earlier release, whose
#          programs are in BEFORE=folder
# verdict-sources  compares the verdicts of the test data with the records of OSV alone, and
#          with those of the distributions' own sources in addition
# compare  compares the inventory with the native tools, Syft, Trivy and osv-scanner, the
#          versions of programs with what they print (root) and with Syft, the findings with
#          osv-scanner, osv-scanner that asks assayd with itself offline, the cost of an image of
#          1 GiB with Trivy, and what ignore files accept with Trivy and Grype (ROOT as for bench;
#          FAT=folder, which is built if it does not exist: an hour;
#          IGNOREFILES=folder with files of projects)

GO       ?= go
FUZZTIME ?= 30s
ROOT     ?= $(shell testdata/roots/make.sh slim)
FAT      ?= $(shell testdata/roots/make.sh fat)
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

GOBUILD = CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)'
# These packages of the client run once in a scan. Without inlining they are a third of a MiB
# smaller, and a scan takes as long.
COLD = crypto/tls crypto/x509 encoding/asn1 encoding/json github.com/urfave/cli/v2 math/big \
	mime/multipart net net/http text/template text/template/parse vendor/golang.org/x/net/http2/hpack
CLIENT = -tags urfave_cli_no_docs $(COLD:%=-gcflags=%=-l)
PACKAGES = ./...
# Packages that are tested at once. Several wait for programs and timeouts most of the time.
JOBS     ?= 4
SHELLFILES = .ci/run $(wildcard *.sh deploy/*.sh deploy/*/*.sh docs/patterns/*.sh docs/patterns/*/*.sh testdata/*/*.sh)

.PHONY: help build release programs image manual demo deps test test-long test-builders lint fuzz bench bench-full load verdicts verdict-sources compare kills

build:
	$(GOBUILD) $(CLIENT) -o dist/assay .
	$(GOBUILD) -o dist/assayd ./service/assayd
	cp install.sh dist/

# The architectures of assayd; those of the client do not depend on it.
ASSAYD_ARCHES ?= amd64 arm64
programs:
	@set -e; for arch in amd64 arm64; do \
		GOOS=linux GOARCH=$$arch $(GOBUILD) $(CLIENT) -o dist/release/linux/$$arch/assay .; \
	done; \
	for arch in $(ASSAYD_ARCHES); do \
		GOOS=linux GOARCH=$$arch $(GOBUILD) -o dist/release/linux/$$arch/assayd ./service/assayd; \
	done
	cp install.sh dist/release/
	$(GO) run ./check/notices -tags urfave_cli_no_docs . ./service/assayd >dist/release/THIRD-PARTY-NOTICES

help:
	@sed -n '/^#/!q; s/^# //p' Makefile

release: programs
	$(MAKE) manual SHARE=dist/release/share
	cd dist/release && sha256sum install.sh THIRD-PARTY-NOTICES linux/*/* $$(find share -type f | LC_ALL=C sort) >SHA256SUMS

# It needs a container engine, and no Go.
image:
	docker build -t assayd:$(VERSION) -t assayd --build-arg VERSION=$(VERSION) -f deploy/image/Dockerfile .

SHARE = dist/share
# The manual pages show the date of the commit.
DATE ?= $(shell git log -1 --format=%cs 2>/dev/null || date -u +%F)
manual:
	rm -rf $(SHARE)
	$(GO) run ./check/manual -version '$(VERSION)' -date '$(DATE)' -dir $(SHARE)
	$(GOBUILD) -o dist/assayd ./service/assayd
	mkdir -p $(SHARE)/man/man8
	dist/assayd man --date '$(DATE)' >$(SHARE)/man/man8/assayd.8
	dist/assayd completion bash >$(SHARE)/bash-completion/completions/assayd
	dist/assayd completion zsh >$(SHARE)/zsh/site-functions/_assayd
	dist/assayd completion fish >$(SHARE)/fish/vendor_completions.d/assayd.fish

demo: build
	@deploy/demo.sh

deps:
	deploy/needs.sh --install

# The race detector needs a C compiler.
RACE = $(shell command -v gcc >/dev/null && [ -e /usr/include/stdlib.h ] && echo -race)

test:
	deploy/needs.sh $(if $(CI),--install)
	$(MAKE) lint
	@[ -n "$(RACE)" ] || { echo "gcc or libc6-dev is missing: testing without the race detector"; [ -z "$$CI" ]; }
	CGO_ENABLED=$(if $(RACE),1,0) $(GO) run ./check/gotest $(RACE) -p $(JOBS) -timeout 30m $(PACKAGES)

test-long:
	ASSAY_LONG=1 $(MAKE) test

BUILDKIT = dist/tools/buildkit-v0.34.2
BUILDX   = dist/tools/buildx-v0.38.2

kills:
	ASSAY_LONG=1 ASSAY_KILLS=100 $(GO) test -count 1 -v -timeout 30m -run TestKilled ./check/e2e ./service/feed/sources

test-builders: $(BUILDKIT)/buildkitd $(BUILDX)/buildx
	deploy/needs.sh
	@rm -f dist/builders.md
	@BUILDKIT=$(CURDIR)/$(BUILDKIT) BUILDX=$(CURDIR)/$(BUILDX)/buildx ASSAY_LONG=1 MATRIX=$(CURDIR)/dist/builders.md \
		$(GO) test -count 1 -timeout 60m ./check/builders; \
		code=$$?; cat dist/builders.md; exit $$code

# BuildKit's go.mod has replace directives, so "go install" refuses to build it. A separate
# module can.
$(BUILDKIT)/buildkitd:
	mkdir -p $(BUILDKIT)
	cd $(BUILDKIT) && rm -f go.mod go.sum && $(GO) mod init tools && \
		$(GO) get $(foreach c,buildkitd buildctl,github.com/moby/buildkit/cmd/$(c)@$(lastword $(subst -, ,$(BUILDKIT)))) && \
		CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o . \
			github.com/moby/buildkit/cmd/buildctl github.com/moby/buildkit/cmd/buildkitd

$(BUILDX)/buildx:
	mkdir -p $(BUILDX)
	cd $(BUILDX) && rm -f go.mod go.sum && $(GO) mod init tools && \
		printf '//go:build tools\n\npackage tools\n\nimport _ "github.com/docker/buildx/cmd/buildx"\n' >tools.go && \
		$(GO) get github.com/docker/buildx@$(lastword $(subst -, ,$(BUILDX))) && $(GO) mod tidy -e && \
		CGO_ENABLED=0 $(GO) build -mod=mod -trimpath -ldflags '-s -w' -o . github.com/docker/buildx/cmd/buildx

TOOL = $(GO) tool -modfile=tools/go.mod
# All checks except two. ST1000 requires package comments to begin with "Package NAME", also
# for programs, whose comments begin with the name of the program here. ST1005 forbids
# capitals and final punctuation in error strings, but some begin with a proper name.
CHECKS = all,-ST1000,-ST1005
# The highest cyclomatic complexity of a function outside tests.
COMPLEXITY = 20
VULNDB ?= https://vuln.go.dev

lint:
	@files=$$(find . -path ./dist -prune -o -path './.?*' -prune -o -name '*.go' -exec gofmt -l {} +); \
		if [ -n "$$files" ]; then echo "gofmt: not formatted:"; echo "$$files"; exit 1; fi
	$(GO) vet -tags fat $(PACKAGES)
	$(TOOL) staticcheck -tags fat -checks $(CHECKS) $(PACKAGES)
	@$(TOOL) gocyclo -over $(COMPLEXITY) -ignore '_test\.go$$|/storetest/|^dist/|^\.' .
	@dead=$$($(TOOL) deadcode . ./service/assayd ./check/... | grep -vE '^(check/testkit|service/store/storetest)/'); \
		if [ -n "$$dead" ]; then echo "$$dead"; exit 1; fi
	@if curl -fs -m 5 -o /dev/null $(VULNDB)/index/db.json; then $(TOOL) govulncheck -db $(VULNDB) $(PACKAGES); \
		else echo "lint: $(VULNDB) cannot be reached: govulncheck is not run"; fi
	$(GO) -C check/manifests vet ./...
	$(GO) -C check/manifests test ./...
	@if command -v shellcheck >/dev/null; then set -x; shellcheck $(SHELLFILES); \
		else echo "shellcheck is missing: shell files are not checked"; [ -z "$$CI" ]; fi

fuzz:
	@set -e; for p in $$($(GO) list $(PACKAGES)); do \
		list=$$($(GO) test -list '^Fuzz' $$p); \
		for f in $$(echo "$$list" | grep '^Fuzz'); do \
			echo "== $$p $$f"; \
			$(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$p; \
		done; \
	done

bench: build
	$(GO) run ./check/bench -root "$(ROOT)" -dist dist -profiles dist/profiles
	$(GO) run ./check/load -assayd dist/assayd -modes full -records 150000 -ranges 600000 -shares 0,100 -scans 1000
	$(GO) run ./check/load -assayd dist/assayd -modes vex -documents 1000 -pairs 143000 -scans 1000

bench-full: build
	$(GO) run ./check/load -assayd dist/assayd -modes full -tools dist/tools
	$(GO) run ./check/load -assayd dist/assayd -modes full -database postgres
	$(GO) run ./check/load -assayd dist/assayd -modes vex
	$(GO) run ./check/load -assayd dist/assayd -modes vex -database postgres

load: build
	$(GO) run ./check/load -assayd dist/assayd $(LOAD)

verdict-sources: build
	rm -rf dist/mirrors
	ASSAY_MIRRORS=$(CURDIR)/dist/mirrors $(GO) test -count 1 ./service/feed/...
	$(GO) run ./check/verdicts -mirrors dist/mirrors -after dist

verdicts: build
	$(GO) run ./check/verdicts -before "$(BEFORE)" -after dist -root "$(ROOT)" -popular

compare: build
	$(GO) run ./check/peers/inventory -root "$(ROOT)" -root "$(FAT)" -assay dist/assay -tools dist/tools
	$(GO) test -count 1 -tags fat ./inspect/lang/...
	$(GO) run ./check/peers/linked -tools dist/tools
	$(GO) run ./check/peers/programs -tools dist/tools
	$(GO) run ./check/peers/findings -root "$(ROOT)" -root "$(FAT)" -assay dist/assay -tools dist/tools
	$(GO) run ./check/peers/osvapi -assayd dist/assayd -tools dist/tools
	$(GO) run ./check/peers/images -assayd dist/assayd -tools dist/tools
	$(GO) run ./check/peers/ignore -files "$(IGNOREFILES)" -assay dist/assay -tools dist/tools
