#!/usr/bin/env bash
# Puts a version into every place that has one, and heads the unreleased changes of CHANGELOG.md with it.
#
#   packaging/set-version.sh 1.2.0
set -euo pipefail
version=${1:?usage: packaging/set-version.sh VERSION}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
npm version --no-git-tag-version --allow-same-version --ignore-scripts "$version" >/dev/null
sed -i "s/^version: .*/version: $version/; s/^appVersion: .*/appVersion: $version/" helm/xe-exporter/Chart.yaml
sed -i "s/^ARG VERSION=.*/ARG VERSION=$version/" Dockerfile
grep -q "^## \[$version\]" CHANGELOG.md ||
  sed -i "s/^## \[Unreleased\]$/## [Unreleased]\n\n## [$version] - $(date -u +%F)/" CHANGELOG.md
