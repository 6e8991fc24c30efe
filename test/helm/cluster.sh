#!/usr/bin/env bash
# Installs the chart with simulated events into the cluster kubectl points at, and goes through its life: ready, helm test, scrape,
# a simulated out-of-memory error on /metrics, on /events and as an Event of its pod, upgrade, uninstall without leftovers.
#
# It makes a namespace of its own and that of a simulated job, and deletes what it made. The cluster must be able to pull the image; into a
# kind cluster it is loaded.
#
#   XE_EXPORTER_TEST_CHART    chart, as helm install takes it: 'oci://ghcr.io/xe-exporter/charts/xe-exporter --version 1.2.0' for one that
#                             is released (default: helm/xe-exporter)
#   XE_EXPORTER_TEST_IMAGE    image (default: that of a released chart, else localhost/xe-exporter:test: docker build --tag localhost/xe-exporter:test .)
#   XE_EXPORTER_TEST_TIMEOUT  seconds that each wait may take (default: 120)
#
# Exit codes: 0 passed, 1 failed, 2 there is no cluster or a tool is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

read -ra chart <<<"${XE_EXPORTER_TEST_CHART:-helm/xe-exporter}"
image=${XE_EXPORTER_TEST_IMAGE-}
# A released chart names its own.
[ -n "$image${XE_EXPORTER_TEST_CHART-}" ] || image=localhost/xe-exporter:test
timeout=${XE_EXPORTER_TEST_TIMEOUT:-120}
release=xe-exporter-test
namespace=xe-exporter-test-$RANDOM
port=9464
# The namespace of the first job of the simulator: Events are refused where there is none.
job_namespace=team-llm

say() { printf 'cluster: %s\n' "$*"; }
unable() { printf 'cluster: %s\n' "$*" >&2; exit 2; }
fail() {
  printf 'cluster: FAILED: %s\n' "$*" >&2
  kubectl -n "$namespace" get pods,events >&2 2>/dev/null || true
  kubectl -n "$namespace" logs "daemonset/$release" --tail=30 >&2 2>/dev/null || true
  exit 1
}

for tool in kubectl helm curl; do
  command -v "$tool" >/dev/null || unable "$tool is missing. test/helm/tools.sh fetches helm and kubectl: put their folders on PATH."
done
context=$(kubectl config current-context 2>/dev/null) || unable 'kubectl has no current context: nothing was tested. Make a cluster (kind create cluster) or set KUBECONFIG.'
kubectl --request-timeout=10s get --raw /readyz >/dev/null 2>&1 || unable "the cluster of context $context does not answer: nothing was tested."
say "context $context, chart ${chart[*]}, image ${image:-of the chart}, $(helm version --short)"

if [[ -n $image && $context == kind-* ]]; then
  command -v kind >/dev/null || unable "kind is missing, and the image has to be loaded into ${context#kind-}."
  kind load docker-image --name "${context#kind-}" "$image" || unable "kind could not load $image: is it built?"
fi

forward=
made_job_namespace=
cleanup() {
  [ -z "$forward" ] || kill "$forward" 2>/dev/null || true
  helm uninstall "$release" -n "$namespace" --ignore-not-found --wait >/dev/null 2>&1 || true
  kubectl delete namespace "$namespace" $made_job_namespace --ignore-not-found --wait=false >/dev/null 2>&1 || true
}
trap cleanup EXIT

# Neither privileges nor a GPU: the namespace enforces the strictest standard, so that it is proven.
kubectl create namespace "$namespace" >/dev/null
kubectl label namespace "$namespace" pod-security.kubernetes.io/enforce=restricted >/dev/null

# A run that has just ended may have left it on its way out; nothing can be made in it then.
if [ "$(kubectl get namespace "$job_namespace" --ignore-not-found -o 'jsonpath={.status.phase}')" = Terminating ]; then
  kubectl wait --for=delete "namespace/$job_namespace" --timeout="${timeout}s" >/dev/null || fail "the namespace $job_namespace does not get deleted"
fi
if ! kubectl get namespace "$job_namespace" >/dev/null 2>&1; then
  kubectl create namespace "$job_namespace" >/dev/null
  made_job_namespace=$job_namespace
fi

settings=(
  --namespace "$namespace" --wait --timeout "${timeout}s"
  --set "fullnameOverride=$release" --set sources.simulator.enabled=true --set sources.simulator.rate=5 --set events.kubernetesEvents=true
  # Quotas keep that class to kube-system in some clusters.
  --set priorityClassName=
)
[ -z "$image" ] || settings+=(--set "image.repository=${image%:*}" --set "image.tag=${image##*:}" --set image.digest=)

say 'install'
helm install "$release" "${chart[@]}" "${settings[@]}" >/dev/null || fail 'helm install'
kubectl -n "$namespace" rollout status "daemonset/$release" --timeout="${timeout}s" >/dev/null || fail 'the pods did not get ready'
[ "$(kubectl -n "$namespace" get daemonset "$release" -o 'jsonpath={.status.desiredNumberScheduled}')" -gt 0 ] || fail 'no node takes the exporter'

say 'helm test'
helm test "$release" -n "$namespace" --timeout "${timeout}s" >/dev/null || {
  kubectl -n "$namespace" logs "$release-test" >&2 || true
  fail 'helm test'
}

# wait_for <what> <command>: repeats the command until it succeeds.
wait_for() {
  local what=$1 deadline=$((SECONDS + timeout))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$deadline" ] || fail "$what did not come within $timeout s"
    sleep 1
  done
}
get() { curl --fail --silent --show-error --max-time 10 "http://127.0.0.1:$local$1"; }
# Not grep -q: it stops reading at the first match, and curl fails of that when the answer does not fit into the pipe.
counted() { get /metrics 2>/dev/null | grep -E '^xe_vm_rebind_errors_total\{[^}]*errno="ENOMEM"[^}]*\} [1-9]' >/dev/null; }
named() { get '/events?format=json&errno=ENOMEM' 2>/dev/null | grep k8s.pod.name >/dev/null; }
# Of this exporter: one that runs in the cluster may write there, too.
warned() {
  kubectl -n "$job_namespace" get events --field-selector reason=XeVMRebindOOM,type=Warning -o 'jsonpath={.items[*].reportingInstance}' |
    grep "$release-" >/dev/null
}
forwarded() {
  local=$(sed -n 's/^Forwarding from 127\.0\.0\.1:\([0-9]*\) .*/\1/p' "$log")
  [ -n "$local" ]
}

log=$(mktemp)
kubectl -n "$namespace" port-forward "daemonset/$release" ":$port" >"$log" 2>&1 &
forward=$!
wait_for 'the forwarded port' forwarded
say 'scrape, and find a simulated out-of-memory error'
wait_for 'an out-of-memory error on /metrics' counted
wait_for 'its log event, with the pod it hit, on /events' named
wait_for 'a Warning XeVMRebindOOM in the namespace of the job' warned
kill "$forward" 2>/dev/null || true
forward=
rm -f "$log"

say 'upgrade'
before=$(kubectl -n "$namespace" get daemonset "$release" -o 'jsonpath={.metadata.generation}')
helm upgrade "$release" "${chart[@]}" "${settings[@]}" --set log.level=debug >/dev/null || fail 'helm upgrade'
kubectl -n "$namespace" rollout status "daemonset/$release" --timeout="${timeout}s" >/dev/null || fail 'the upgraded pods did not get ready'
after=$(kubectl -n "$namespace" get daemonset "$release" -o 'jsonpath={.metadata.generation}')
[ "$after" -gt "$before" ] || fail 'a changed configuration did not restart the pods'

say 'uninstall'
helm uninstall "$release" -n "$namespace" --wait --timeout "${timeout}s" >/dev/null || fail 'helm uninstall'
gone() { [ -z "$(leftovers)" ]; }
leftovers() {
  kubectl get clusterroles,clusterrolebindings -l "app.kubernetes.io/instance=$release" -o name
  kubectl -n "$namespace" get daemonsets,pods,services,configmaps,serviceaccounts,networkpolicies -l "app.kubernetes.io/instance=$release" -o name
}
wait_for 'the end of everything the chart made' gone

echo 'cluster: passed'
