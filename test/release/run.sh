#!/usr/bin/env bash
# Releases the version of the working tree into a registry of its own on the loopback interface, and tests what came out, by itself:
# images by digest, the chart from oci:// with Helm 3 and 4, the .deb in fresh roots of Debian 12 and 13, the .rpm in one that has RPM, and
# the tarball. The last line says how many tests passed and failed; a tool that cannot be had is a failure, never a skip.
#
# Needs root on Debian 12 amd64, and installs what is missing by name.
#
#   test/release/run.sh --reuse   tests the release of the last run
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=test/suite.sh
source test/suite.sh

cache=${XE_EXPORTER_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xe-exporter}
here=$cache/release
die() { printf 'release: %s\n0 passed, 1 failed\n' "$*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || die 'images and root folders need root.'

missing=()
for pair in buildah:buildah podman:podman runc:runc skopeo:skopeo debootstrap:debootstrap docker-registry:docker-registry \
  systemd-nspawn:systemd-container aarch64-linux-gnu-g++:g++-aarch64-linux-gnu groff:groff-base zsh:zsh fish:fish openssl:openssl \
  rpmbuild:rpm rpmlint:rpmlint; do
  command -v "${pair%:*}" >/dev/null || missing+=("${pair#*:}")
done
if [ ${#missing[@]} -gt 0 ]; then
  DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${missing[@]}" >/dev/null || die "apt-get install ${missing[*]} failed; run apt-get update?"
fi
tools=$(bash test/helm/tools.sh) || die 'there is no Helm.'
eval "$tools"
mkdir -p "$here"

# shellcheck source=test/image/storage.sh
source test/image/storage.sh
use_storage "$cache/image"

# --- a registry
registry_log=$here/registry.log
cat >"$here/registry.yml" <<END
version: 0.1
storage: {filesystem: {rootdirectory: $here/registry}}
http: {addr: 127.0.0.1:0}
END
rm -f "$registry_log"
[ "${1:-}" = --reuse ] || rm -rf "$here/registry" "$here/files"
docker-registry serve "$here/registry.yml" >"$registry_log" 2>&1 &
registry=$!
trap 'kill "$registry" 2>/dev/null || true; rm -rf "${tree:-}"' EXIT
port=''
for _ in $(seq 300); do
  port=$(sed -n 's/.*listening on 127\.0\.0\.1:\([0-9]*\).*/\1/p' "$registry_log" | head -n 1)
  [ -z "$port" ] || break
  kill -0 "$registry" 2>/dev/null || die "the registry ended: $(tail -n 3 "$registry_log")"
  sleep 0.1
done
[ -n "$port" ] || die "the registry did not start: see $registry_log"

# --- the release, from a clone with what is not committed yet
version=$(node -p 'require("./package.json").version')
if [ "${1:-}" != --reuse ]; then
  bash test/image/base.sh "$(sed -n 's/^ARG NODE_IMAGE=//p' Dockerfile)" amd64 arm64 || die 'there is no base image.'
  tree=$(mktemp -d)
  git ls-files -z --cached --others --exclude-standard | xargs -0 sh -c 'for file; do [ ! -e "$file" ] || printf "%s\0" "$file"; done' sh | tar -c --null -T - | tar -x -C "$tree"
  ln -s "$PWD/node_modules" "$tree/node_modules"
  (
    cd "$tree"
    packaging/set-version.sh "$version"
    git init --quiet .
    echo /node_modules >.git/info/exclude
    git add --all
    GIT_COMMITTER_DATE='2026-01-01T00:00:00Z' git -c user.name=test -c user.email=test@localhost commit --quiet --message 'test: a release'
    PATH=$(dirname "$XE_EXPORTER_TEST_HELM_4"):$PATH .ci/release "$version" --registry="127.0.0.1:$port/test" --output="$here/files" --insecure --local-base --once
  ) || die 'the release failed.'
fi

# --- roots to install it in
# shellcheck source=test/apt.sh
source test/apt.sh
require_mirror
for machine in bookworm trixie bookworm-rpm; do
  [ -e "$here/$machine.tar" ] && continue
  suite=${machine%-rpm} include=systemd,systemd-sysv,libstdc++6
  [ "$machine" = "$suite" ] || include+=,rpm
  root=$(mktemp -d "$here/root.XXXXXX")
  debootstrap --cache-dir="$cache/image/packages" --variant=minbase --include="$include" "$suite" "$root" "$mirror" >"$here/debootstrap.log" || die "debootstrap $suite failed, see $here/debootstrap.log"
  # mktemp closes it to everybody else, and nobody but root could run anything in it.
  chmod 755 "$root"
  tar -c -C "$root" . >"$here/$machine.tar.part"
  mv "$here/$machine.tar.part" "$here/$machine.tar"
  rm -rf "$root"
done

export XE_EXPORTER_TEST_RELEASE=$here/files XE_EXPORTER_TEST_REGISTRY=127.0.0.1:$port/test XE_EXPORTER_TEST_ROOTS=$here XE_EXPORTER_TEST_VERSION=$version
run_tests release --test-timeout=300000
report
