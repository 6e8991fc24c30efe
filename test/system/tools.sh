#!/usr/bin/env bash
# Brings the real tools of the system tests into a cache folder and prints shell assignments that say where they are.
# Nothing is installed but Chromium, which needs too much around it: the other .deb files are fetched through apt with
# directories of our own and unpacked, so neither root nor the system's apt configuration is touched and no service starts.
#
#   XE_EXPORTER_TEST_CACHE    cache folder (default: ${XDG_CACHE_HOME:-~/.cache}/xe-exporter)
#   XE_EXPORTER_TEST_REFRESH  1 = look for newer packages even where one is cached
set -euo pipefail

cache=${XE_EXPORTER_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xe-exporter}

say() { printf 'tools: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

for command in apt-get apt-cache dpkg-deb flock; do
  command -v "$command" >/dev/null || die "$command is missing: the system tests fetch Debian packages and need apt, dpkg and util-linux."
done
# shellcheck source=test/apt.sh
source "$(dirname "${BASH_SOURCE[0]}")/../apt.sh"
require_mirror

# unpack <suite> <package>: prints the folder that holds the package's files.
unpack() {
  local suite=$1 package=$2 current=$cache/$2-$1 version folder
  if [ -e "$current" ] && [ "${XE_EXPORTER_TEST_REFRESH:-0}" != 1 ]; then
    readlink -f "$current"
    return
  fi
  say "$package of $suite: fetching from $mirror"
  if [ ! "$cache/apt/$suite/updated" -nt "$cache/lock" ]; then
    with_apt "$suite" apt-get update >&2 || die "apt-get update for $suite failed."
    touch "$cache/apt/$suite/updated"
  fi
  version=$(with_apt "$suite" apt-cache show --no-all-versions "$package" | sed -n 's/^Version: //p')
  [ -n "$version" ] || die "$suite has no package $package."
  folder=$cache/$package-$suite-${version//[:\/]/_}
  if [ ! -d "$folder" ]; then
    local staging
    staging=$(mktemp -d "$cache/staging.XXXXXX")
    (cd "$staging" && with_apt "$suite" apt-get download "$package=$version" >&2) || die "download of $package $version failed."
    dpkg-deb -x "$staging"/*.deb "$staging/root"
    mv -T "$staging/root" "$folder"
    rm -rf "$staging"
  fi
  ln -sfn "$folder" "$current"
  say "$package $version of $suite: $folder"
  readlink -f "$current"
}

mkdir -p "$cache"
# Two runs at once must not unpack over each other; the lock's time is the start of this run.
exec 9>>"$cache/lock"
flock 9
touch "$cache/lock"

# tell <variable> <program>: prints the assignment, once the program runs on this machine.
tell() {
  "$2" --version >/dev/null 2>&1 || die "$2 does not run here."
  printf 'export XE_EXPORTER_TEST_%s=%q\n' "$1" "$2"
}

if ! chromium=$(command -v chromium); then
  say 'chromium: installing'
  { apt-get -qq update && apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends chromium; } >&2 ||
    die 'chromium could not be installed: install it as root, or run this as root.'
  chromium=$(command -v chromium)
fi
prometheus2=$(unpack bookworm prometheus)
prometheus3=$(unpack sid prometheus)
promtool3=$(unpack sid promtool)
alertmanager2=$(unpack bookworm prometheus-alertmanager)
alertmanager3=$(unpack sid prometheus-alertmanager)
otlp=$(unpack sid opentelemetry-proto)
tell CHROMIUM "$chromium"
tell PROMETHEUS_2 "$prometheus2/usr/bin/prometheus"
tell PROMTOOL_2 "$prometheus2/usr/bin/promtool"
tell PROMETHEUS_3 "$prometheus3/usr/bin/prometheus"
tell PROMTOOL_3 "$promtool3/usr/bin/promtool"
# Beside the Prometheus of the same suite: 0.25 with 2.42, the newest with 3.
tell ALERTMANAGER_2 "$alertmanager2/usr/bin/prometheus-alertmanager"
tell ALERTMANAGER_3 "$alertmanager3/usr/bin/prometheus-alertmanager"
tell AMTOOL_2 "$alertmanager2/usr/bin/amtool"
tell AMTOOL_3 "$alertmanager3/usr/bin/amtool"
printf 'export OTLP_PROTO_DIR=%q\n' "$otlp/usr/include"
