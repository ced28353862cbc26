# syntax=docker/dockerfile:1
# One file for all binaries:   docker build --build-arg BIN=bff --tag saludtech/bff .        (make images builds them all)
#
# Bases are arguments: a mirror, a pinned digest, or images made of Debian packages do as well.
ARG RUST_IMAGE=docker.io/library/rust:1.95-bookworm
# glibc, libgcc, CA certificates, user 65532, no shell.
ARG FINAL_IMAGE=gcr.io/distroless/cc-debian12:nonroot

# --- manifests: what the dependencies depend on, and nothing else -------------------------------------------------------
FROM ${RUST_IMAGE} AS manifests
WORKDIR /src
COPY . .
# Every manifest with an empty crate in place of its code, so that the layer below stays as long as no manifest changes.
# Targets that a manifest names have to be there as well.
RUN mkdir /manifests && cp --parents Cargo.lock rust-toolchain.toml $(find . -name Cargo.toml -not -path './target/*') /manifests/ \
 && cd /manifests && for manifest in $(find . -mindepth 2 -name Cargo.toml); do \
      crate=$(dirname "$manifest"); mkdir -p "$crate/src" "$crate/tests" "$crate/benches" "$crate/examples"; \
      touch "$crate/src/lib.rs"; echo 'fn main() {}' >"$crate/src/main.rs"; \
      awk '/^\[\[/ { kind = $0; gsub(/[][]/, "", kind) } /^\[[^[]/ { kind = "" } \
           kind ~ /^(test|bench|example)$/ && /^name *=/ { gsub(/"/, "", $3); print (kind == "bench" ? "benches" : kind "s") "/" $3 ".rs" } \
           kind != "" && /^path *=/ { gsub(/"/, "", $3); print $3 }' "$manifest" \
        | while read -r file; do mkdir -p "$crate/$(dirname "$file")"; echo 'fn main() {}' >"$crate/$file"; done; \
    done

# --- dependencies: one layer that all images share --------------------------------------------------------------------
FROM ${RUST_IMAGE} AS build
WORKDIR /src
COPY --from=manifests /manifests .
RUN cargo build --locked --release --bins \
      --package bff --package gestion-clientes --package integracion-pagos --package notificaciones --package operator --package pasarela-simulada
# The empty crates go, all but what was compiled; and since they are newer than the sources by their dates, cargo is told.
RUN find . -mindepth 1 -maxdepth 1 -not -name target -exec rm -rf {} +
COPY . .
RUN find . -name '*.rs' -not -path './target/*' -exec touch {} + \
 && cargo build --locked --release --bins \
      --package bff --package gestion-clientes --package integracion-pagos --package notificaciones --package operator --package pasarela-simulada

# --- the image --------------------------------------------------------------------------------------------------------
FROM ${FINAL_IMAGE}
ARG BIN
LABEL org.opencontainers.image.title="${BIN}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.description="Pagos: payments that always end"
# The lock file says what is inside: scanners read it where a stripped binary is silent.
COPY --from=build /src/Cargo.lock /usr/share/pagos/Cargo.lock
COPY --from=build /src/target/release/${BIN} /usr/local/bin/app
# Named by number, so that Kubernetes can see that it is not root.
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/app"]
