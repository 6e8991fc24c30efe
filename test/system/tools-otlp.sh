#!/usr/bin/env bash
# The official OTLP definitions (Debian package opentelemetry-proto) for otlp.test.ts. Installs the package where the distribution has it
# and unpacks sid's into a directory of its own elsewhere: it holds nothing but .proto files. Prints the include directory, for
# OTLP_PROTO_DIR. Usage: tools-otlp.sh [directory for the unpacked package]
set -euo pipefail

package=opentelemetry-proto
proto=opentelemetry/proto/collector/logs/v1/logs_service.proto
unpacked=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/xe-exporter-test/$package}

found() {
  for dir in /usr/include "$unpacked/usr/include"; do
    if [[ -r $dir/$proto ]]; then echo "$dir"; return; fi
  done
  return 1
}

found && exit

if [[ $(id -u) = 0 ]] && apt-get install -qq -y --no-install-recommends "$package" >&2; then found && exit; fi

echo "$package is not in this distribution: taking sid's" >&2
apt=$(mktemp -d)
trap 'rm -rf "$apt"' EXIT
mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$unpacked"
cat >"$apt/sid.sources" <<'SOURCES'
Types: deb
URIs: http://deb.debian.org/debian
Suites: sid
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES
options=(
  -qq -o "Dir::Etc::sourcelist=$apt/sid.sources" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$apt/lists"
  -o "Dir::Cache=$apt" -o APT::Sandbox::User=
)
(cd "$apt" && apt-get "${options[@]}" update >&2 && apt-get "${options[@]}" download "$package" >&2)
dpkg -x "$apt/${package}"_*.deb "$unpacked"
found
