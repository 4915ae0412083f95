# The outrigger command on Debian. It makes namespaces, mounts and cgroups of the host's, so it needs the host's privileges:
#
#   docker build -t outrigger .
#   docker run --rm --privileged --pid=host --cgroupns=host -v /sys/fs/cgroup:/sys/fs/cgroup -v "$PWD:/work" -w /work \
#       outrigger run examples/sidecars.yaml
FROM rust:1-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY Cargo.toml Cargo.lock ./
COPY crates crates
COPY runtime-tests runtime-tests
RUN cargo build --release --locked -p outrigger-cli

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
COPY --from=build /source/target/release/outrigger /usr/local/bin/outrigger
# An overlay cannot carry the containers' own overlays; a volume can.
VOLUME ["/var/lib/outrigger", "/var/log/pods"]
ENTRYPOINT ["/usr/local/bin/outrigger"]
CMD ["--help"]
