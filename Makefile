# build    dist/assay and dist/assayd
# release  both for linux on amd64 and arm64, with SHA256SUMS, in dist/release
# demo     the main job on this machine, from nothing (ADVISORIES=folder or zip)
# test     installs what the tests need, runs lint and every test
# lint     what can be said without running anything
# fuzz     every fuzz target for FUZZTIME each
# bench    the budgets, measured (ROOT=folder; default a fresh Debian 12)
# compare  the inventory beside dpkg-query's and Syft's (ROOT as for bench)

GO       ?= go
FUZZTIME ?= 30s
ROOT     ?= $(shell testdata/roots/make.sh slim)
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

GOBUILD = CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)'
# The pattern ./... leaves out every folder called testdata.
PACKAGES = ./... $(addprefix ./,$(sort $(dir $(wildcard testdata/*.go testdata/*/*.go))))
SHELLFILES = .ci/run $(wildcard *.sh deploy/*.sh testdata/*/*.sh)

.PHONY: build release demo test lint fuzz bench compare

build:
	$(GOBUILD) -tags urfave_cli_no_docs -o dist/assay .
	$(GOBUILD) -o dist/assayd ./service/assayd
	cp install.sh dist/

release:
	@set -e; for arch in amd64 arm64; do \
		export GOOS=linux GOARCH=$$arch; \
		$(GOBUILD) -tags urfave_cli_no_docs -o dist/release/linux/$$arch/assay .; \
		$(GOBUILD) -o dist/release/linux/$$arch/assayd ./service/assayd; \
	done
	cp install.sh dist/release/
	cd dist/release && sha256sum install.sh linux/*/* >SHA256SUMS

demo: build
	@deploy/demo.sh

test:
	deploy/needs.sh
	$(MAKE) lint
	CGO_ENABLED=1 $(GO) test -race -timeout 30m $(PACKAGES)

lint:
	@files=$$(find . -path ./dist -prune -o -name '*.go' -exec gofmt -l {} +); \
		if [ -n "$$files" ]; then echo "gofmt: not formatted:"; echo "$$files"; exit 1; fi
	$(GO) vet $(PACKAGES)
	$(GO) tool staticcheck $(PACKAGES)
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
	$(GO) run ./check/bench -root "$(ROOT)" -dist dist

compare: build
	$(GO) run ./testdata/compare -root "$(ROOT)" -assay dist/assay -tools dist/tools
