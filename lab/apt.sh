#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Package indexes of other suites, kept apart from the machine's own apt configuration.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

usage() {
	cat <<-EOF
	usage: lab/apt.sh sources SUITE [deb|deb-src]   print sources.list lines for a suite
	       lab/apt.sh options                       print the apt options taken over from this machine
	       lab/apt.sh conf SUITE...                 make and refresh a private index, print its apt.conf
	       lab/apt.sh version SUITE... -- PACKAGE   candidate version of a package in the last SUITE

	Mirror addresses come from this machine's own apt sources (any format; entries that are not
	Debian's are ignored); only the suite is changed. An index is refreshed when it is older than
	KVMI_APT_MAX_AGE minutes (default 720).
	EOF
}

# site main|security: base address of Debian's own archive as this machine reaches it. Entries whose
# Release file names another origin do not count; without downloaded lists the suite's name must do.
site() {
	local found
	found=$(site_of_origin Debian "$1")
	[ -n "$found" ] || found=$(site_of_origin '' "$1")
	if [ -z "$found" ] && [ "$1" = security ]; then
		found=$(site main)-security
	fi
	[ -n "$found" ] || die "no Debian mirror in this machine's apt sources: add one, run apt-get update, try again"
	printf '%s\n' "${found%/}"
}

site_of_origin() {
	# shellcheck disable=SC2016 # apt expands these
	apt-get indextargets --format '$(SITE)|$(RELEASE)|$(ORIGIN)' 'Created-By: Packages' | awk -F '|' -v origin="$1" -v want="$2" '
		$3 != origin || $2 !~ /^(bullseye|bookworm|trixie|forky|sid|stable|oldstable|testing|unstable)/ { next }
		($2 ~ /-security$/ ? "security" : "main") == want { print $1; exit }'
}

sources() {
	local suite=$1 type=${2:-deb} opt main
	opt="[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
	main=$(site main)
	printf '%s %s %s %s main\n' "$type" "$opt" "$main" "$suite"
	case $suite in
	sid | experimental | *-backports) ;;
	*)
		printf '%s %s %s %s-updates main\n' "$type" "$opt" "$main" "$suite"
		printf '%s %s %s %s-security main\n' "$type" "$opt" "$(site security)" "$suite"
		;;
	esac
}

# Proxy and validity settings of this machine also hold for the private indexes and the roots.
options() {
	apt-config dump | grep -E '^Acquire::(http|https|Check-Valid-Until|Check-Date|Retries|ForceIPv4)' |
		grep -v '""' || true
	echo 'Acquire::Languages "none";'
	echo 'Acquire::Retries "3";'
}

# index_dir SUITE...: where the private index of these suites is.
index_dir() {
	local dir
	dir=$CACHE/apt/$(printf '%s+' "$@")
	printf '%s\n' "${dir%+}"
}

# What an index depends on besides its age.
stamp() {
	cat "$LAB_DIR/apt.sh"
	ls -l --time-style=full-iso /etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/apt.conf.d 2>/dev/null || true
}

write_conf() {
	local dir=$1
	options
	cat <<-EOF
	Dir::State::lists "$dir/lists";
	Dir::Cache "$dir";
	Dir::Cache::archives "$dir/archives";
	Dir::Cache::pkgcache "$dir/pkgcache.bin";
	Dir::Cache::srcpkgcache "$dir/srcpkgcache.bin";
	Dir::Etc::main "/dev/null";
	Dir::Etc::parts "$dir/etc/parts";
	Dir::Etc::sourcelist "$dir/etc/sources.list";
	Dir::Etc::sourceparts "$dir/etc/parts";
	Dir::Etc::preferences "$dir/etc/preferences";
	Dir::Etc::preferencesparts "$dir/etc/parts";
	APT::Sandbox::User "root";
	EOF
}

conf() {
	local dir suite
	dir=$(index_dir "$@")
	printf '%s\n' "$dir/apt.conf"
	if [ -n "$(find "$dir/fresh" -mmin "-${KVMI_APT_MAX_AGE:-720}" 2>/dev/null)" ] &&
		[ "$(stamp | short_hash)" = "$(cat "$dir/stamp" 2>/dev/null)" ]; then
		return
	fi
	mkdir -p "$dir"/{lists/partial,archives/partial,etc/parts}
	write_conf "$dir" >"$dir/apt.conf"
	for suite in "$@"; do
		sources "$suite"
		sources "$suite" deb-src
	done >"$dir/etc/sources.list"
	refresh "$dir"
	stamp | short_hash >"$dir/stamp"
}

refresh() {
	say "refreshing the package index $(basename "$1")"
	# Without the option what cannot be reached is a warning.
	if APT_CONFIG=$1/apt.conf apt-get -qq -o APT::Update::Error-Mode=any update >"$1/update.log" 2>&1; then
		touch "$1/fresh"
	elif [ -e "$1/fresh" ]; then
		say "cannot refresh it; going on with the index of $(date -r "$1/fresh" +%F) ($1/update.log)"
	else
		tail -n 5 "$1/update.log" >&2
		die "cannot read the package index $(basename "$1"); check this machine's apt sources and network"
	fi
}

version() {
	local suites=() conf memo
	while [ "$1" != -- ]; do suites+=("$1"); shift; done
	conf=$(with_lock "apt-$(printf '%s+' "${suites[@]}")" conf "${suites[@]}")
	memo=$(index_dir "${suites[@]}")/version-$2
	if [ ! "$memo" -nt "${memo%/*}/fresh" ]; then
		APT_CONFIG=$conf apt-cache -t "${suites[-1]}" policy "$2" | awk '$1 == "Candidate:" { print $2 }' >"$memo.$$"
		[ -s "$memo.$$" ] || die "no package $2 in ${suites[*]}"
		mv "$memo.$$" "$memo"
	fi
	cat "$memo"
}

usage_if_asked "${1:---help}"
cmd=$1
shift
case $cmd in
sources | options | version) "$cmd" "$@" ;;
conf) with_lock "apt-$(printf '%s+' "$@")" conf "$@" ;;
*) usage >&2; exit 2 ;;
esac
