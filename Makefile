# `make` alone prints this list. Everything here is a short name for a command that can be run by itself.
# Settings: PORT_BASE=20000 moves every port (two checkouts side by side), PROFILE=release builds optimised binaries.
PROFILE ?= dev
TARGET := $(or $(CARGO_TARGET_DIR),target)
BIN = $(TARGET)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
LOCAL = $(BIN)/local
# Unoptimised, all of them at once: another choice of packages gives their dependencies other features, and each is compiled again.
# Optimised, only what is asked for. Without the simulation, whose doubles and virtual clock are not to be in what runs.
BUILD = cargo build --locked --bins --profile $(PROFILE) $(if $(filter dev,$(PROFILE)),--workspace --exclude simulation,$(addprefix --package ,$1))
CRATES = $(shell cargo metadata --locked --no-deps --format-version 1 | grep -o '"name":"[^"]*","version":"[^"]*","id":"path' | cut -d'"' -f4)

.DEFAULT_GOAL := help
.PHONY: projections-rebuild help tools stripe-mock mailpit build up down status logs token doctor reset demo judge test lint fmt kill-matrix mutants check-crates check-images generate deny advisories

help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

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

token: $(LOCAL) ## A token for a system that runs with AUTH=jwt: CLIENTE=<idCliente> or OPERADOR=<name>
	@$(LOCAL) token $(if $(CLIENTE),--cliente $(CLIENTE)) $(if $(OPERADOR),--operador $(OPERADOR)) $(if $(MINUTES),--minutes $(MINUTES))

doctor: ## Judge what every sidecar has loaded, and say what to change; NAMESPACE=pagos: in the cluster
	@$(call BUILD,cli) --quiet
	@$(BIN)/pagos doctor $(if $(filter command environment,$(firstword $(origin NAMESPACE))),--namespace $(NAMESPACE))

projections-rebuild: $(LOCAL) ## Make the tables of clients and invoices again from their documents, while the system runs
	@$(LOCAL) rebuild

reset: $(LOCAL) ## Stop everything and forget all local state
	@$(LOCAL) reset

# === building ===

tools: ## Build daprd, etcd, kube-apiserver and Jaeger from pinned modules (some minutes, once)
	@tools/build

stripe-mock: ## Build stripe-mock, which judges what we send to Stripe in tests (seconds, once)
	@tools/build stripe-mock

mailpit: ## Build mailpit, the mail server that tests send to (a minute, once)
	@tools/build mailpit

build: ## Build our binaries
	$(call BUILD,$(filter-out simulation,$(CRATES)))

$(LOCAL):
	$(call BUILD,local)

# WRITER, WHAT, FILE: only a whole file takes the place of another.
GENERATE = @$(BIN)/$1 $2 >$3.new && mv $3.new $3
generate: build ## Write the files that are generated from code (the CRD, the documents of every API)
	$(call GENERATE,operator,crd,charts/pagos/files/paymentsagas.yaml)
	$(call GENERATE,operator,asyncapi,seedwork/asyncapi.json)
	$(call GENERATE,integracion-pagos,spec,services/integracion-pagos/spec.json)
	$(call GENERATE,gestion-clientes,spec,services/gestion-clientes/spec.json)
	$(call GENERATE,bff,spec,services/bff/spec.json)
	$(call GENERATE,bff,sdl,services/bff/schema.graphql)
	$(call GENERATE,notificaciones,spec,services/notificaciones/spec.json)

# === checking ===

test: tools stripe-mock mailpit build lint ## Formatting, lints, and every test, those on real processes included
	cargo test --locked --workspace --quiet

lint: ## Formatting and clippy, warnings are errors; no source file that no crate compiles
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --quiet -- --deny warnings
	@tools/orphans $(TARGET)

fmt: ## Format the code
	cargo fmt --all

kill-matrix: tools build ## Kill -9 each process in turn while 50 payments run (some minutes)
	@cargo test --locked --quiet --package local --test system -- --list "kill matrix" | grep -q "kill matrix" \
	  || { echo "error: no check of the whole system is called so" >&2; exit 1; }
	cargo test --locked --package local --test system -- "kill matrix"

check-crates: ## Compile each crate alone: its manifest says all it needs (CRATES="seedwork saga": only these)
	@for crate in $(CRATES); do echo "cargo check --package $$crate"; cargo check --locked --quiet --package $$crate || exit; done

check-images: ## Compile what the images hold without the rest of the workspace, as the Dockerfile does
	cargo check --locked --quiet --bins $(addprefix --package ,$(IMAGES))

# Built once and kept outside the checkout, like the Go programs.
DENY := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/saludtech-pagos/cargo-deny-0.20.2
$(DENY)/bin/cargo-deny:
	cargo install --locked --quiet cargo-deny --version 0.20.2 --root $(DENY)

deny: $(DENY)/bin/cargo-deny ## Bans, licences and sources of the dependencies
	@$(DENY)/bin/cargo-deny --locked check bans licenses sources

advisories: $(DENY)/bin/cargo-deny ## Known vulnerabilities of the dependencies (fetches their database)
	@$(DENY)/bin/cargo-deny --locked check advisories

# docs/performance.md says what is measured. Optimised binaries, unless PROFILE says otherwise. One closed loop on our system alone:
# BENCH="--clients 64 --open --stock".
.PHONY: bench bench-soak
bench bench-soak: PROFILE := $(if $(filter command environment,$(firstword $(origin PROFILE))),$(PROFILE),release)
bench: tools ## Payments a second, latency and what each costs, closed and open loops, beside a stock API server: BENCH="--clients 64"
	$(call BUILD,$(IMAGES) local bench)
	@$(BIN)/bench --json $(TARGET)/bench.json $(BENCH)

bench-soak: tools ## One loop of 64 clients: payment 100,000 costs what payment 1,000 did, etcd stays small (PAYMENTS=100000)
	$(call BUILD,$(IMAGES) local bench)
	@$(BIN)/bench --json $(TARGET)/bench-soak.json --soak $(or $(PAYMENTS),100000) $(BENCH)

# A failed run says where its evidence is. SEED=… asks for and breaks the same again. An hour of it, with its report:
# make campaign PROFILE=release MINUTES=66 CAMPAIGN="--rate 17 --every 2.2 --most-open 600 --storm 0.34 --calm 3 --recovery-open 200 \
#   --rest 240 --report docs/campaign.md"
.PHONY: campaign
campaign: tools ## Load and faults on a system of its own, then rest and a verdict: MINUTES=5 SEED=… CAMPAIGN="…"
	$(call BUILD,$(IMAGES) local campaign)
	@$(BIN)/campaign --minutes $(or $(MINUTES),5) $(CAMPAIGN)

# Optimised as a whole (Cargo.toml says how), unless PROFILE says otherwise. A failing seed tells its story and how to play it again.
.PHONY: simulate
# Each thread has its own databases: nothing of SQLite's that is shared by all of a process, and locked, is of use to it.
simulate: ALONE := -USQLITE_ENABLE_MEMORY_MANAGEMENT -DSQLITE_DEFAULT_MEMSTATUS=0
simulate: PROFILE := $(if $(filter command environment,$(firstword $(origin PROFILE))),$(PROFILE),simulation)
simulate: ## The whole system in virtual time, a world per seed, each judged: SEEDS=2000 FIRST=1 SIMULATE="--story --threads 1"
	@$(if $(filter simulation,$(PROFILE)),LIBSQLITE3_FLAGS="$(ALONE)") cargo build --locked --quiet --bin simulate --profile $(PROFILE) \
	  $(if $(filter dev,$(PROFILE)),--workspace,--package simulation)
	@$(BIN)/simulate --seeds $(or $(SEEDS),2000) --first $(or $(FIRST),1) $(SIMULATE)

.PHONY: schemathesis
schemathesis: tools build ## Hold every service to the OpenAPI document that it serves (EXAMPLES=25)
	@tools/schemathesis $(LOCAL)

# A failure prints the FUZZ_SEED that makes its input the first; the whole log is in target/fuzz.log.
.PHONY: fuzz
fuzz: ## Feed mutated inputs to every parser of strangers' texts, SECONDS=60 each (FUZZ_SEED=… plays a failure again)
	@mkdir -p $(TARGET); { FUZZ_SECONDS=$(or $(SECONDS),60) cargo test --locked --quiet --no-fail-fast --lib --test api --test pagos \
	  $(addprefix --package ,seedwork-runtime bff gestion-clientes integracion-pagos notificaciones) \
	  -- fuzz:: --skip fuzz::tests --nocapture --test-threads 1 2>&1; echo "status $$?"; } | tee $(TARGET)/fuzz.log | grep --line-buffered -ao 'fuzz [a-z].*'; \
	  tail -n 1 $(TARGET)/fuzz.log | grep -qx 'status 0' || { grep -a -A 3 -e panicked -e overflow -e '^error' $(TARGET)/fuzz.log; exit 1; }

mutants: ## Plant each deliberate mistake, in the engine and in all that the simulation plays, and see its test go red (CRATE=operator/saga)
	@for crate in $(or $(CRATE),operator/saga simulation); do tools/mutants $$crate || exit; done

# docs/conformance.md has the table. CONFORMANCE_PORT_BASE=26000 moves its ports.
.PHONY: conformance
conformance: tools ## Ask a broker and a store for what the design relies on: BROKER=redis STORE=sqlite, DEFAULTS=1
	@$(call BUILD,conformance) --quiet
	@$(BIN)/conformance run $(if $(BROKER),--broker $(BROKER)) $(if $(STORE),--store $(STORE)) $(if $(DEFAULTS),--defaults)


# === the cluster ===
# All of it works on the current kube context. Settings: NAMESPACE, VALUES=my-values.yaml, REPOSITORY and TAG of the images,
# BUILD_FLAGS for docker build (mirrors: --build-arg RUST_IMAGE=… --build-arg FINAL_IMAGE=…).
IMAGES := bff gestion-clientes integracion-pagos notificaciones operator pasarela-simulada
# What runs them.
WORKLOADS = $(patsubst %,deployment/%,$(filter-out pasarela-simulada,$(IMAGES))) statefulset/pasarela-simulada
REPOSITORY ?= saludtech
TAG ?= $(shell sed -n 's/^appVersion: *//p' charts/pagos/Chart.yaml)
# NAME: whether somebody gave it. A default of here is not to stand over what VALUES say.
GIVEN = $(filter-out file,$(origin $1))
NAMESPACE ?= pagos
DAPR_VERSION ?= 1.18
CHART := charts/pagos
# What `helm template` is told in place of a cluster.
RENDER := --api-versions dapr.io/v1alpha1 --kube-version 1.34.0
.PHONY: images dapr install chart-test e2e uninstall kind kind-kubeconfig kind-down chart-lint chart-validate chart-readme cluster-load

images: ## Build the container images with Docker
	@for image in $(IMAGES); do \
	  docker build --build-arg BIN=$$image --tag $(REPOSITORY)/$$image:$(TAG) $(BUILD_FLAGS) . || exit; done
	@# Docker lists its own registry's images without its name.
	@docker images --format '{{.Repository}}:{{.Tag}} {{.Size}}' | grep '^$(REPOSITORY:docker.io/%=%)/.*:$(TAG) '

dapr: ## Install Dapr in the cluster, its sidecars fit for pod security `restricted`
	helm upgrade --install dapr dapr --repo https://dapr.github.io/helm-charts/ --version '$(DAPR_VERSION)' \
	  --namespace dapr-system --create-namespace --wait --set dapr_sidecar_injector.sidecarDropALLCapabilities=true

install: ## Install or upgrade the platform in the cluster
	kubectl create namespace $(NAMESPACE) --dry-run=client --output yaml | kubectl apply --filename -
	kubectl label namespace $(NAMESPACE) --overwrite pod-security.kubernetes.io/enforce=restricted
	helm upgrade --install pagos $(CHART) --namespace $(NAMESPACE) --wait --timeout 10m $(if $(VALUES),--values $(VALUES)) \
	  $(if $(call GIVEN,REPOSITORY),--set-string image.repository=$(REPOSITORY)) $(if $(call GIVEN,TAG),--set-string image.tag=$(TAG))

chart-test: ## Make one payment that completes and one that is undone, in the cluster
	helm test pagos --namespace $(NAMESPACE)
	kubectl --namespace $(NAMESPACE) get paymentsagas

e2e: ## From install to uninstall in the cluster: pay, compensate, upgrade, kill pods (SET="image.tag=dev …", MORE="--keep")
	@$(call BUILD,e2e cli) --quiet
	$(BIN)/e2e $(addprefix --set ,$(SET)) $(MORE)

uninstall: ## Remove the platform from the cluster once its payments have ended; its definition and volumes stay
	helm uninstall pagos --namespace $(NAMESPACE) --wait --cascade foreground

# kind writes its cluster into the file of KUBECONFIG and makes it the current one: in the local system's, `make up` would ask there.
kind-kubeconfig:
	@case "$$KUBECONFIG" in *.local/*.kubeconfig*) \
	  echo "error: KUBECONFIG names the local system's file, into which kind would write its cluster: run \`unset KUBECONFIG\`"; exit 1;; esac

kind: kind-kubeconfig images ## A kind cluster on this machine with Dapr and the platform in it
	kind get clusters | grep -qx pagos || kind create cluster --config kind-config.yaml --wait 2m
	kind load docker-image --name pagos $(addprefix $(REPOSITORY)/,$(addsuffix :$(TAG),$(IMAGES)))
	kubectl config use-context kind-pagos
	$(MAKE) dapr
	$(MAKE) install VALUES=$(CHART)/values-kind.yaml
	@# Pods that ran before have the images of before: the same tag replaces none.
	helm status pagos --namespace $(NAMESPACE) | grep -qx 'REVISION: 1' || { \
	  kubectl --namespace $(NAMESPACE) rollout restart $(WORKLOADS) && \
	  kubectl --namespace $(NAMESPACE) rollout status --timeout 5m $(WORKLOADS); }
	$(MAKE) chart-test

kind-down: kind-kubeconfig ## Remove the kind cluster
	kind delete cluster --name pagos

# Values that are of no use one by one.
JWT := auth.mode=jwt,auth.issuer=https://id.example.com,auth.audience=pagos,auth.jwksUrl=https://id.example.com/jwks,test.tokenSecret=t
SMTP := notificaciones.smtp.url=smtps://m.example.com,notificaciones.smtp.remitente=a@example.com,notificaciones.smtp.secretName=s
chart-lint: ## The chart: lint, every variant rendered, its README up to date
	@mkdir -p $(TARGET); helm lint --quiet $(CHART) >$(TARGET)/chart-lint.log 2>&1 || { cat $(TARGET)/chart-lint.log; exit 1; }
	@for values in \
	  defaults.replicas=1 \
	  persistence.enabled=false,jaeger.enabled=false,networkPolicy.enabled=false,crds.enabled=false,secrets.create=false \
	  redis.enabled=false,broker.component=rabbitmq redis.enabled=false,broker.component=kafka \
	  redis.enabled=false,broker.component=pulsar redis.enabled=false,broker.component=mqtt \
	  redis.enabled=false,broker.component=none,store.component=none \
	  postgresql.enabled=false,store.component=mysql \
	  pasarelaSimulada.enabled=false,integracionPagos.pasarelaUrl=https://g.example.com,notificaciones.proveedorUrl=https://m.example.com \
	  $(JWT) \
	  pasarelaSimulada.enabled=false,integracionPagos.pasarela=stripe,integracionPagos.stripe.secretName=s,integracionPagos.stripe.paymentMethod=pm_1,notificaciones.proveedorUrl=https://m.example.com \
	  $(SMTP) \
	  'bff.limits.trustedProxies={10.0.0.0/8},bff.introspection=on,gestionClientes.reintentos.enabled=true,gestionClientes.recordatorios.cada=0' \
	  ingress.enabled=true,ingress.webhooks=true,ingress.tlsSecret=t,defaults.autoscaling.enabled=true,monitoring.monitors=true,monitoring.rules=true; \
	do helm template pagos $(CHART) $(RENDER) --set $$values >/dev/null 2>$(TARGET)/chart-lint.log \
	  || { echo "with $$values:"; cat $(TARGET)/chart-lint.log; exit 1; }; done
	@# Each with a word of the sentence that refuses it: a chart that does not render at all refuses nothing.
	@for refused in 'operator.replica=2|operator.*replica' 'moneda=usd|moneda' 'auth.mode=jwt|auth.issuer' 'auth.algorithms={HS256}|auth.algorithms' \
	  'broker.component=nats|broker.component' 'pasarelaSimulada.enabled=false|integracionPagos.pasarelaUrl is needed' \
	  'integracionPagos.pasarela=stripe|stripe.secretName is needed' 'integracionPagos.pasarela=paypal|integracionPagos.pasarela' \
	  'notificaciones.smtp.url=smtps://m.example.com|smtp.remitente is needed' 'notificaciones.smtp.url=mail:25|notificaciones.smtp.url' \
	  'redis.maxMemory=much|redis.maxMemory' 'jaeger.goMemLimit=700Mi|jaeger.goMemLimit' 'broker.component=kafka|set redis.enabled=false' \
	  'postgresql.maxConnections=201|postgresql.maxConnections is 201, and 202' \
	  'defaults.autoscaling.enabled=true,defaults.autoscaling.maxReplicas=5|postgresql.maxConnections' \
	  'gestionClientes.reintentos.dias={31}|gestionClientes.reintentos.dias' 'gestionClientes.recordatorios.cada=often|gestionClientes.recordatorios.cada' 'bff.graphiql=maybe|bff.graphiql' \
	  'bff.limits.ratePerSecond=-1|bff.limits.ratePerSecond'; \
	do values=$${refused%|*} word=$${refused#*|}; \
	  if helm template pagos $(CHART) $(RENDER) --set "$$values" >/dev/null 2>$(TARGET)/chart-lint.log; then echo "error: the chart takes $$values"; exit 1; fi; \
	  grep -q "$$word" $(TARGET)/chart-lint.log || { echo "$$values is refused, but not for its $$word:"; cat $(TARGET)/chart-lint.log; exit 1; }; done
	@# Values, in how many lines they must show, and in which.
	@for shown in 'defaults.autoscaling.enabled=true,defaults.autoscaling.minReplicas=3|5|^  replicas: 3$$' 'bff.replicas=3|1|^  replicas: 3$$' \
	  'defaults.topologySpread=true|5|^          matchLabelKeys: \[pod-template-hash\]$$' \
	  'defaults.nodeSelector.disk=ssd|11|^ *disk: ssd$$' 'operator.nodeSelector.disk=ssd|2|^ *disk: ssd$$' 'bff.nodeSelector.disk=ssd|1|^ *disk: ssd$$' \
	  'defaults.tolerations[0].key=pagos|11|^ *- key: pagos$$' 'defaults.priorityClassName=high|11|^ *priorityClassName: high$$' \
	  'defaults.affinity.nodeAffinity.n=1,defaults.affinity.podAntiAffinity.p=1|11|^ *nodeAffinity:$$' \
	  'defaults.affinity.nodeAffinity.n=1,defaults.affinity.podAntiAffinity.p=1|5|^ *podAntiAffinity:$$' \
	  'pasarelaSimulada.enabled=true|1|pay 24.01 ' 'integracionPagos.pasarelaUrl=https://g.example.com|1|pay 24.00 cliente-que-no-existe ' \
	  'integracionPagos.pasarela=stripe,integracionPagos.stripe.secretName=s|1|pay 24.00 cliente-que-no-existe ' \
	  'monitoring.rules=true,operator.maxLive=100|1|>= 0.9 \* 100$$' 'monitoring.rules=true|8|^ *- alert: '; \
	do values=$${shown%%|*} rest=$${shown#*|}; count=$$(helm template pagos $(CHART) $(RENDER) --set "$$values" 2>$(TARGET)/chart-lint.log | grep -c "$${rest#*|}"); \
	  [ "$$count" = "$${rest%%|*}" ] || { cat $(TARGET)/chart-lint.log; echo "error: with $$values $$count lines are $${rest#*|}, and not $${rest%%|*}"; exit 1; }; done
	@for alert in $$(sed -n 's/^ *- alert: //p' $(CHART)/templates/monitoring/prometheus.yaml); \
	do grep -q "^| \`$$alert\` |" docs/operate.md || { echo "error: docs/operate.md has no remedy for $$alert"; exit 1; }; done
	@# What leaves symbolic links out brings no part of dapr-components/.
	@rm -rf $(TARGET)/chart-unlinked && cp -rP $(CHART) $(TARGET)/chart-unlinked && rm $(TARGET)/chart-unlinked/files/dapr-components
	@if helm template pagos $(TARGET)/chart-unlinked $(RENDER) --set redis.enabled=false,broker.component=none,store.component=none >/dev/null 2>$(TARGET)/chart-lint.log \
	  || ! grep -q 'The chart has no files/dapr-components/local/resiliency.yaml' $(TARGET)/chart-lint.log; \
	  then cat $(TARGET)/chart-lint.log; echo 'error: a chart without its Resiliency is not refused for that'; exit 1; fi
	@if helm template pagos $(CHART) --kube-version 1.34.0 >/dev/null 2>$(TARGET)/chart-lint.log || ! grep -q 'Dapr is not installed' $(TARGET)/chart-lint.log; \
	  then echo 'error: a cluster without Dapr is not refused for that'; exit 1; fi
	@# As in a fresh clone, where nothing is built yet.
	@rm -rf $(TARGET)/chart-fresh; $(MAKE) --no-print-directory --silent chart-readme TARGET=$(TARGET)/chart-fresh README=$(TARGET)/chart-readme.md
	@diff $(CHART)/README.md $(TARGET)/chart-readme.md || { echo 'error: run make chart-readme'; exit 1; }
	@echo "the chart is fine"

# Kubernetes versions whose published types the manifests are held against, from their Go modules.
KUBERNETES_VERSIONS := v1.31.14 v1.32.13 v1.33.13 v1.34.4
chart-validate: ## Every manifest fits the types of Kubernetes 1.31 to 1.34 and of Dapr; kind-config.yaml those of kind
	@$(call BUILD,e2e) --quiet
	@mkdir -p $(TARGET); cp tools/dapr/go.mod tools/dapr/go.sum $(TARGET)/; \
	dapr=$$(cd $(TARGET) && go list -mod=mod -m -f '{{.Dir}}' github.com/dapr/dapr) || exit; \
	for version in $(KUBERNETES_VERSIONS); do \
	  schemas=$$(go mod download -json k8s.io/kubernetes@$$version | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')/api/openapi-spec/v3; \
	  for values in defaults.replicas=2 redis.enabled=false,broker.component=rabbitmq \
	    'defaults.autoscaling.enabled=true,ingress.enabled=true,defaults.nodeSelector.disk=ssd,defaults.tolerations[0].key=pagos,defaults.priorityClassName=high' \
	    redis.enabled=false,broker.component=mqtt '$(JWT),$(SMTP),networkPolicy.dnsTo[0].ipBlock.cidr=169.254.20.10/32'; do \
	    { helm template pagos $(CHART) $(RENDER) --set $$values >$(TARGET)/manifests.yaml 2>$(TARGET)/chart-validate.log \
	      || { cat $(TARGET)/chart-validate.log; false; }; } \
	      && printf '%-9s %s: ' $$version $$values \
	      && $(BIN)/manifests --schemas $$schemas --definitions $$dapr/charts/dapr/crds <$(TARGET)/manifests.yaml || exit; done; done
	@cd tools/kind && go run . ../../kind-config.yaml

README = $(CHART)/README.md
chart-readme: ## Write the table of values into the chart's README
	@mkdir -p $(TARGET) $(dir $(README))
	@{ sed '/^<!-- values/q' $(CHART)/README.md; echo; echo '| value | default | what |'; echo '|---|---|---|'; \
	  awk -f $(CHART)/values-table.awk $(CHART)/values.yaml; } >$(TARGET)/chart-readme.new
	@mv $(TARGET)/chart-readme.new $(README)

# For a cluster that has no registry: CLUSTER is a script whose `load IMAGE BINARY[=PATH]…` makes an image of binaries.
CLUSTER ?= ../shared/cluster/cluster
cluster-load:
	@for image in $(IMAGES); do $(CLUSTER) load $(REPOSITORY)/$$image:$(TAG) $(BIN)/$$image || exit; done
	@# The shell that the chart waits and tests with.
	@$(CLUSTER) load docker.io/library/busybox:1.36 /bin/busybox $(foreach applet,sh nc sleep wget sed,/bin/busybox=/bin/$(applet))
