# shellcheck shell=bash
# Sourced by scripts that build the image of the Dockerfile; they have sourced storage.sh, too.

# install_tools: what building and running images takes. Needs root on Debian.
install_tools() {
  local pair missing=()
  for pair in buildah:buildah podman:podman runc:runc debootstrap:debootstrap capsh:libcap2-bin; do
    command -v "${pair%:*}" >/dev/null || missing+=("${pair#*:}")
  done
  [ ${#missing[@]} = 0 ] || DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${missing[@]}" >/dev/null ||
    { echo "apt-get install ${missing[*]} failed; run apt-get update?" >&2; return 1; }
}

# build_image ARCHITECTURE CONTEXT TAG: all builds have the time of the commit.
build_image() {
  buildah build --quiet --pull-never --no-cache --isolation chroot --timestamp "$(git log -1 --format=%ct 2>/dev/null || echo 0)" \
    --platform "linux/$1" --build-arg BUILDPLATFORM=linux/amd64 \
    --build-arg XE_EXPORTER_REVISION=0123456789abcdef --tag "$3" "$2" >/dev/null
}
