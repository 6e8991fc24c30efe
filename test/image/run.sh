#!/usr/bin/env bash
# Builds the image of the Dockerfile, for amd64 twice and for arm64, and tests it: with podman on this machine, for arm64 on QEMU, and
# its root folder in the test kernel, which has something to watch. The last line says how many tests passed and failed.
#
# Needs root on Debian amd64, and installs what is missing. Images lie in the cache folder, not in the machine's own storage.
#
#   test/image/run.sh --reuse   tests the image of the last run
#
#   XE_EXPORTER_TEST_ARM64  0 = nothing for arm64. Without it, a machine on which arm64 cannot be emulated has a failed test
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=test/suite.sh
source test/suite.sh

cache=${XE_EXPORTER_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xe-exporter}/image
image=localhost/xe-exporter:test
architectures=(amd64 arm64)
[ "${XE_EXPORTER_TEST_ARM64:-1}" != 0 ] || architectures=(amd64)
die() { printf 'image: %s\n0 passed, 1 failed\n' "$*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || die 'containers with capabilities of the host need root.'
# shellcheck source=test/image/build.sh
source test/image/build.sh
install_tools || die 'tools are missing.'
# shellcheck source=test/image/storage.sh
source test/image/storage.sh
use_storage "$cache"

build() { # <architecture> <context> <tag>
  build_image "$@" || die "the build for $1 failed"
}

unpack() { # <architecture> <image> <folder>
  local container
  rm -rf "$3"
  # A container runtime makes these where it mounts.
  mkdir -p "$3"/{proc,sys,dev}
  container=$(podman create --platform "linux/$1" "$2")
  podman export "$container" | tar -x -C "$3"
  podman rm "$container" >/dev/null
}

# shellcheck source=test/image/emulator.sh
source test/image/emulator.sh
trap 'rm -rf "${again:-}"; stop_emulator' EXIT

if [ "${1:-}" != --reuse ]; then
  bash test/image/base.sh "$(sed -n 's/^ARG NODE_IMAGE=//p' Dockerfile)" "${architectures[@]}" || die 'there is no base image.'
  build amd64 . "$image"
  # Reproducible means: from another folder, with other times and another umask.
  again=$(mktemp -d)
  (umask 077 && tar -c --exclude=node_modules --exclude=build Dockerfile .dockerignore package.json package-lock.json tsconfig.json LICENSE exporter native packaging/esbuild.mjs packaging/trim.sh | tar -x --touch --no-same-permissions -C "$again")
  build amd64 "$again" "$image-again"
  [ ${#architectures[@]} = 1 ] || build arm64 . "$image-arm64"
  podman image prune --force >/dev/null
fi

unpack amd64 "$image" "$cache/root"
export XE_TEST_CONTAINER_IMAGE=$image XE_TEST_CONTAINER_ROOT=$cache/root
unemulated=0
if [ ${#architectures[@]} -gt 1 ]; then
  unpack arm64 "$image-arm64" "$cache/root-arm64"
  if start_emulator "$cache/root-arm64"; then
    export XE_TEST_CONTAINER_IMAGE_ARM64=$image-arm64 XE_TEST_CONTAINER_ROOT_ARM64=$cache/root-arm64
  else
    unemulated=1
  fi
fi

run_tests image --test-timeout=600000
if bash test/kernel/run.sh image; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
failed=$((failed + unemulated))
report
