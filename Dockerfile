# The outrigger command and daemon on Debian; docs/installing.md says how it is run. It makes namespaces, mounts and cgroups,
# so it wants the privileges for that:
#
#   docker build --tag outrigger .
#   docker run --rm --privileged --cgroupns=host --volume "$PWD/examples:/examples:ro" outrigger run /examples/sidecars.yaml
FROM rust:1-slim-bookworm AS build
# Its archive becomes a part of the program, so that the image below needs nothing of it.
RUN dpkg --status libseccomp-dev >/dev/null 2>&1 \
    || { apt-get update && apt-get install --yes --no-install-recommends libseccomp-dev; }
WORKDIR /source
COPY Cargo.toml Cargo.lock ./
COPY crates crates
COPY runtime-tests runtime-tests
RUN cargo build --release --locked -p outrigger-cli

# A Debian and not nothing, for `image: host:/` is this: its shell and tools are what such Pods have.
FROM debian:bookworm-slim
COPY --from=build /source/target/release/outrigger /usr/bin/outrigger
# An overlay cannot carry the containers' own overlays; a volume can.
VOLUME ["/var/lib/outrigger", "/var/log/pods"]
ENTRYPOINT ["/usr/bin/outrigger"]
CMD ["--help"]
