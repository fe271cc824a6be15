# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2086,SC2001 # used by the tests; APT is a list of words
# Parts of the package tests. They run as root in a root file system that may be thrown away.
set -u
export LC_ALL=C
N=0 FAILED=0
W=$(mktemp -d)
trap 'rm -rf "$W"' EXIT
APT=${APT:-apt-get -y}
DEBS=/lab/pkg/deb-$VERSION
NEW_DEBS=/lab/pkg/deb-$NEW_VERSION
K1=$(cat /usr/local/lib/kvmi-lab/k1)
K2=$(cat /usr/local/lib/kvmi-lab/k2)

program() { echo "# program $1"; PROGRAM=$1; }
# t NAME COMMAND...: one test; what the command said is shown when it fails.
t() {
	local name=$1 rc=0
	shift
	N=$((N + 1))
	"$@" >"$W/out" 2>&1 || rc=$?
	if [ $rc = 0 ]; then
		echo "ok $N - $name"
	else
		tail -n 40 "$W/out" | sed 's/^/# /'
		echo "not ok $N - $name"
		FAILED=1
	fi
	return $rc
}
finish() {
	echo "1..$N"
	echo "# program $PROGRAM rc=$FAILED"
	exit "$FAILED"
}
why() { echo "$*"; return 1; }
# a kernel's name in a regular expression
quoted() { sed 's/[+.]/\\&/g' <<<"$1"; }
# says TEXT: the last command that "saying" ran has said so.
saying() { "$@" >"$W/said" 2>&1; }
says() { grep -qE -- "$1" "$W/said" || { cat "$W/said"; why "it did not say: $1"; }; }

# readme NAME [DIRECTORY]: runs the lines of that block of README.md (or of $DOC), as a person would.
readme() {
	local lines
	lines=$(sh "$(dirname "$0")/readme.sh" "/lab/pkg/src-$VERSION/${DOC:-README.md}" "$1") || return
	(cd "${2:-.}" && bash -exc "$lines")
}
install_debs() { readme deb-install "$1"; }
ko_of() { find "/lib/modules/$1" -name 'kvmi.ko*' | head -n 1; }
dkms_says() { dkms status -m kvmi; }
# installed KVER VERSION: DKMS and modprobe agree on it.
installed() {
	dkms_says | tr / , | sed 's/, /,/g' | grep -qF "kvmi,$2,$1,x86_64: installed" || { dkms_says; why "dkms: not installed for $1"; } || return
	[ "$(modinfo -k "$1" -F version kvmi)" = "$2" ] || why "modinfo: version is not $2"
}
not_installed() {
	! dkms_says | grep -F "$1, x86_64: installed" || { dkms_says; why "dkms: still installed for $1"; } || return
	[ -z "$(ko_of "$1")" ] || why "a file is there: $(ko_of "$1")"
}
state_of() { dpkg-query -W -f '${db:Status-Status}' "$1"; }
configured() { [ "$(state_of kvmi-dkms)" = installed ] || { dpkg -s kvmi-dkms; why "dpkg: kvmi-dkms is $(state_of kvmi-dkms)"; }; }
purge() { readme deb-remove; }

# mount(2) and umount2(2): the package "mount" need not be there, perl-base always is.
tmpfs() {
	perl -e 'my $t = "tmpfs"; syscall(165, $t, $ARGV[1], $t, $ARGV[2] + 0, $ARGV[3]) == 0 or die "mount: $!\n"' \
		tmpfs "$1" "$2" "$3"
}
unmount() { perl -e 'syscall(166, $ARGV[0], 0) == 0 or die "umount: $!\n"' "$1"; }

# leftovers: what a purge has left, of files and of what others know of it. Administrators' own files are no such thing.
leftovers() {
	local now=$W/now
	find / -xdev -iname '*kvmi*' \( -path '/proc/*' -o -path '/lab/*' -o -path '/tmp/*' -o -path '/usr/local/lib/kvmi-lab*' \
		-o -path '/var/log/*' -o -path '/var/cache/*' -o -path '/var/lib/dpkg/*' -o -path '/etc/dkms/kvmi.conf' \
		-o -name 'kvmi-lab*' \) -prune -o -iname '*kvmi*' -print 2>/dev/null | grep -v '^/lab$' >"$now"
	[ ! -s "$now" ] || { cat "$now"; why "files are left"; } || return
	[ -z "$(dkms_says)" ] || { dkms_says; why "dkms still knows it"; } || return
	! grep -qs kvmi "/lib/modules/$K1/modules.dep" || why "modules.dep still names it" || return
	! find /var/lib/dpkg/info -name '*kvmi*' ! -name 'kvmi-lab-*' | grep . || why "dpkg still knows it"
}
