#!/usr/bin/env bash
# Fetches Debian's own kernels and what a module for them is built with; installs nothing. Prints a line for each
# kernel asked for: the release, the folder with its unpacked packages. Arguments: a series (6.12, 7.2), or "newest".
#
# Everything lies in ~/.cache/xe-exporter/stock-kernel (XE_EXPORTER_TEST_CACHE moves the first part), in folders named by version:
#   <release>/    vmlinuz, lib/modules/<release>
#   toolchain/    a Debian root folder with the compiler, make and the headers of each kernel: they want a newer C library
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XE_EXPORTER_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xe-exporter}/stock-kernel
suites='trixie trixie-backports sid'
# What the kernel's makefiles call, in the oldest suite: the tools of the headers run there and in all later ones.
toolchain_packages='gcc-14 make libelf1t64 libssl3t64 zlib1g bash coreutils sed grep mawk findutils perl-base'

say() { echo "packages.sh: $*" >&2; }
die() { say "$*"; exit 1; }

# shellcheck source=test/apt.sh
source "$here/../apt.sh"

# The package lists are good for a day: the archive drops a kernel weeks after its successor.
update_lists() {
  local suite
  for suite in $suites; do
    [[ -n $(find "$cache/apt/$suite/updated" -mmin -1440 2>/dev/null) ]] && continue
    with_apt "$suite" apt-get update >&2 || die "apt-get update for $suite failed"
    touch "$cache/apt/$suite/updated"
  done
}

# "<release> <suite>" of every kernel that a module can be built for, by version: 6.12.117+deb13-amd64 trixie. The archive keeps images longer
# than their headers, and a kernel of a later Debian (+deb14) wants a compiler that the oldest suite does not have.
list_kernels() {
  local suite
  for suite in $suites; do
    with_apt "$suite" apt-cache pkgnames linux-headers- |
      sed -nE "s/^linux-headers-([0-9]+\.[0-9]+\.[0-9]+\+deb13-amd64)$/\1 $suite/p"
  done | sort -V
}

find_kernel() {
  local found
  if [[ $1 == newest ]]; then found=$(list_kernels | tail -n 1)
  else found=$(list_kernels | grep -F "$1." | grep "^${1//./\\.}\." | tail -n 1 || true); fi
  [[ -n $found ]] || die "no kernel $1 with headers in $suites"
  echo "$found"
}

# unpack SUITE FOLDER PACKAGE...: the packages themselves, without what they depend on.
unpack() {
  local suite=$1 folder=$2 staging
  shift 2
  staging=$(mktemp -d "$cache/download.XXXXXX")
  (cd "$staging" && with_apt "$suite" apt-get download "$@" >&2) || die "download of $* failed"
  local package
  for package in "$staging"/*.deb; do dpkg-deb -x "$package" "$folder"; done
  rm -rf "$staging"
}

# Those of the names that the suite has: releases split their packages differently.
existing() {
  local suite=$1
  shift
  with_apt "$suite" apt-cache pkgnames | grep -xF "$(printf '%s\n' "$@")"
}

fetch_image() {
  local release=$1 suite=$2 folder=$cache/$1
  [[ ! -d $folder ]] || return 0
  say "fetching Linux $release of $suite"
  rm -rf "$folder.tmp"
  mkdir -p "$folder.tmp"
  # shellcheck disable=SC2046
  unpack "$suite" "$folder.tmp" $(existing "$suite" "linux-"{image,base,binary,modules}"-$release")
  # Half of it is drivers of other hardware, but the order of modules is the business of depmod.
  local modules=lib/modules/$release
  [[ -d $folder.tmp/$modules ]] || modules=usr/lib/modules/$release
  rm -rf "$folder.new"
  mkdir -p "$folder.new/lib/modules"
  # In /boot or, lately, beside the modules.
  mv "$(find "$folder.tmp" -name 'vmlinuz*' -type f | head -n 1)" "$folder.new/vmlinuz"
  mv "$folder.tmp/$modules" "$folder.new/lib/modules/"
  depmod -b "$folder.new" "$release"
  rm -rf "$folder.tmp"
  mv -T "$folder.new" "$folder"
}

fetch_toolchain() {
  local package
  [[ ! -e $cache/toolchain/complete ]] || return 0
  say 'fetching the compiler'
  rm -rf "$cache/toolchain"
  mkdir -p "$cache/toolchain"
  # shellcheck disable=SC2086
  with_apt trixie apt-get install -y --no-install-recommends --download-only $toolchain_packages >&2 ||
    die "download of $toolchain_packages failed"
  for package in "$cache"/apt/trixie/archives/*.deb; do dpkg-deb -x "$package" "$cache/toolchain"; done
  rm "$cache"/apt/trixie/archives/*.deb
  # What the scripts of the packages would have set up.
  ln -s gcc-14 "$cache/toolchain/usr/bin/gcc"
  ln -s bash "$cache/toolchain/usr/bin/sh"
  ln -s mawk "$cache/toolchain/usr/bin/awk"
  touch "$cache/toolchain/complete"
}

fetch_headers() {
  local release=$1 suite=$2 stem=${1%-amd64}
  [[ ! -e $cache/toolchain/headers-$release ]] || return 0
  say "fetching the headers of Linux $release"
  # shellcheck disable=SC2046
  unpack "$suite" "$cache/toolchain" $(existing "$suite" "linux-headers-$release" "linux-headers-$stem-common" "linux-kbuild-$stem")
  touch "$cache/toolchain/headers-$release"
}

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
require_mirror
update_lists
fetch_toolchain
for wanted in "$@"; do
  read -r release suite < <(find_kernel "$wanted")
  fetch_image "$release" "$suite"
  fetch_headers "$release" "$suite"
  echo "$release"
done
