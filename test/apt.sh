# shellcheck shell=bash
# Sourced by scripts that fetch Debian packages of another release: apt with directories of our own, so that neither root nor
# the system's apt configuration is needed and nothing is installed. Expects $cache, and die() to print and exit.

keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The mirror this machine is set up for: the other suites are on it too.
require_mirror() {
  [ -r "$keyring" ] || die "$keyring is missing: install the package debian-archive-keyring."
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' 2>/dev/null | head -n 1 || true)
  [ -n "$mirror" ] || die 'apt knows no mirror with the suite bookworm: add one to the apt sources and run apt-get update.'
}

# with_apt <suite> <program> <arguments>: runs an apt program that knows this suite only. After require_mirror.
with_apt() {
  local suite=$1 program=$2 root=$cache/apt/$1
  shift 2
  mkdir -p "$root/lists/partial" "$root/archives/partial"
  printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$mirror" "$suite" >"$root/sources.list"
  "$program" -qq \
    -o Dir::Etc::SourceList="$root/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
    -o Dir::State::Lists="$root/lists" -o Dir::State::Status=/dev/null -o Dir::Cache="$root" -o Dir::Cache::Archives="$root/archives" \
    -o APT::Sandbox::User= -o APT::Update::Post-Invoke= -o APT::Update::Post-Invoke-Success= -o DPkg::Post-Invoke= \
    -o Acquire::Languages=none -o Acquire::Retries=3 -o Acquire::http::Timeout=30 "$@"
}
