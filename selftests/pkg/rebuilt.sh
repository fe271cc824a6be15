#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# usage: rebuilt.sh KVMI-DKMS.DEB OUT.DEB: the package under the same version, from sources that differ, so that
# its module can be told from the other by its srcversion.
set -eu
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
dpkg-deb -R "$1" "$tree/deb"
for f in "$tree"/deb/usr/src/kvmi-*/src/main.c; do echo 'extern int kvmi_rebuilt;' >>"$f"; done
dpkg-deb --root-owner-group -b "$tree/deb" "$2"
