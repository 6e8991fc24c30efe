#!/bin/sh
# Deletes what Node.js never loads from a production tree of the exporter (dist/ and node_modules/): typings, source maps, the ES
# module builds for bundlers, and tests of packages.
#
#   packaging/trim.sh FOLDER
set -eu
cd "${1:?usage: packaging/trim.sh FOLDER}"
find . -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -name '*.ts' -o -name '*.md' \) -delete
find node_modules -type d \( -path '*/build/esm' -o -path '*/build/esnext' -o -name test -o -name tests -o -name benchmarks \) -prune -exec rm -rf {} +
find . -type d -empty -delete
