#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The rpm packages: built and linted with Debian 12's rpm tools, then dnf installs, upgrades and erases
# them in a copy of Debian 12's root. What that cannot show is listed in docs/packaging.md.
set -euo pipefail
LAB_DIR=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=pkg-lib.sh
. "$LAB_DIR/pkg-lib.sh"

# shellcheck disable=SC2317 # called by usage_if_asked
usage() { echo "usage: lab/pkg-rpm.sh     TAP on stdout"; }

usage_if_asked "${1:-}"
in_namespace "$0" "$@"
"$LAB_DIR/root.sh" bookworm
version=$(cat "$TOP/VERSION")
mkdir -p "$BUILD/pkg/rpm"
source_tree "$BUILD/pkg/rpm/src" "$version"
target=$(fresh_overlay "$(root_dir bookworm)" rpm-target)
# dkms --rpm_safe_upgrade asks ps, which every rpm distribution has
logged "$BUILD/pkg/rpm/target.log" inroot "$target" sh -ec "apt-get -q update; apt-get -q -y --no-install-recommends install procps"
tools=$(fresh_overlay "$(tools_root bookworm)" rpm-tools)
rc=0
inroot "$tools" -b "$target:/target" -b "$BUILD/pkg/rpm/src:/lab/src" env "VERSION=$version" \
	bash /lab/src/selftests/pkg/rpm.sh </dev/null || rc=$?
drop_overlay rpm-tools
drop_overlay rpm-target
exit $rc
