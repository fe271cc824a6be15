#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# In a root: "first SUITE" leaves one kernel there and fetches a newer one, "second SUITE" installs it.
# shellcheck disable=SC2012,SC2046,SC2086 # kernel names are harmless; lists of words
# /usr/local/lib/kvmi-lab/{k1,k2} name them. APT is the apt-get command to use.
set -eu
APT=${APT:-apt-get -y}
state=/usr/local/lib/kvmi-lab
meta="linux-image-amd64 linux-headers-amd64"

# The kernel release that a version of the meta package depends on.
release_of() {
	apt-cache show "linux-image-amd64=$1" |
		sed -n 's/^Depends:.*linux-image-\([0-9][^ ,]*-amd64\).*/\1/p' | head -n 1
}
installed() { basename "$(dirname "$(ls -d /lib/modules/*/kernel | sort -V | tail -n 1)")"; }
# every package of a kernel, with 7.x there are many
packages_of() { dpkg-query -W -f '${db:Status-Status} ${Package}\n' "linux-*-$1" | sed -n 's/^installed //p'; }
target() {
	case $1 in
	trixie) echo "-t trixie-backports" ;;
	sid) echo "-t experimental" ;;
	esac
}

first() {
	apt-get -q update
	new=$(installed)
	case $1 in
	bullseye | bookworm)
		# the oldest that the archive has; the root's own kernel is the newer one
		old=$(release_of "$(apt-cache madison linux-image-amd64 | awk '{ print $3 }' | sort -V | head -n 1)")
		[ "$old" != "$new" ] || { echo "the archive has only one kernel for $1"; exit 1; }
		$APT install "linux-image-$old" "linux-headers-$old"
		$APT purge $meta "linux-image-$new" "linux-headers-$new"
		echo "$new" >$state/k2
		;;
	trixie)
		old=$(basename "$(dirname "$(ls -d /lib/modules/*/kernel | sort -V | head -n 1)")")
		$APT purge $meta $(packages_of "$new")
		echo "$new" >$state/k2
		;;
	sid)
		old=$new
		release_of "$(apt-cache madison linux-image-amd64 | awk '{ print $3 }' | sort -V | tail -n 1)" >$state/k2
		;;
	esac
	echo "$old" >$state/k1
	[ ! -e "/lib/modules/$(cat $state/k2)/kernel" ] || { echo "$(cat $state/k2) is still there"; exit 1; }
	# shellcheck disable=SC2046,SC2086 # words
	$APT $(target "$1") --download-only install $meta
}

second() {
	# shellcheck disable=SC2046,SC2086 # words
	$APT $(target "$1") install $meta
}

"$1" "$2"
