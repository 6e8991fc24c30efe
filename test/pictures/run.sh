#!/usr/bin/env bash
# Draws the dashboards with Grafana's own panels over a real Prometheus that holds a made-up incident, checks what can be read on them, and
# writes the pictures of README.md and docs/ into docs/images.
#
#   XE_EXPORTER_TEST_CACHE      cache folder, as in test/system/tools.sh
#   XE_EXPORTER_TEST_PICTURES   folder for the pictures (default: docs/images)
set -euo pipefail
cd "$(dirname "$0")/../.."

cache=${XE_EXPORTER_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xe-exporter}/pictures
tools=$(bash test/system/tools.sh)
eval "$tools"

# 420 MB that nothing else needs: installed beside the other tools, and again when package.json changes.
mkdir -p "$cache"
exec 9>>"$cache/lock"
flock 9
if ! cmp -s test/pictures/package.json "$cache/package.json"; then
  echo 'pictures: installing the panels of Grafana, which takes some minutes' >&2
  cp test/pictures/package.json "$cache/package.json.new"
  (cd "$cache" && rm -rf node_modules package-lock.json && cp package.json.new package.json &&
    npm install --no-audit --no-fund --ignore-scripts --legacy-peer-deps --loglevel=error >&2) || { rm -f "$cache/package.json"; exit 1; }
fi

NODE_PATH=$cache/node_modules "$cache/node_modules/.bin/esbuild" test/pictures/browser/dashboard.mjs \
  --bundle --format=iife --define:process.env.NODE_ENV='"production"' --outdir="$cache/out" --log-level=error \
  --minify --loader:.ttf=empty
XE_EXPORTER_TEST_PANELS=$cache XE_EXPORTER_TEST_PICTURES=${XE_EXPORTER_TEST_PICTURES:-docs/images} \
  node --test dist/test/pictures/pictures.test.js
