#!/bin/sh
# Leaves of the packages in a production tree what says which they are and under which licence; their code is in dist/, see esbuild.mjs.
#
#   packaging/trim.sh FOLDER
set -eu
cd "${1:?usage: packaging/trim.sh FOLDER}/node_modules"
find . ! -type d ! -name package.json ! -iname 'licen[cs]e*' ! -iname 'notice*' -delete
find . -type d -empty -delete
