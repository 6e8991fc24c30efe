#!/usr/bin/env bash
# Builds what the kernel tests boot and run, and prints where it is on the last line of standard output.
#
#   build.sh                    the kernel, with the xe watch queue: .../linux
#   build.sh --no-watch-queue   the kernel as most of the field has it: pipe2 answers ENOPKG
#   build.sh --7.x              a kernel that announces DRM clients in debugfs, with the watch queue
#   build.sh --programs         the C programs that run in the guest: the folder with client, message-writer and self-test
#
# Everything lies in a cache outside the repository and is named by a hash of what it is made of, so a second run
# does nothing, and an edit of the stub rebuilds a kept tree in seconds. What nothing here is made of any more is
# removed. Interrupt it when you like.
#
#   XE_EXPORTER_TEST_CACHE   the cache folder (default: $XDG_CACHE_HOME/xe-exporter or ~/.cache/xe-exporter)
#   XE_EXPORTER_TEST_LINUX   the kernel series, that is the package linux-source-<series> (default: 6.12). The source of
#                            7.x is fetched from Debian trixie-backports or sid and is not installed
#   XE_EXPORTER_TEST_REFRESH 1 = look for a newer 7.x source even where one is cached
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
series=${XE_EXPORTER_TEST_LINUX:-6.12}
cache=${XE_EXPORTER_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xe-exporter}/kernel
variant=watch-queue
suites='trixie-backports sid'
case "${1:-}" in
  '') ;;
  --no-watch-queue) variant=no-watch-queue ;;
  # The newest that is known to work; a later one of the series is taken where it is not to be had any more.
  --7.x) series=7.2 variant=client-directories ;;
  --programs) variant=programs ;;
  *) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac

say() { echo "build.sh: $*" >&2; }
die() { say "$*"; exit 1; }

# --- packages ---------------------------------------------------------------------------------------------------

packages_needed() {
  echo gcc libc6-dev
  case $variant in
    programs) ;;
    client-directories) echo make bc bison flex xz-utils busybox-static debian-archive-keyring ;;
    *) echo make bc bison flex xz-utils busybox-static "linux-source-$series" ;;
  esac
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

# --- the source of 7.x ------------------------------------------------------------------------------------------

# shellcheck source=test/apt.sh
source "$here/../apt.sh"

# The package and version to fetch: this series, else the newest 7.x, from the first suite that has one.
find_source() {
  local suite package
  for suite in $suites; do
    with_apt "$suite" apt-get update >&2 || die "apt-get update for $suite failed"
  done
  for package in "linux-source-$series" newest; do
    for suite in $suites; do
      if [[ $package == newest ]]; then
        package=$(with_apt "$suite" apt-cache pkgnames linux-source-7. | sort -V | tail -n 1)
      fi
      version=$(with_apt "$suite" apt-cache show --no-all-versions "${package:-none}" 2>/dev/null | sed -n 's/^Version: //p')
      [[ -z $version ]] || { echo "$suite" "$package" "$version"; return; }
    done
  done
  die "no package linux-source-7.x in $suites"
}

# Downloads the source once. The link tells which one is used until it is removed or a refresh is asked for.
fetch_source() {
  local suite package version staging current=$cache/tarball-7.x
  if [[ -e $current && ${XE_EXPORTER_TEST_REFRESH:-0} != 1 ]]; then return; fi
  require_mirror
  read -r suite package version < <(find_source)
  [[ -n $version ]] || exit 1
  local folder=$cache/tarball-${version//[:\/]/_}
  if [[ ! -d $folder ]]; then
    say "fetching $package $version of $suite"
    staging=$(mktemp -d "$cache/tarball.tmp.XXXXXX")
    (cd "$staging" && with_apt "$suite" apt-get download "$package=$version" >&2) || die "download of $package failed"
    dpkg-deb --fsys-tarfile "$staging"/*.deb | tar -x -C "$staging" --strip-components=3 --wildcards './usr/src/*.tar.xz'
    rm "$staging"/*.deb
    mv -T "$staging" "$folder"
  fi
  ln -sfn "$folder" "$current"
  remove_all_but "$cache"/tarball-[0-9]* -- "$folder" "$current"
}

# --- what is not needed any more --------------------------------------------------------------------------------

# remove_all_but CANDIDATE... -- KEPT...: a candidate stays as well when it was used within the hour, which a run of
# another checkout may be doing now. A kept folder is one used.
remove_all_but() {
  local candidates=() path
  while [[ $1 != -- ]]; do candidates+=("$1"); shift; done
  shift
  touch -c "$@"
  for path in "${candidates[@]}"; do
    [[ " $* " == *" $path "* || ! -e $path ]] || find "$path" -maxdepth 0 -mmin +60 -exec rm -rf {} +
  done
}

# --- the programs of the guest ----------------------------------------------------------------------------------

build_programs() {
  local name key out
  key=$(cd "$here" && cat build.sh watch.h client.c message-writer.c self-test.c | sha256sum | cut -c1-16)
  out=$cache/programs-$key
  if [[ ! -d $out ]]; then
    rm -rf "$out".tmp.*
    mkdir -p "$out.tmp.$$"
    for name in client message-writer self-test; do
      # Static: the same file runs whatever libraries the guest sees.
      gcc -std=gnu17 -O2 -Wall -Wextra -Werror -static -o "$out.tmp.$$/$name" "$here/$name.c"
    done
    mv -T "$out.tmp.$$" "$out"
  fi
  remove_all_but "$cache"/programs-* -- "$out"
  echo "$out"
}

# --- the kernel -------------------------------------------------------------------------------------------------

source_folder() {
  if [[ $variant == client-directories ]]; then readlink -f "$cache/tarball-7.x"; else echo /usr/src; fi
}

source_version() {
  if [[ $variant == client-directories ]]; then
    basename "$(source_folder)" | sed 's/^tarball-//'
  else
    dpkg-query -W -f '${Version}' "linux-source-$series"
  fi
}

# Wanted options, one a line; what the variant takes out is listed as "# CONFIG_X is not set".
wanted_config() {
  if [[ $variant == no-watch-queue ]]; then
    sed -E 's/^(CONFIG_(WATCH_QUEUE|KEY_NOTIFICATIONS))=y$/# \1 is not set/' "$here/kernel.config"
  else
    cat "$here/kernel.config"
    # Since Linux 7.1.
    [[ $variant != client-directories ]] || echo CONFIG_DRM_RAS=y
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
  local tree=$1 tarball
  # Of the fetched one, the folder holds nothing else.
  if [[ $variant == client-directories ]]; then tarball=$(echo "$(source_folder)"/*.tar.xz)
  else tarball=$(source_folder)/linux-source-$series.tar.xz; fi
  [[ -f $tarball ]] || die "$tarball is not there"
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
  # Trees of another version or of other changes to it; a tree is a gigabyte.
  remove_all_but "$cache"/source-"${series%%.*}".* -- "$tree"{,-build-*}
}

image_path() {
  local key
  key=$({ source_version; wanted_config; cat "$here"/stub/* "$here/build.sh"; } | sha256sum | cut -c1-16)
  echo "$cache/$series-$variant-$key/linux"
}

install_packages
mkdir -p "$cache"
[[ $variant != client-directories ]] || (exec 8>"$cache/lock-tarball"; flock 8; fetch_source)
if [[ $variant == programs ]]; then
  build_programs
else
  image=$(image_path)
  if [[ ! -x $image ]]; then
    exec 9>"$cache/lock"
    flock -n 9 || { say "waiting for another build"; flock 9; }
    (build_kernel "$image")
  fi
  remove_all_but "$cache/$series-$variant-"* -- "${image%/*}"
  echo "$image"
fi
