#!/usr/bin/env bash
# Builds what a guest boots with, for one release that packages.sh has fetched, and prints the folder it is in:
# initramfs.gz (busybox and what mounts the host's root folder) and xe_test.ko. Cached by content.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XE_EXPORTER_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xe-exporter}/stock-kernel
release=$1
kernel=$cache/$release
toolchain=$cache/toolchain

die() { echo "build.sh: $*" >&2; exit 1; }

# In the toolchain's root folder, with the headers of the release. The linker's tools look into /proc.
build_module() {
  local out=$1 source=$toolchain/build/$release
  rm -rf "$source"
  mkdir -p "$source"
  cp "$here"/module/* "$source/"
  # shellcheck disable=SC2016
  unshare --mount sh -c 'mount -t proc proc "$0/proc" && exec chroot "$0" make -s -C "/usr/src/linux-headers-$1" M="/build/$1" \
    CONFIG_DEBUG_INFO_BTF_MODULES= modules' "$toolchain" "$release" >"$source.log" 2>&1 ||
    { cat "$source.log" >&2; die "the module does not build for $release"; }
  strip --strip-debug -o "$out/xe_test.ko" "$source/xe_test.ko"
}

build_initramfs() {
  local out=$1 staging=$1/initramfs n=10 path
  mkdir -p "$staging"/{bin,proc,sys,dev,root,modules}
  cp /bin/busybox "$staging/bin/busybox"
  cp "$here/guest/init" "$staging/init"
  # In the order they are loaded.
  for path in $(modprobe -d "$kernel" -S "$release" -a --show-depends virtio_pci 9pnet_virtio 9p | sed -n 's/^insmod //p' | awk '!seen[$0]++'); do
    n=$((n + 1))
    xz -dc "$path" >"$staging/modules/$n-$(basename "$path" .xz)"
  done
  (cd "$staging" && find . | cpio --quiet -o -H newc | gzip -1) >"$out/initramfs.gz"
  rm -rf "$staging"
}

[[ -e $kernel/vmlinuz ]] || die "$release is not in $cache: run packages.sh"
out=$cache/guest-$release-$(cat "$here"/module/* "$here/guest/init" "$here/build.sh" | sha256sum | cut -c1-16)
if [[ ! -d $out ]]; then
  rm -rf "$cache/guest-$release-"*
  mkdir -p "$out.tmp"
  build_module "$out.tmp"
  build_initramfs "$out.tmp"
  mv -T "$out.tmp" "$out"
fi
echo "$out"
