#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# usage: readme.sh README.md NAME     prints the lines of the block marked "<!-- tested: NAME -->"
# The tests run these lines: what the README says is what is shown to work.
awk -v mark="<!-- tested: $2 -->" '
	$0 == mark { found = 1; next }
	found && /^```/ { if (inside) exit; inside = 1; next }
	found && inside { print; n++ }
	END { if (!n) { print "no block " mark > "/dev/stderr"; exit 1 } }' "$1"
