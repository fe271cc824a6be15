# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Parts of the package tests: layered roots and building the packages. Sourced by lab/pkg*.sh, which run
# in a mount namespace of their own, so that nothing stays mounted.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$LAB_DIR/lib.sh"
# Layers that take a while are kept with the lab's cache, those of a run are the checkout's own.
PKG=$CACHE/pkg
LAYERS=$BUILD/pkg/layers
# shellcheck disable=SC2034 # used by the scripts that source this
PKG_SUITES="bullseye bookworm trixie sid"

# in_namespace SCRIPT ARGUMENT...: starts the script again, alone with its mounts.
in_namespace() {
	need_root
	[ -z "${KVMI_PKG_NS:-}" ] || return 0
	KVMI_PKG_NS=1 exec unshare --mount --propagation private "$@"
}

# layer LOWER DIR: mounts LOWER with a writable layer DIR/upper on top, prints where. Overlays of
# overlays are spelled out: LOWER may be dir:dir.
layer() {
	local d=$2
	mkdir -p "$d/upper" "$d/work" "$d/root"
	mountpoint -q "$d/root" ||
		mount -t overlay overlay -o "lowerdir=$1,upperdir=$d/upper,workdir=$d/work" "$d/root"
	echo "$d/root"
}

# overlay LOWER NAME: such a layer of this run; fresh_overlay: an empty one.
overlay() { layer "$1" "$LAYERS/$2"; }
fresh_overlay() {
	drop_overlay "$2"
	overlay "$1" "$2"
}
drop_overlay() {
	! mountpoint -q "$LAYERS/$1/root" || umount "$LAYERS/$1/root"
	rm -rf --one-file-system "${LAYERS:?}/$1"
}

# kept NAME KEY LOWER FUNCTION: "UPPER:LOWER" of a layer in the cache. When it is not there, FUNCTION ROOT
# DIR makes it, for one run at a time.
kept() {
	with_lock "pkg-$1" make_kept "$@"
	echo "$PKG/$1-$2/upper:$3"
}
make_kept() {
	local dir=$PKG/$1-$2 root
	[ ! -e "$dir/ok" ] || return 0
	mkdir -p "$PKG"
	# another run may still use the one before
	find "$PKG" -maxdepth 1 -name "$1-[0-9a-f]*" -mtime +1 -exec rm -rf --one-file-system {} +
	rm -rf --one-file-system "$dir"
	root=$(layer "$3" "$dir")
	"$4" "$root" "$dir"
	umount "$root"
	touch "$dir/ok"
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
	local tools_suite=$1 base
	base=$(root_dir "$1")
	kept "tools-$1" "$({ echo "$base"; tools_of "$1"; } | short_hash)" "$base" install_tools
}
install_tools() {
	say "installing the packaging tools for $tools_suite (about 60 s)"
	# shellcheck disable=SC2046 # a list
	logged "$2/apt.log" inroot "$1" sh -ec 'apt-get -q update
		apt-get -q -y --no-install-recommends install "$@"
		apt-get clean' sh $(tools_of "$tools_suite")
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
build_debs() { with_lock "$(short_hash <<<"$BUILD")-debs-$1-$2" make_debs "$@"; }
make_debs() {
	local suite=$1 version=$2 tree=$BUILD/pkg/$1/src-$2 out=$BUILD/pkg/$1/deb-$2 root stamp
	[ -z "${PKG_REUSE:-}" ] || [ ! -e "$out/stamp" ] || return 0
	source_tree "$tree" "$version"
	stamp=$(cd "$tree" && find . -type f -print0 | sort -z | xargs -0 sha256sum | short_hash)
	[ "$(cat "$out/stamp" 2>/dev/null)" != "$stamp" ] || return 0
	say "$suite: building the Debian packages $version"
	root=$(fresh_overlay "$(tools_root "$suite")" "build-$suite-$version")
	tar -C "$tree/.." --transform "s,^src-$version,kvmi-$version," -czf "$tree/../kvmi-$version.tar.gz" "src-$version"
	mkdir -p "$out"
	logged "$out/build.log" inroot "$root" -b "$BUILD/pkg/$suite:/lab/pkg" -b "$tree:/lab/src" \
		env "OUT=/lab/pkg/deb-$version.new" ${3:+"BINARY_ONLY=1"} /lab/src/packaging/deb.sh "/lab/pkg/kvmi-$version.tar.gz"
	mv "$out/build.log" "$out.new/build.log"
	rm -rf "$out"
	mv "$out.new" "$out"
	drop_overlay "build-$suite-$version"
	echo "$stamp" >"$out/stamp"
}

# never_asks ROOT: apt's answers, so that the README's lines run without a person.
never_asks() {
	printf '%s\n' 'APT::Get::Assume-Yes "true";' 'APT::Install-Recommends "false";' 'Dpkg::Options:: "--force-unsafe-io";' \
		>"$1/etc/apt/apt.conf.d/90lab"
}

# install_packages SUITE ROOT LOG: kvmi-dkms and kvmi-tools, by the README's line.
install_packages() {
	never_asks "$2"
	# shellcheck disable=SC2016 # expanded in the root
	logged "$3" inroot "$2" -b "$BUILD/pkg/$1/deb-$(cat "$TOP/VERSION"):/lab/deb" -b "$TOP:/lab/top" sh -ec '
		apt-get -q update
		cd /lab/deb
		lines=$(/lab/top/selftests/pkg/readme.sh /lab/top/README.md deb-install)
		sh -exc "$lines"'
}

# lint_debs SUITE VERSION: lintian, in bookworm. No error, no warning; overrides are in debian/.
lint_debs() {
	local root
	root=$(fresh_overlay "$(tools_root bookworm)" "lintian-$1")
	inroot "$root" -b "$BUILD/pkg/$1/deb-$2:/lab/deb" sh -c \
		'cd /lab/deb && lintian --allow-root --fail-on error,warning --tag-display-limit 0 --info ./*.changes'
}

# report_vm PROGRAM DIR NAME TEXT RC: one test for a VM, all of whose tests, and its console, lab/boot.sh has
# judged; NAME is for the table.
report_vm() {
	local rc=$5
	echo "# program $1"
	echo "1..1"
	python3 - "$2/verdict.json" "$3" <<-'EOF' || rc=1
	import json, sys
	v = json.load(open(sys.argv[1]))
	v["emulator"] = sys.argv[2]
	json.dump(v, open(sys.argv[1], "w"), indent=1)
	print("# in the VM: {passed} passed, {failed} failed, {skipped} skipped".format(**v))
	for p in v["problems"] + ["skipped: " + s for s in v["skips"]]:
	    print("#", p)
	EOF
	echo "$([ "$rc" = 0 ] || echo "not ")ok 1 - $4"
	echo "# program $1 rc=$rc"
	return "$rc"
}
