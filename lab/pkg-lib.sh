# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Parts of the package tests: layered roots and building the packages. Sourced by lab/pkg*.sh, which run
# in a mount namespace of their own, so that nothing stays mounted.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$LAB_DIR/lib.sh"
PKG=$CACHE/pkg
# shellcheck disable=SC2034 # used by the scripts that source this
PKG_SUITES="bullseye bookworm trixie sid"

# in_namespace SCRIPT ARGUMENT...: starts the script again, alone with its mounts.
in_namespace() {
	need_root
	[ -z "${KVMI_PKG_NS:-}" ] || return 0
	KVMI_PKG_NS=1 exec unshare --mount --propagation private "$@"
}

# overlay LOWER NAME: mounts LOWER with a writable layer $PKG/NAME on top, prints where. Overlays of
# overlays are spelled out: LOWER may be dir:dir.
overlay() {
	local d=$PKG/$2
	mkdir -p "$d/upper" "$d/work" "$d/root"
	mountpoint -q "$d/root" ||
		mount -t overlay overlay -o "lowerdir=$1,upperdir=$d/upper,workdir=$d/work" "$d/root"
	echo "$d/root"
}

# fresh_overlay LOWER NAME: the same with an empty layer.
fresh_overlay() {
	! mountpoint -q "$PKG/$2/root" || umount "$PKG/$2/root"
	rm -rf --one-file-system "${PKG:?}/$2"
	overlay "$1" "$2"
}

# What is needed to build packages in a suite, beyond its root.
tools_of() {
	case $1 in
	bookworm) echo build-essential debhelper dh-dkms lintian gcc-multilib linux-source-6.1 xz-utils rpm rpmlint dnf createrepo-c autopkgtest mount ;;
	bullseye) echo build-essential debhelper ;;
	*) echo build-essential debhelper dh-dkms ;;
	esac
}

# tools_root SUITE: "UPPER:ROOT" of the suite with the tools, for overlay().
tools_root() {
	local suite=$1 base key name root
	base=$(root_dir "$suite")
	key=$({ echo "$base"; tools_of "$suite"; } | short_hash)
	name=tools-$suite-$key
	if [ ! -e "$PKG/$name/ok" ]; then
		say "installing the packaging tools for $suite (about 30 s)"
		rm -rf --one-file-system "$PKG/tools-$suite-"*
		root=$(overlay "$base" "$name")
		# shellcheck disable=SC2046 # a list
		logged "$PKG/$name/apt.log" inroot "$root" sh -ec 'apt-get -q update
			apt-get -q -y --no-install-recommends install "$@"
			apt-get clean' sh $(tools_of "$suite")
		umount "$root"
		touch "$PKG/$name/ok"
	fi
	echo "$PKG/$name/upper:$base"
}

# source_tree DIR VERSION: the sources as a release would hold them, with that version everywhere.
source_tree() {
	local dir=$1 version=$2 old
	rm -rf "$dir" "$dir.dist"
	mkdir -p "$dir"
	tar -C "$dir" --strip-components=1 -xf "$(cd "$TOP" && packaging/dist.sh "$dir.dist")"
	old=$(cat "$dir/VERSION")
	[ "$version" != "$old" ] || return 0
	echo "$version" >"$dir/VERSION"
	sed -i "s/^PACKAGE_VERSION=.*/PACKAGE_VERSION=\"$version\"/" "$dir/dkms.conf"
	sed -i "s/^Version:\( *\).*/Version:\1$version/" "$dir/rpm/kvmi.spec"
	sed -i "1s/($old)/($version)/" "$dir/debian/changelog"
}

# build_debs SUITE VERSION [binary]: build/pkg/SUITE/deb-VERSION/*.deb, made in that suite, when the sources
# changed. PKG_REUSE=1 takes what is there.
build_debs() {
	local suite=$1 version=$2 tree=$BUILD/pkg/$1/src-$2 out=$BUILD/pkg/$1/deb-$2 root stamp
	[ -z "${PKG_REUSE:-}" ] || [ ! -e "$out/stamp" ] || return 0
	source_tree "$tree" "$version"
	stamp=$(cd "$tree" && find . -type f -print0 | sort -z | xargs -0 sha256sum | short_hash)
	[ "$(cat "$out/stamp" 2>/dev/null)" != "$stamp" ] || return 0
	say "$suite: building the Debian packages $version"
	root=$(fresh_overlay "$(tools_root "$suite")" "build-$suite")
	tar -C "$tree/.." --transform "s,^src-$version,kvmi-$version," -czf "$tree/../kvmi-$version.tar.gz" "src-$version"
	mkdir -p "$out"
	logged "$out/build.log" inroot "$root" -b "$BUILD/pkg/$suite:/lab/pkg" -b "$tree:/lab/src" \
		env "OUT=/lab/pkg/deb-$version.new" ${3:+"BINARY_ONLY=1"} /lab/src/packaging/deb.sh "/lab/pkg/kvmi-$version.tar.gz"
	mv "$out/build.log" "$out.new/build.log"
	rm -rf "$out"
	mv "$out.new" "$out"
	umount "$root"
	echo "$stamp" >"$out/stamp"
}

# lint_debs SUITE VERSION: lintian, in bookworm. No error, no warning; overrides are in debian/.
lint_debs() {
	local root
	root=$(fresh_overlay "$(tools_root bookworm)" lintian)
	inroot "$root" -b "$BUILD/pkg/$1/deb-$2:/lab/deb" sh -c \
		'cd /lab/deb && lintian --allow-root --fail-on error,warning --tag-display-limit 0 --info ./*.changes'
}
