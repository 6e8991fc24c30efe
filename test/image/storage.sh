# shellcheck shell=bash
# Sourced by scripts that build or run images: storage of their own, so that the machine's stays as it is.

# use_storage FOLDER: has buildah and podman keep everything there.
use_storage() {
  mkdir -p "$1"
  # crun wants cgroup v2, and neither podman's usual limits nor a network of its own work everywhere.
  export CONTAINERS_CONF=$1/containers.conf CONTAINERS_STORAGE_CONF=$1/storage.conf
  cat >"$CONTAINERS_CONF" <<'END'
[containers]
default_ulimits = []
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
END
  storage_driver "$1" overlay
  podman info >/dev/null 2>&1 || storage_driver "$1" vfs
}

storage_driver() { printf '[storage]\ndriver = "%s"\ngraphroot = "%s"\nrunroot = "/run/xe-exporter-test"\n' "$2" "$1/storage-$2" >"$CONTAINERS_STORAGE_CONF"; }
