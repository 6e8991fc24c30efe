# shellcheck shell=bash
# Sourced by run.sh: has the kernel run programs for arm64 by QEMU, in containers too, until stop_emulator. Uses the one that is
# registered on this machine, if there is one. QEMU is Debian trixie's, whatever this machine has, and is not installed.
# Expects $cache, and die() to print and exit.

binfmt=/proc/sys/fs/binfmt_misc
handler=$binfmt/xe-exporter-test-arm64
# The header of a program for AArch64, whether or not it is position-independent. F: the kernel opens QEMU when it is registered,
# so a container need not have it.
registration=":${handler##*/}:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
# shellcheck source=test/apt.sh
source "$(dirname "${BASH_SOURCE[0]}")/../apt.sh"

# emulates ROOT: whether Node.js runs in a root folder for arm64.
emulates() { [ "$(chroot "$1" /usr/local/bin/node -p process.arch 2>/dev/null)" = arm64 ]; }

# start_emulator ROOT: returns 1 after it has said why there is none.
start_emulator() {
  local refused
  # Of a run that was killed.
  [ ! -e "$handler" ] || echo -1 >"$handler"
  ! emulates "$1" || return 0
  [ -x "$cache/qemu-aarch64" ] && [ "${XE_EXPORTER_TEST_REFRESH:-0}" != 1 ] || fetch_qemu || return
  if [ ! -e "$binfmt/register" ] && mount -t binfmt_misc none "$binfmt" 2>/dev/null; then mounted=1; fi
  refused=$( (printf %s "$registration:$cache/qemu-aarch64:F" >"$binfmt/register") 2>&1) || refused=${refused##*: }
  ! emulates "$1" || return 0
  cat >&2 <<END
image: programs for arm64 do not run here: ${refused:+writing to $binfmt/register failed: }${refused:-QEMU is registered in $binfmt, but Node.js does not start}.
  To register QEMU takes root and a kernel with CONFIG_BINFMT_MISC; in a container, --privileged and
      mount -t binfmt_misc none $binfmt
  or the host does it: apt-get install qemu-user-static binfmt-support. XE_EXPORTER_TEST_ARM64=0 leaves arm64 out.
END
  return 1
}

# Leaves the machine as it was.
stop_emulator() {
  [ ! -e "$handler" ] || echo -1 >"$handler"
  [ -z "${mounted:-}" ] || umount "$binfmt"
}

fetch_qemu() {
  local staging
  require_mirror
  staging=$(mktemp -d "$cache/qemu.XXXXXX")
  if with_apt trixie apt-get update >&2 && (cd "$staging" && with_apt trixie apt-get download qemu-user >&2) &&
    dpkg-deb --fsys-tarfile "$staging"/*.deb | tar -x -C "$staging" ./usr/bin/qemu-aarch64; then
    mv "$staging/usr/bin/qemu-aarch64" "$cache/"
  else
    echo 'image: qemu-user could not be fetched from Debian trixie.' >&2
  fi
  rm -rf "$staging"
  [ -x "$cache/qemu-aarch64" ]
}
