#!/usr/bin/env bash
# Makes the .rpm of a tree with /etc and /usr in it. The same tree gives the same bytes.
#
#   packaging/rpm/pack.sh TREE VERSION ARCHITECTURE OUTPUT     ARCHITECTURE is amd64 or arm64
#
# Needs rpmbuild (package rpm on Debian).
#
#   SOURCE_DATE_EPOCH  time of the package
set -euo pipefail
umask 022
die() { printf 'packaging: %s\n' "$*" >&2; exit 1; }
[ $# -eq 4 ] || die 'usage: packaging/rpm/pack.sh TREE VERSION ARCHITECTURE OUTPUT'
tree=$(realpath "$1") version=${2//-/\~} output=$(realpath -m "$4")
case $3 in
  amd64) architecture=x86_64 ;;
  arm64) architecture=aarch64 ;;
  *) die "there is no package for $3, only for amd64 and arm64." ;;
esac
command -v rpmbuild >/dev/null || die 'rpmbuild is missing: apt-get install rpm'
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-0}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# rpmbuild takes its build root away when it is done.
cp -a "$tree" "$work/root"

# elfdeps names sonames with the versions of their symbols, as RPM distributions do for their own packages.
home=$work/root/usr/lib/xe-exporter
requires=$(printf '%s\n' "$home/bin/node" "$home/native/build/Release/xe_exporter.node" | /usr/lib/rpm/elfdeps --requires | LC_ALL=C sort -u | sed 's/^/Requires: /')
awk -v requires="$requires" -v version="$version" '$0 == "@REQUIRES@" { print requires; next } { sub(/@VERSION@/, version); print }' \
  "$(dirname "${BASH_SOURCE[0]}")/xe-exporter.spec" >"$work/xe-exporter.spec"

# One thread compresses, and nothing tells of the machine: what differs between two builds differs between two trees.
rpmbuild -bb --quiet --target "$architecture-linux" --buildroot "$work/root" \
  --define "_topdir $work" --define "_rpmdir $work/out" --define "_tmppath $work" --define "_dbpath $work/db" \
  --define '_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm' \
  --define '_buildhost localhost' --define 'use_source_date_epoch_as_buildtime 1' --define 'clamp_mtime_to_source_date_epoch 1' \
  --define '_binary_payload w9.zstdio' --define '_build_id_links none' --define 'debug_package %{nil}' \
  --define '__spec_install_pre %{nil}' --define '__os_install_post %{nil}' \
  "$work/xe-exporter.spec" >"$work/log" 2>&1 || { cat "$work/log" >&2; die "the .rpm for $3 was not built."; }
mkdir -p "$output"
mv "$work/out/"*.rpm "$output/"
