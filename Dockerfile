# The image of xe-exporter: Node.js, the program, and the libraries both are linked to. No shell, no package manager.
#
#   docker build --build-arg XE_EXPORTER_REVISION="$(git rev-parse HEAD)" -t xe-exporter .
#
# The same for amd64 and arm64, and for both at once: docker buildx build --platform=linux/amd64,linux/arm64. The compiler makes
# code for the other platform, so that takes no emulator. What is fetched: the base image, Debian packages of the build stage, and
# from npm what package-lock.json names, by hash. To pin the base as well, give it with its digest:
# --build-arg NODE_IMAGE=docker.io/library/node:24-trixie-slim@sha256:...
ARG NODE_IMAGE=docker.io/library/node:24-trixie-slim
# BuildKit fills it in. A Buildah or Podman that does not has to be told, or takes the target's, which an emulator has to run.
ARG BUILDPLATFORM

# What the image is for. Nothing runs in it.
FROM ${NODE_IMAGE} AS target

# What builds it.
FROM --platform=${BUILDPLATFORM} ${NODE_IMAGE} AS build
# pci.ids has the names of the GPU models. The bookworm image would do but for this: its list ends before Battlemage.
RUN --mount=type=bind,from=target,target=/target \
    apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
      "g++-$(basename /target/usr/lib/*-linux-gnu | tr _ -)" binutils make python3 pci.ids \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# No script of a dependency runs: the addon is built and the program compiled by our own. Then what only building needed goes.
RUN --mount=type=bind,from=target,target=/target \
    npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier \
 && CXX="$(basename /target/usr/lib/*-linux-gnu)-g++" npm run --silent build \
 && node packaging/esbuild.mjs packed \
 && npm prune --omit=dev --ignore-scripts --no-audit --no-fund --no-update-notifier

# /image/base changes with Node.js and Debian, /image/app with the program: a layer each.
RUN --mount=type=bind,from=target,target=/target \
    set -eu; \
    gnu=$(basename /target/usr/lib/*-linux-gnu); \
    mkdir -p /image/base /image/app/app/native/build/Release /image/app/app/dist; \
    "$gnu-strip" --strip-unneeded -o /image/app/app/native/build/Release/xe_exporter.node native/build/Release/xe_exporter.node; \
    cp -r package.json LICENSE node_modules /image/app/app/; \
    cp -r packed /image/app/app/dist/exporter; \
    # On the PATH, for "kubectl exec ... -- xe-exporter doctor". There is no env in the image to find Node.js.
    sed -i '1s|.*|#!/usr/local/bin/node --optimize-for-size|' /image/app/app/dist/exporter/main.js; \
    chmod +x /image/app/app/dist/exporter/main.js; \
    mkdir -p /image/app/usr/local/bin; \
    ln -s ../../../app/dist/exporter/main.js /image/app/usr/local/bin/xe-exporter; \
    packaging/trim.sh /image/app/app; \
    cd /target; \
    # The loader that a program names, and the libraries that it or a library needs.
    needs() { readelf --wide --program-headers --dynamic "$1" | sed -n "s|.*interpreter: /\(.*\)]|\1|p; s|.*(NEEDED).*\[\(lib.*\)]|lib/$gnu/\1|p"; }; \
    take() { for file in "$@"; do [ -e "/image/base/$file" ] || { cp --parents --dereference "$file" /image/base; take $(needs "$file"); }; done; }; \
    take usr/local/bin/node $(needs /src/native/build/Release/xe_exporter.node); \
    cp --parents --dereference etc/nsswitch.conf etc/os-release /image/base; \
    cp --parents /usr/share/misc/pci.ids /usr/share/doc/pci.ids/copyright /image/base; \
    mkdir -p /image/base/usr/share/doc/nodejs; \
    cp usr/local/LICENSE /image/base/usr/share/doc/nodejs/copyright; \
    # Scanners read from here which Debian packages, and which versions of them, the files are of.
    mkdir -p /image/base/var/lib/dpkg/status.d; \
    dpkg-query --status pci.ids >/image/base/var/lib/dpkg/status.d/pci.ids; \
    for package in base-files libc6 libgcc-s1 libstdc++6; do \
      dpkg-query --admindir=/target/var/lib/dpkg --status "$package" >"/image/base/var/lib/dpkg/status.d/$package"; \
      cp --parents --dereference "usr/share/doc/$package/copyright" /image/base; \
    done; \
    # Neither the umask nor the times of a checkout make a difference.
    chmod -R u=rwX,go=rX /image; \
    find /image -exec touch --no-dereference --date="@${SOURCE_DATE_EPOCH:-0}" {} +

FROM scratch
COPY --from=build /image/base /
COPY --from=build /image/app /

ARG VERSION=0.1.0
ARG XE_EXPORTER_REVISION=
LABEL org.opencontainers.image.title="xe-exporter" \
      org.opencontainers.image.description="Prometheus metrics and OpenTelemetry events for Intel xe GPU device events" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/xe-exporter/xe-exporter" \
      org.opencontainers.image.url="https://github.com/xe-exporter/xe-exporter" \
      org.opencontainers.image.documentation="https://github.com/xe-exporter/xe-exporter/blob/main/INSTALL.md" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${XE_EXPORTER_REVISION}"
ENV NODE_ENV=production \
    NODE_OPTIONS=--v8-pool-size=1 \
    PATH=/usr/local/bin \
    XE_EXPORTER_REVISION=${XE_EXPORTER_REVISION}
# Watching the clients of others takes uid 0 and two capabilities: INSTALL.md says which and why. Nothing else does, so
# whoever runs the image has to ask for uid 0.
USER 65532:65532
EXPOSE 9464
# The exporter drains on it within --shutdown-timeout.
STOPSIGNAL SIGTERM
# No HEALTHCHECK: Kubernetes and OCI images have none, and each check would start a second Node.js. GET /readyz tells.
ENTRYPOINT ["/usr/local/bin/xe-exporter"]
CMD ["serve"]
