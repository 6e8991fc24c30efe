#!/usr/bin/env bash
# Boots Debian's own kernels with their own xe module in QEMU and runs every scenario, or those whose "<release> <name>"
# contains one of the arguments:
#
#   test/stock-kernel/run.sh 7.3 reload
#   test/stock-kernel/run.sh --bench       measures what the trace costs, on the newest kernel
#
#   XE_EXPORTER_TEST_KERNELS   the kernels (default: "6.12 newest"); a series such as 6.18 means the newest of it in the archive
#
# The project must have been compiled before (npm run build).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
XE_TEST_ROOT=$(cd "$here/../.." && pwd)
XE_TEST_STOCK_CACHE=${XE_EXPORTER_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xe-exporter}/stock-kernel

install_packages() {
  local package missing=()
  for package in qemu-system-x86 busybox-static bpftool cpio kmod xz-utils debian-archive-keyring; do
    [[ $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) == *' installed' ]] || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  [[ $(id -u) == 0 ]] || { echo "run.sh: missing packages, install them with: apt-get install ${missing[*]}" >&2; exit 1; }
  {
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
  } >&2
}

default_kernels='6.12 newest'
program=run.js
scenarios=(-- "$@")
if [[ ${1:-} == --bench ]]; then
  default_kernels=newest
  program=bench.js
  scenarios=()
fi

install_packages
XE_TEST_PROGRAMS=$("$here/../kernel/build.sh" --programs | tail -n 1)
export XE_TEST_ROOT XE_TEST_STOCK_CACHE XE_TEST_PROGRAMS

kernels=()
# shellcheck disable=SC2086
releases=$("$here/packages.sh" ${XE_EXPORTER_TEST_KERNELS:-$default_kernels})
for release in $releases; do
  kernels+=("$release=$("$here/build.sh" "$release" | tail -n 1)")
done
exec node "$XE_TEST_ROOT/dist/test/stock-kernel/$program" "${kernels[@]}" "${scenarios[@]}"
