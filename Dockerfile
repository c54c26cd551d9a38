# syntax=docker/dockerfile:1
# Build with a full toolchain, run with the program alone: no shell, no root, nothing to write but /var/lib/inlet.

FROM rust:1.95-slim-bookworm AS build
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev make perl \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/build/target \
    cargo build --release --locked && cp target/release/inlet /inlet && mkdir /empty

# Debian's C library and root certificates, and a user without privileges (65532).
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /inlet /usr/local/bin/inlet
COPY --from=build --chown=65532:65532 /empty /var/lib/inlet
ENV INLET_DATA_DIR=/var/lib/inlet INLET_LISTEN=0.0.0.0:8080 INLET_LOG_FORMAT=json
VOLUME /var/lib/inlet
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["/usr/local/bin/inlet", "doctor", "--health"]
ENTRYPOINT ["/usr/local/bin/inlet"]
CMD ["serve"]
