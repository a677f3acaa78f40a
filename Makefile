# Everything that a person or CI does here is a target; `make` alone lists them.

GO       ?= go
FUZZTIME ?= 30s
PKG      ?= ./...
BIN      ?= bin/pilothouse

# No tables for debuggers (stacks and profiles have their names without), and no
# inlining in the dashboard but for its rows, which change all the time: inlined
# it would be half a megabyte more.
SMALL = web web/apidoc web/capacity web/jobs web/logs web/messages web/pages web/prefs web/session web/terminal web/trend web/undo \
        web/view templates/...
BUILD = -trimpath -ldflags='-s -w' $(foreach p,$(SMALL),-gcflags='pilothouse/$(p)=-l')

# Packages whose tests are about goroutines; make test runs them with -race.
RACE = ./backend/server/... ./backend/storage/... ./backend/watchcache/... ./backend/registry/... \
       ./backend/request/... ./backend/authz/... ./backend/authn/... ./backend/pki/... ./backend/informer/... \
       ./backend/admission/quota/... ./backend/admission/webhook/... ./backend/apitest ./backend/node ./backend/scheduler \
       ./backend/stream ./web/session/... ./web/terminal ./web/logs ./web/live ./web/rows ./web/jobs ./web/lifetime ./web/capacity ./web

.DEFAULT_GOAL := help
.PHONY: help build run test test-short race bench fuzz generate generate-check lint e2e e2e-modules e2e-real e2e-kubernetes lighthouse static static-check e2e-short

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

build: ## build bin/pilothouse
	$(GO) build $(BUILD) -o $(BIN) .

run: build ## build and start, with a node that runs pods as well as this machine can
	./bin/pilothouse --node=auto

test: ## everything that CI runs
	$(GO) vet ./...
	$(GO) build $(BUILD) -o $(BIN) .
	$(MAKE) e2e-modules
	GO=$(GO) .ci/go-test -timeout 20m -- ./...
	GO=$(GO) .ci/go-test -timeout 20m -race -short -- $(RACE)
	$(MAKE) e2e

test-short: ## the quick part of the tests
	$(GO) test -short $(PKG)

race: ## all Go tests with the race detector
	$(GO) test -timeout 60m -race $(PKG)

bench: ## benchmarks; PKG=./backend/server for one package
	$(GO) test -run '^$$' -bench . -benchmem $(PKG)

fuzz: ## every fuzz target for FUZZTIME each
	@grep -rlE '^func Fuzz' --include='*_test.go' . | while read -r f; do \
		for target in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/p' "$$f"); do \
			echo "$$target in $$(dirname $$f)"; \
			$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) "$$(dirname $$f)" || exit 1; \
		done; \
	done

generate: ## make generated code again, in e2e's own modules too
	$(GO) generate ./...
	@for m in $$(grep -ls '^//go:generate' e2e/*/*.go | xargs -rn1 dirname | sort -u); do \
		if [ -f $$m/go.mod ]; then (cd $$m && $(GO) generate ./...) || exit 1; fi; \
	done

generate-check: generate ## whether the checked-in generated code is what its sources give
	@git diff --exit-code --stat -- backend templates static web e2e || { echo "generated code is stale: make generate, and commit"; exit 1; }

lint: ## formatting, vet, and golangci-lint where it is installed
	@files=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$files" ] || { echo "not formatted:"; echo "$$files"; exit 1; }
	$(GO) vet ./...
	@if command -v golangci-lint >/dev/null; then golangci-lint run; else echo "golangci-lint is not installed: skipped"; fi

e2e-modules: ## what e2e has in Go modules of its own: Helm, an API server, a controller
	@for m in $(filter-out e2e/kubernetes/go.mod,$(wildcard e2e/*/go.mod)); do \
		echo "$$(dirname $$m)"; \
		(cd "$$(dirname $$m)" && $(GO) vet ./... && $(GO) build -o /dev/null ./... tool && GO=$(GO) $(CURDIR)/.ci/go-test -timeout 20m -- ./...) || exit 1; \
	done

e2e-real: ## CoreDNS, metrics-server, cert-manager, Flux and Argo CD on the server; not in test: builds for half an hour
	@for m in e2e/real/*/; do \
		echo "$$m"; mkdir -p bin/real/$$(basename $$m); \
		(cd $$m && $(GO) vet . && $(GO) build -ldflags '-s -w' -o $(CURDIR)/bin/real/$$(basename $$m)/ ./... tool) || exit 1; \
	done
	PILOTHOUSE_REAL=$(CURDIR)/bin/real $(GO) test -count=1 -timeout 30m -v -run '^TestReal' ./e2e

# The programs say which version they are as Kubernetes' releases do.
KUBERNETES = $(shell $(GO) -C e2e/kubernetes list -m -f '{{.Version}}' k8s.io/kubernetes)
RELEASE    = -X k8s.io/component-base/version.gitVersion=$(KUBERNETES) -X k8s.io/client-go/pkg/version.gitVersion=$(KUBERNETES)

e2e-kubernetes: ## Kubernetes' own controllers, scheduler, kubelet and kube-proxy on the server; not in test: builds for ten minutes or more
	cd e2e/kubernetes && $(GO) vet . && CGO_ENABLED=0 $(GO) build -ldflags "-s -w $(RELEASE)" -o $(CURDIR)/bin/kubernetes/ tool
	PILOTHOUSE_KUBERNETES=$(CURDIR)/bin/kubernetes $(GO) test -count=1 -timeout 30m -v -run '^TestKubernetes' ./e2e

e2e: build static-check ## the built binary in a real browser
	@command -v chromium chromium-browser google-chrome >/dev/null || { apt-get update && apt-get install -y --no-install-recommends chromium; }
	npm test

lighthouse: build node_modules/.package-lock.json ## Lighthouse's report on the dashboard; not in test: it is fetched, and wants an idle machine
	node e2e/lighthouse.js

e2e-short: build ## the quick part of the browser tests, for the inner loop
	node e2e/run.js $(foreach t,requirements list object access session custom,e2e/tests/$(t).test.js)

static: node_modules/.package-lock.json ## bundle the dashboard's scripts and styles again
	npm run build

static-check: node_modules/.package-lock.json ## whether the checked-in bundles are what the sources give
	npm run check

node_modules/.package-lock.json: package.json package-lock.json
	npm ci --ignore-scripts --no-audit --no-fund
