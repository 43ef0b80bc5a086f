# The sigchain server. Build from the root of the work tree:
#   docker build -f deploy/Dockerfile.sig -t kez-sig .

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# The commit that `--version` shows: --build-arg KEZ_BUILD_COMMIT=$(git rev-parse --short=12 HEAD)
ARG KEZ_BUILD_COMMIT=
RUN cargo build --release --locked --package kez-chat-server
RUN mkdir /data

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/release/kez-sig-server /usr/bin/kez-sig-server
# For the health check, which works with either server.
COPY --from=build /src/target/release/kez-chat-server /usr/bin/kez-chat-server
COPY --from=build --chown=65532:65532 /data /data
# The database is kez-sig.db here, unless KEZ_SIG_DB or KEZ_SIG_DB_FILE is set.
WORKDIR /data
ENV KEZ_SIG_BIND=0.0.0.0:7878 \
    KEZ_SIG_LOG_FORMAT=json
USER 65532:65532
VOLUME ["/data"]
EXPOSE 7878
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["/usr/bin/kez-chat-server", "healthcheck", "--bind", "127.0.0.1:7878"]
ENTRYPOINT ["/usr/bin/kez-sig-server"]
