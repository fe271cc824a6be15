#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Writes a C file that compiles only if no ioctl number of the kernel's own linux/kvm.h equals one of
# ours. Called by probe.sh, which compiles the file with its probes.
#
# usage: check-ioctl.sh MACROS >FILE.c
#
# MACROS is what the kernel's build makes of probe.sh's macros.c with -dD: every #define that is in
# effect in linux/kvm.h, the line "kvmi_ours", and every #define of our linux/kvmi.h.
#
# What is compared: every object-like KVM_* macro, except those that cannot have one of our numbers:
#  - _IO*(type, nr, ...) with a literal nr of one byte that none of ours has: nr is a bit field of the
#    number. The argument's type is not looked at, so types of other architectures do no harm here.
#    The same nr with an unknown type is compiled, and therefore an error, not a skip;
#  - another KVM_* name alone: that macro is compared itself;
#  - text that is neither a number nor calls an _IO* macro or another macro with arguments.
set -euo pipefail

if [ ! -r "${1:-}" ]; then
	echo "check-ioctl.sh: cannot read '${1:-}'; it is called by compat/probe.sh, run that instead" >&2
	exit 1
fi

awk '
function fail(text) { print "check-ioctl.sh: " text > "/dev/stderr"; failed = 1; exit 1 }
# The literal nr in _IO*(type, nr, ...) as a number, or -1 when there is none.
function literal_nr(body,    part, nr, i, value) {
	if (body !~ /^\(*_IO[A-Z]*\([A-Za-z0-9_]+ *,/)
		return -1
	split(body, part, ",")
	nr = tolower(part[2])
	gsub(/[ )]/, "", nr)
	if (nr ~ /^(0|[1-9][0-9]*)$/)
		return nr > 255 ? -1 : nr + 0
	if (nr !~ /^0x[0-9a-f]+$/)
		return -1
	for (i = 3; i <= length(nr); i++)
		value = 16 * value + index("0123456789abcdef", substr(nr, i, 1)) - 1
	return value > 255 ? -1 : value
}
/^kvmi_ours$/ { ours = 1; next }
/^#define KVM_INTROSPECTION_[A-Z]+ / {
	if (!ours)
		fail("the kernel'\''s own linux/kvm.h defines " $2 ": this kernel has introspection built in; use a stock kernel")
	nr = literal_nr(substr($0, index($0, $3)))
	if (nr < 0)
		fail("no literal number in our " $2 "; see include/uapi/linux/kvmi.h")
	own[++owns] = $2
	taken[nr] = 1
}
!ours && /^#define (KVM_[A-Za-z0-9_]+) / { name[++names] = $2; body[names] = substr($0, index($0, $3)) }
!ours && $1 == "#undef" { for (i = 1; i <= names; i++) if (name[i] == $2) body[i] = "KVM_UNDEFINED" }
END {
	if (failed)
		exit 1
	if (owns != 5 || names < 100)
		fail("found " owns + 0 " of our 5 numbers and " names + 0 " KVM_* macros: linux/kvm.h was not read; see probe.log")
	print "// SPDX-License-Identifier: GPL-2.0-only"
	print "#include <linux/kvm_host.h>\n#include <linux/kvmi.h>\n"
	printf "#define COMPARE(name) static_assert("
	for (k = 1; k <= owns; k++)
		printf "%s(name) != %s", (k > 1 ? " && " : ""), own[k]
	print ", #name);"
	for (i = 1; i <= names; i++) {
		b = body[i]
		if (b ~ /^"/ || b ~ /^KVM_[A-Za-z0-9_]+$/)
			continue
		nr = literal_nr(b)
		if (nr >= 0 && !(nr in taken))
			continue
		if (nr < 0 && b !~ /^[-0-9a-fA-FxXuUlL ()<>|&+*~]+$/ &&
		    b !~ /_IO/ && b !~ /[A-Za-z0-9_]+ *\(/)
			continue
		print "COMPARE(" name[i] ")"
		count++
	}
	printf "/* %d of %d KVM_* macros compared */\n", count, names
}' "$1"
