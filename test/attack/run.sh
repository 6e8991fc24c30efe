#!/usr/bin/env bash
# Attacks the built program on this machine's loopback interface; "short" takes at most three minutes, "image" attacks the image of the
# Dockerfile in containers that have the chart's limit of memory. The last line says how many tests passed and failed; a tool that
# cannot be had is a failure, never a skip.
#
#   test/attack/run.sh [image | image-again] [short]
#
# image-again takes the image of the last run. An image needs root on Debian amd64.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=test/suite.sh
source test/suite.sh

die() { printf 'attack: %s\n0 passed, 1 failed\n' "$*" >&2; exit 1; }

image=
for word in "$@"; do
  case $word in
    short) export XE_EXPORTER_ATTACK=short ;;
    image | image-again) image=$word ;;
    *) die "$word is none of image, image-again and short." ;;
  esac
done
# For clocks that jump.
command -v faketime >/dev/null || apt-get install -y -qq faketime >/dev/null ||
  die 'faketime is missing: install the package faketime.'

if [ -n "$image" ]; then
  [ "$(id -u)" = 0 ] || die 'containers with a limit of memory need root.'
  # shellcheck source=test/image/build.sh
  source test/image/build.sh
  install_tools || die 'tools are missing.'
  # shellcheck source=test/image/storage.sh
  source test/image/storage.sh
  use_storage "${XE_EXPORTER_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xe-exporter}/image"
  export XE_EXPORTER_ATTACK_IMAGE=localhost/xe-exporter:attack
  if [ "$image" = image ]; then
    bash test/image/base.sh "$(sed -n 's/^ARG NODE_IMAGE=//p' Dockerfile)" amd64 || die 'there is no base image.'
    build_image amd64 . "$XE_EXPORTER_ATTACK_IMAGE" || die 'the build of the image failed.'
  fi
  podman image exists "$XE_EXPORTER_ATTACK_IMAGE" || die 'there is no image of an earlier run: use image, not image-again.'
fi

# One at a time: they measure.
run_tests attack --test-concurrency=1 --test-timeout=900000
# The short form skips, and so do those that need root or the program itself.
skipped=0
report
