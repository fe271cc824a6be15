#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2317,SC2015,SC2086,SC2231 # called by name; paths without blanks
# Builds the rpm packages, lints them, and has dnf install, upgrade and erase them in /target: a root with
# dkms and a kernel's headers, not of an rpm distribution. Run by lab/pkg-rpm.sh in a root with the tools.
# /lab/src: the sources, VERSION: theirs.
set -u
export LC_ALL=C
N=0 FAILED=0
W=/root/rpm-test
rm -rf $W
mkdir -p $W/repo
T=/target
KVER=$(basename "$(dirname "$(find $T/lib/modules -maxdepth 2 -name build | sort -V | tail -n 1)")")
NEXT=$VERSION.1

t() {
	local name=$1
	shift
	N=$((N + 1))
	if "$@" >$W/out 2>&1; then
		echo "ok $N - $name"
	else
		tail -n 40 $W/out | sed 's/^/# /'
		echo "not ok $N - $name"
		FAILED=1
	fi
}
why() { echo "$*"; return 1; }
in_target() { chroot $T "$@"; }

# build VERSION RELEASE: the packages into the repository.
build() {
	local dir=$W/kvmi-$1
	rm -rf "$dir"
	cp -a /lab/src "$dir" && cd "$dir" || return
	echo "$1" >VERSION
	sed -i "s/^PACKAGE_VERSION=.*/PACKAGE_VERSION=\"$1\"/" dkms.conf
	sed -i "s/^Version:.*/Version:        $1/; s/^Release:.*/Release:        $2%{?dist}/; s/ - [0-9.]*-1\$/ - $1-$2/" rpm/kvmi.spec
	tar -C $W -czf "$W/kvmi-$1.tar.gz" --exclude=build "kvmi-$1" || return
	OUT=$W/out-$1-$2 packaging/rpm.sh "$W/kvmi-$1.tar.gz" || return
	cp "$W/out-$1-$2"/RPMS/*/*.rpm $W/repo/
	cd /
}
# The library for the selftests is that of Debian's linux-source-6.1; debug packages need tools that Debian lacks.
with_selftests() {
	mkdir -p $W/ksrc
	tar -C $W/ksrc --strip-components=1 -xf /usr/src/linux-source-6.1.tar.xz linux-source-6.1/tools || return
	(cd "$W/kvmi-$VERSION" && OUT=$W/out-selftests packaging/rpm.sh "$W/kvmi-$VERSION.tar.gz" --with selftests \
		--define "kvmi_ksrc $W/ksrc" --define 'debug_package %{nil}') || return
	cp "$W"/out-selftests/RPMS/*/kvmi-selftests-*.rpm $W/repo/ || return
	rpm -qpl $W/repo/kvmi-selftests-*.rpm >$W/list || return
	grep -x '/usr/libexec/kvmi-selftests/memory_test' $W/list && grep -x '/usr/sbin/kvmi-selftests' $W/list &&
		grep '/share/kvmi-selftests/vm/run-all.sh' $W/list
}
lint() {
	local out=$W/out-$VERSION-1
	# without --strict, a warning is no failure
	rpmlint --strict -r /lab/src/rpm/kvmi.rpmlintrc "$out"/RPMS/*/*.rpm "$out"/SRPMS/*.rpm /lab/src/rpm/kvmi.spec
}
scriptlets_right() {
	local p=$W/repo/kvmi-dkms-$VERSION-1.noarch.rpm
	[ "$(rpm -qp --scripts "$p" | grep -c -- --rpm_safe_upgrade)" = 2 ] || why "--rpm_safe_upgrade" || return
	! rpm -qp --scripts $W/repo/kvmi-*.rpm | grep -E 'modprobe|rmmod|weak-modules|dracut' || why "a scriptlet does too much"
}

# What a distribution would provide, under the names of an rpm distribution.
fake_base() {
	{
		printf 'Name: fake-base\nVersion: 1\nRelease: 1\nSummary: Stands in for a distribution\nLicense: none\nBuildArch: noarch\n'
		echo 'Provides: dkms = 3.0.10'
		rpm -qpR $W/repo/*.rpm | grep -vE '^(rpmlib|dkms|kvmi)' | sort -u | sed 's/^/Provides: /'
		printf '%%description\nStands in.\n%%files\n'
	} >$W/fake-base.spec
	rpmbuild -bb --define "_topdir $W/fake" $W/fake-base.spec && cp $W/fake/RPMS/*/*.rpm $W/repo/ && createrepo_c $W/repo
}
repo_of() { mkdir -p "$W/only" && rm -rf "${W:?}/only"/* && cp $W/repo/fake-base-*.rpm "$@" "$W/only/" && createrepo_c -q "$W/only"; }
run_dnf() {
	dnf -y --installroot=$T --releasever=1 --setopt=reposdir=/nowhere --setopt=cachedir=$W/cache --setopt=install_weak_deps=False \
		--repofrompath="kvmi,$W/only" --repo=kvmi --nogpgcheck --setopt=metadata_expire=0 "$@"
}
install_first() { repo_of $W/repo/kvmi-{dkms,tools}-"$VERSION"-1.*.rpm && run_dnf install fake-base kvmi-dkms kvmi-tools; }
upgrade_to() { repo_of $W/repo/kvmi-{dkms,tools}-"$1"-"$2".*.rpm && run_dnf upgrade kvmi-dkms kvmi-tools; }
erase() { run_dnf remove kvmi-dkms kvmi-tools; }
built() {
	in_target dkms status | grep -q "^kvmi/$1, $KVER, x86_64: installed" || { in_target dkms status; why "dkms"; } || return
	[ "$(in_target modinfo -k "$KVER" -F version kvmi)" = "$1" ] || why "modinfo" || return
	[ "$(in_target dkms status | grep -c .)" = 1 ] || { in_target dkms status; why "more than one"; }
}
verified() { rpm --root $T -V kvmi-dkms kvmi-tools; }
tools_run() { in_target kvmictl --version | grep -q "^kvmictl $1,"; }
nothing_left() {
	! in_target dkms status | grep . || why "dkms knows it" || return
	! find $T/usr $T/etc $T/lib/modules $T/var/lib/dkms -name '*kvmi*' ! -path '*/kvmi-lab*' | grep . || why "files are left"
}
# With the compiler of this root, which finds them over there.
client_builds() {
	repo_of $W/repo/kvmi-devel-"$VERSION"-1.*.rpm && run_dnf install kvmi-devel && ! [ -e /usr/include/kvmic.h ] || return
	CPATH=$T/usr/include LIBRARY_PATH=$T$(rpm -E %_libdir) AUTOPKGTEST_TMP=$W sh /lab/src/debian/tests/build-client || return
	run_dnf remove kvmi-devel && ! [ -e $T/usr/include/kvmic.h ]
}
selftests_start() {
	repo_of $W/repo/kvmi-dkms-"$VERSION"-1.*.rpm $W/repo/kvmi-selftests-"$VERSION"-*.rpm && run_dnf install kvmi-selftests || return
	in_target kvmi-selftests --help && [ -x $T/usr/libexec/kvmi-selftests/memory_test ] && run_dnf remove kvmi-selftests
}
without_compiler() {
	local f
	mkdir -p $T/root/hidden
	for f in $T/usr/bin/*gcc $T/usr/bin/*gcc-[0-9]* $T/usr/bin/cc; do mv "$f" $T/root/hidden/; done
	install_first >$W/said 2>&1
	local rc=$?
	mv $T/root/hidden/* $T/usr/bin/
	cat $W/said
	[ $rc = 0 ] && rpm --root $T -q kvmi-dkms || why "the transaction failed" || return
	grep -q 'kvmi-dkms: cause: .*compiler' $W/said || why "no cause"
}
heals() { in_target dkms autoinstall -k "$KVER" && built "$VERSION"; }

mount -t proc proc $T/proc
mount --rbind /dev $T/dev
mount -t tmpfs tmpfs $T/tmp
echo "# program pkg-rpm"
t "make rpm" build "$VERSION" 1
t "the same version, rebuilt" build "$VERSION" 2
t "a newer version" build "$NEXT" 1
t "with the selftests" with_selftests
t "rpmlint finds nothing" lint
t "scriptlets: --rpm_safe_upgrade twice, nothing loaded" scriptlets_right
t "a stand-in for the distribution" fake_base
t "dnf install" install_first
t "DKMS has built it" built "$VERSION"
t "rpm -V" verified
t "the tool runs" tools_run "$VERSION"
t "dnf install kvmi-devel, and a client builds with it" client_builds
t "dnf install kvmi-selftests" selftests_start
t "dnf upgrade to the same version, rebuilt" upgrade_to "$VERSION" 2
t "DKMS still has it" built "$VERSION"
t "dnf upgrade to a newer version" upgrade_to "$NEXT" 1
t "DKMS has the new one, and only that" built "$NEXT"
t "the new tool runs" tools_run "$NEXT"
t "rpm -V after the upgrade" verified
t "dnf remove" erase
t "nothing is left" nothing_left
t "without a compiler: installed, with a message" without_compiler
t "dkms autoinstall heals it" heals
t "dnf remove after that" erase
echo "1..$N"
echo "# program pkg-rpm rc=$FAILED"
umount -R $T/dev $T/proc $T/tmp
exit $FAILED
