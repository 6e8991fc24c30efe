#!/usr/bin/env bash
# Releases the version of the working tree into a registry of its own on the loopback interface, and tests what came out, by itself:
# images by digest, the chart from oci:// with Helm 3 and 4, the .deb in fresh roots of Debian 12 and 13, the .rpm in one that has RPM, and
# the tarball. The last line says how many tests passed and failed; a tool that cannot be had is a failure, never a skip.
#
# Needs root on Debian 12 amd64, and installs what is missing by name.
#
#   test/release/run.sh --packages  makes and tests the packages for amd64 only, without images and a registry
#   test/release/run.sh --reuse     tests what the last run made
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=test/suite.sh
source test/suite.sh

cache=${XE_EXPORTER_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xe-exporter}
here=$cache/release
die() { printf 'release: %s\n0 passed, 1 failed\n' "$*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || die 'images and root folders need root.'

files=$here/files source=$here/source architectures='amd64 arm64' tests=(release) packages='' reuse=''
for argument in "$@"; do
  case $argument in
    --packages) packages=1 files=$here/packages source=$PWD architectures=amd64 tests=(release/{package,rpm}.test.js) ;;
    --reuse) reuse=1 ;;
    *) die "there is no option $argument." ;;
  esac
done

tools=(debootstrap:debootstrap systemd-nspawn:systemd-container openssl:openssl rpmbuild:rpm rpmlint:rpmlint)
[ -n "$packages" ] || tools+=(buildah:buildah podman:podman runc:runc skopeo:skopeo docker-registry:docker-registry
  aarch64-linux-gnu-g++:g++-aarch64-linux-gnu groff:groff-base zsh:zsh fish:fish)
missing=()
for pair in "${tools[@]}"; do
  command -v "${pair%:*}" >/dev/null || missing+=("${pair#*:}")
done
if [ ${#missing[@]} -gt 0 ]; then
  DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${missing[@]}" >/dev/null || die "apt-get install ${missing[*]} failed; run apt-get update?"
fi
mkdir -p "$here" "$cache/image/packages"
# shellcheck source=test/apt.sh
source test/apt.sh
require_mirror
version=$(node -p 'require("./package.json").version')

# Roots to install the packages in.
make_roots() {
  local machine suite include root
  for machine in bookworm trixie bookworm-rpm; do
    [ ! -e "$here/$machine.tar" ] || continue
    suite=${machine%-rpm} include=systemd,systemd-sysv,libstdc++6
    [ "$machine" = "$suite" ] || include+=,rpm
    root=$(mktemp -d "$here/root.XXXXXX")
    debootstrap --cache-dir="$cache/image/packages" --variant=minbase --include="$include" "$suite" "$root" "$mirror" >"$here/debootstrap.log" || return
    # mktemp closes it to everybody else, and nobody but root could run anything in it.
    chmod 755 "$root"
    tar -c -C "$root" . >"$here/$machine.tar.part"
    mv "$here/$machine.tar.part" "$here/$machine.tar"
    rm -rf "$root"
  done
}

# What was released names the registry by its port.
start_registry() {
  local log=$here/registry.log at=0
  [ -z "$reuse" ] || at=$(sed -n 's|^127\.0\.0\.1:\([0-9]*\)/.*|\1|p;q' "$files/digests.txt")
  cat >"$here/registry.yml" <<END
version: 0.1
storage: {filesystem: {rootdirectory: $here/registry}}
http: {addr: 127.0.0.1:$at}
END
  rm -f "$log"
  docker-registry serve "$here/registry.yml" >"$log" 2>&1 &
  registry=$!
  port=''
  for _ in $(seq 300); do
    port=$(sed -n 's/.*listening on 127\.0\.0\.1:\([0-9]*\).*/\1/p' "$log" | head -n 1)
    [ -z "$port" ] || return 0
    kill -0 "$registry" 2>/dev/null || die "the registry ended: $(tail -n 3 "$log")"
    sleep 0.1
  done
  die "the registry did not start: see $log"
}

# The release is of a copy with what is not committed yet.
release() {
  local tree=$here/source
  rm -rf "$tree"
  mkdir "$tree"
  git ls-files -z --cached --others --exclude-standard | xargs -0 sh -c 'for file; do [ ! -e "$file" ] || printf "%s\0" "$file"; done' sh | tar -c --null -T - | tar -x -C "$tree"
  ln -s "$PWD/node_modules" "$tree/node_modules"
  (
    cd "$tree"
    packaging/set-version.sh "$version"
    git init --quiet .
    echo /node_modules >.git/info/exclude
    git add --all
    GIT_COMMITTER_DATE='2026-01-01T00:00:00Z' git -c user.name=test -c user.email=test@localhost commit --quiet --message 'test: a release'
    PATH=$(dirname "$XE_EXPORTER_TEST_HELM_4"):$PATH .ci/release "$version" --registry="127.0.0.1:$port/test" --output="$files" --insecure --local-base --once
  )
}

trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
if [ -z "$packages" ]; then
  helms=$(bash test/helm/tools.sh) || die 'there is no Helm.'
  eval "$helms"
  # shellcheck source=test/image/storage.sh
  source test/image/storage.sh
  use_storage "$cache/image"
  [ -n "$reuse" ] || rm -rf "$here/registry"
  start_registry
  [ -n "$reuse" ] || bash test/image/base.sh "$(sed -n 's/^ARG NODE_IMAGE=//p' Dockerfile)" amd64 arm64 || die 'there is no base image.'
fi
make_roots &
roots=$!
if [ -z "$reuse" ]; then
  rm -rf "$files"
  if [ -n "$packages" ]; then packaging/build.sh "$files" amd64; else release; fi || die 'there is nothing to test.'
fi
wait "$roots" || die "debootstrap failed, see $here/debootstrap.log"

export XE_EXPORTER_TEST_RELEASE=$files XE_EXPORTER_TEST_REGISTRY=127.0.0.1:${port:-}/test XE_EXPORTER_TEST_ROOTS=$here
export XE_EXPORTER_TEST_VERSION=$version XE_EXPORTER_TEST_SOURCE=$source XE_EXPORTER_TEST_ARCHITECTURES=$architectures
# A limit for the file whose test builds the packages again, which takes minutes.
run_tests "${tests[@]}" --test-timeout=1800000
report
