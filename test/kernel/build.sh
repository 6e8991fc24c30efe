#!/usr/bin/env bash
# Builds what the kernel tests boot and run, and prints where it is on the last line of standard output.
#
#   build.sh                    the kernel, with the xe watch queue: .../linux
#   build.sh --no-watch-queue   the kernel as most of the field has it: pipe2 answers ENOPKG
#   build.sh --programs         the C programs that run in the guest: the folder with client and self-test
#
# Everything lies in a cache outside the repository and is named by a hash of what it is made of, so a second run
# does nothing, and an edit of the stub rebuilds a kept tree in seconds. Interrupt it when you like.
#
#   XE_EXPORTER_TEST_CACHE   the cache folder (default: $XDG_CACHE_HOME/xe-exporter or ~/.cache/xe-exporter)
#   XE_EXPORTER_TEST_LINUX   the kernel series, that is the package linux-source-<series> (default: 6.12)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
series=${XE_EXPORTER_TEST_LINUX:-6.12}
cache=${XE_EXPORTER_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xe-exporter}/kernel
variant=watch-queue
case "${1:-}" in
  '') ;;
  --no-watch-queue) variant=no-watch-queue ;;
  --programs) variant=programs ;;
  *) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac

say() { echo "build.sh: $*" >&2; }
die() { say "$*"; exit 1; }

# --- packages ---------------------------------------------------------------------------------------------------

packages_needed() {
  echo gcc libc6-dev
  [[ $variant == programs ]] || echo make bc bison flex xz-utils busybox-static "linux-source-$series"
}

is_installed() { [[ $(dpkg-query -W -f '${Status}' "$1" 2>/dev/null) == *' installed' ]]; }

install_packages() {
  local package missing=()
  command -v dpkg-query >/dev/null || die "this needs a Debian system with: $(packages_needed | xargs)"
  for package in $(packages_needed); do
    is_installed "$package" || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
    die "missing packages, install them with: apt-get install ${missing[*]}"
  fi
  say "installing ${missing[*]}"
  {
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
  } >&2
}

# --- the programs of the guest ----------------------------------------------------------------------------------

build_programs() {
  local name key out
  key=$(cd "$here" && cat build.sh watch.h client.c self-test.c | sha256sum | cut -c1-16)
  out=$cache/programs-$key
  if [[ ! -d $out ]]; then
    rm -rf "$out".tmp.*
    mkdir -p "$out.tmp.$$"
    for name in client self-test; do
      # Static: the same file runs whatever libraries the guest sees.
      gcc -std=gnu17 -O2 -Wall -Wextra -Werror -static -o "$out.tmp.$$/$name" "$here/$name.c"
    done
    mv -T "$out.tmp.$$" "$out"
  fi
  echo "$out"
}

# --- the kernel -------------------------------------------------------------------------------------------------

source_version() { dpkg-query -W -f '${Version}' "linux-source-$series"; }

# Wanted options, one a line; what the variant takes out is listed as "# CONFIG_X is not set".
wanted_config() {
  if [[ $variant == no-watch-queue ]]; then
    sed -E 's/^(CONFIG_(WATCH_QUEUE|KEY_NOTIFICATIONS))=y$/# \1 is not set/' "$here/kernel.config"
  else
    cat "$here/kernel.config"
  fi
}

# edit FILE PATTERN SED-SCRIPT: runs the script on the file; PATTERN must match exactly one line afterwards.
edit() {
  sed -i -E "$3" "$1"
  [[ $(grep -cE "$2" "$1") == 1 ]] || die "the kernel source has changed: no place for '$2' in $1"
}

# The two changes of the series outside of the driver, and a place for our driver.
patch_source() {
  edit include/uapi/linux/watch_queue.h 'WATCH_TYPE_DRM_XE_NOTIFY = 2,' \
    's/^\tWATCH_TYPE__NR\s*= 2$/\tWATCH_TYPE_DRM_XE_NOTIFY = 2,\n\tWATCH_TYPE__NR = 3/'
  edit kernel/watch_queue.c '^EXPORT_SYMBOL\(init_watch\);' \
    '/^void init_watch\(/,/^\}/s/^\}/}\nEXPORT_SYMBOL(init_watch);/'
  edit drivers/gpu/drm/Kconfig 'drm/xestub/Kconfig' \
    's|^source "drivers/gpu/drm/xe/Kconfig"|&\nsource "drivers/gpu/drm/xestub/Kconfig"|'
  edit drivers/gpu/drm/Makefile 'xestub/' \
    's|^obj-\$\(CONFIG_DRM_XE\)\s.*|&\nobj-$(CONFIG_DRM_XE_STUB) += xestub/|'
}

# Register tables that no configuration of ours reads are a fifth of the whole source.
extract_source() {
  local tree=$1 tarball=/usr/src/linux-source-$series.tar.xz
  [[ -f $tarball ]] || die "$tarball is not there though linux-source-$series is installed"
  say "extracting $tarball"
  rm -rf "$cache"/source-*.tmp.*
  mkdir -p "$tree.tmp.$$"
  tar -xf "$tarball" -C "$tree.tmp.$$" --strip-components=1 --exclude='*/drivers/gpu/drm/amd/include'
  (cd "$tree.tmp.$$" && patch_source)
  mv -T "$tree.tmp.$$" "$tree"
}

# Copies only what differs: make looks at the time of each file.
copy_stub() {
  local file to=$1/drivers/gpu/drm/xestub
  mkdir -p "$to"
  for file in "$here"/stub/*; do
    cmp -s "$file" "$to/${file##*/}" || cp "$file" "$to/"
  done
}

configure() {
  local build=$1 option lost=()
  wanted_config >"$build.config"
  make -s ARCH=um O="$build" KCONFIG_ALLCONFIG="$build.config" allnoconfig >&2
  while read -r option; do
    # "is not set" is also true of an option that is not even asked for.
    [[ $option == '# CONFIG_'*' is not set' ]] && ! grep -q "^${option:2:-11}=" "$build/.config" && continue
    grep -qxF "$option" "$build/.config" || lost+=("$option")
  done < <(grep -E '^(CONFIG_|# CONFIG_.* is not set$)' "$build.config")
  ((${#lost[@]} == 0)) || die "options that did not stick (a dependency is missing): ${lost[*]}"
}

# Runs with the lock held: two runs share the trees.
build_kernel() {
  local image=$1 tree build
  [[ ! -x $image ]] || return 0
  tree=$cache/source-$(source_version)-$(declare -f patch_source edit extract_source | sha256sum | cut -c1-8)
  # One for each variant: the option changes a structure that nearly every file includes.
  build=$tree-build-$variant
  [[ -d $tree ]] || extract_source "$tree"
  copy_stub "$tree"
  mkdir -p "$build"
  cd "$tree"
  configure "$build"
  say "building the $variant kernel in $build"
  if ! make -j"$(nproc)" ARCH=um O="$build" linux >"$build.log" 2>&1; then
    grep -E -m 20 'error|Error' "$build.log" >&2 || true
    die "the build failed, see $build.log"
  fi
  mkdir -p "${image%/*}"
  # The link is the kernel with its symbols: 10 MB, so a copy costs nothing.
  cp "$build/linux" "$image.tmp.$$"
  mv -T "$image.tmp.$$" "$image"
}

image_path() {
  local key
  key=$({ source_version; wanted_config; cat "$here"/stub/* "$here/build.sh"; } | sha256sum | cut -c1-16)
  echo "$cache/$series-$variant-$key/linux"
}

install_packages
mkdir -p "$cache"
if [[ $variant == programs ]]; then
  build_programs
else
  image=$(image_path)
  if [[ ! -x $image ]]; then
    exec 9>"$cache/lock"
    flock -n 9 || { say "waiting for another build"; flock 9; }
    (build_kernel "$image")
  fi
  echo "$image"
fi
