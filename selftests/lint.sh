#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Static checks of the whole tree, as TAP. Every check is first fed a bad sample, which it must find.
#
# A check is a function check_NAME that works in the current directory (a tree), prints what it finds
# and prints nothing when all is well; bad_NAME puts a bad sample into an empty directory.
set -euo pipefail
export LC_ALL=C

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source-path=SCRIPTDIR source=probes/tap.sh
. "$TOP/selftests/probes/tap.sh"

usage() {
	cat <<-EOF
	usage: selftests/lint.sh [-o CHECK] [KDIR]

	  -o CHECK  only this one of: $(checks | tr '\n' ' ')
	  KDIR      kernel headers for sparse; scripts/checkpatch.pl is looked for there first, then in
	            \$CHECKPATCH, /usr/src, and the linux-source that lab/userland.sh unpacks
	EOF
}
checks() { declare -F | sed -n 's/^declare -f check_//p'; }

# files [PATTERN]: the tree's own files, by git where there is one
files() {
	if git rev-parse --show-toplevel 2>/dev/null | grep -qx "$PWD"; then
		git ls-files -co --exclude-standard
	else
		find . -type f | sed 's,^\./,,'
	fi | sort | grep -E "${1:-.}" | while read -r f; do [ ! -f "$f" ] || echo "$f"; done
}
# grep_files PATTERN GREP-ARGUMENT...: grep over files; finding nothing is no error
grep_files() {
	local pattern=$1
	shift
	files "$pattern" | xargs -r -d '\n' grep -nH "$@" || [ $? -lt 2 ] || [ $? = 123 ]
}
sources='\.(c|h|S|sh|py|awk|list)$|(^|/)(Makefile|Kbuild|dkms\.conf)$|^\.ci/run$|^lab/guest/'
own='^selftests/(lint\.sh|probes/)'

check_spdx() {
	files "$sources" | while read -r f; do
		head -n 3 "$f" | grep -q 'SPDX-License-Identifier: ' || echo "$f: no SPDX-License-Identifier in the first 3 lines"
	done
}
bad_spdx() { echo 'int x;' >x.c; }

check_version_tests() {
	grep_files "$sources" -E 'LINUX_VERSION_CODE|RHEL_RELEASE_CODE|KERNEL_VERSION\(|linux/version\.h' |
		grep -vE "^compat/|$own" || true
}
bad_version_tests() { mkdir src && echo '#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 0)' >src/x.c; }

# The answers of probes are read in compat/ only, and the core knows nothing of KVM.
check_answers() { grep_files '\.[ch]$|Kbuild$' -E 'KVMI_HAVE_' | grep -vE "^compat/|$own" || true; }
bad_answers() { mkdir src && echo '#ifdef KVMI_HAVE_X' >src/x.c; }

check_layers() {
	grep_files '^src/core/' -E \
		'#[[:space:]]*include[[:space:]]*[<"](linux/kvm_host\.h|asm/kvm|linux/version|.*compat/)|KVMI_HAVE_|\bstruct kvm(_vcpu|_memory_slot|_memslots)?\b|kallsyms'
}
bad_layers() { mkdir -p src/core && echo 'int f(struct kvm *kvm);' >src/core/x.c; }

# What checkpatch would have otherwise, in the module:
#  IS_ENABLED_CONFIG  a probe's answer is asked like a CONFIG option
#  NEW_TYPEDEFS       compat/ names a type that is another structure on other kernels
IN_KERNEL=IS_ENABLED_CONFIG,NEW_TYPEDEFS
# in programs:
#  ARRAY_SIZE, PREFER_DEFINED_ATTRIBUTE_MACRO  the kernel's macros are not there
#  EMBEDDED_FUNCTION_NAME   words like "run" and "help" are names of functions as well
#  REPEATED_WORD            "enum level level", "mount -t proc proc"
#  BRACKET_SPACE            a macro that is one initializer
#  ENOSYS                   also what a program gets for a system call that is missing
#  STATIC_CONST_CHAR_ARRAY  execve(2) takes words that are not const
IN_PROGRAMS=ARRAY_SIZE,PREFER_DEFINED_ATTRIBUTE_MACRO,EMBEDDED_FUNCTION_NAME,REPEATED_WORD,BRACKET_SPACE,ENOSYS,STATIC_CONST_CHAR_ARRAY
# and in those that test:
#  VOLATILE         memory that a guest or a signal handler changes
#  AVOID_EXTERNS    functions in assembler and of ld --wrap
#  LEADING_SPACE    assembler, below its opening parenthesis
#  STRING_FRAGMENTS "\xff" "a", and a macro between two lines of assembler
#  COMPLEX_MACRO    a macro that is two initializers
#  NEW_TYPEDEFS     the kernel's types, for the core in user space
IN_TESTS=$IN_PROGRAMS,VOLATILE,AVOID_EXTERNS,LEADING_SPACE,STRING_FRAGMENTS,COMPLEX_MACRO,NEW_TYPEDEFS
find_checkpatch() {
	local f
	for f in "${CHECKPATCH:-}" "${KDIR:+$KDIR/scripts/checkpatch.pl}" /usr/src/linux-*/scripts/checkpatch.pl \
		"${KVMI_LAB_CACHE:-$HOME/.cache/kvmi-lab}"/linux-source-*/scripts/checkpatch.pl; do
		[ ! -f "$f" ] || { echo "$f"; return; }
	done
}
# style TYPES PATTERN: TYPES are ignored. A file takes about 300 ms.
style() {
	files "$2" | xargs -r -d '\n' -n 10 -P "$(nproc)" \
		perl "$script" --no-tree --no-summary --terse --show-types --quiet --ignore "$1" -f 2>&1 || true
}
check_checkpatch() {
	local script
	script=$(find_checkpatch)
	if [ -z "$script" ]; then
		echo "checkpatch.pl not found; unpack linux-source (lab/userland.sh does) or set CHECKPATCH"
		return
	fi
	style $IN_KERNEL '^(src|compat|include|selftests/modules)/.*\.[chS]$'
	style $IN_PROGRAMS '^(lib|tools)/.*\.[ch]$'
	style $IN_TESTS '^selftests/(abi|bench|kvm|tools|unit)/.*\.[ch]$'
}
bad_checkpatch() { mkdir src && printf '// SPDX-License-Identifier: GPL-2.0-only\nint f (int a)\n{\n    return(a) ;\n}\n' >src/x.c; }

# The module with W=1 and under sparse, against the headers of KDIR. Works on a copy: kbuild does so in place.
check_sparse() {
	local tmp rc=0
	[ -n "$KDIR" ] || { echo "no kernel headers to build against: give KDIR"; return; }
	command -v sparse >/dev/null || { echo "sparse is not installed"; return; }
	tmp=$(mktemp -d)
	files '^(src|compat|include)/|^Kbuild$' | xargs -r -d '\n' cp --parents -t "$tmp"
	{
		[ ! -e "$tmp/compat/probe.sh" ] || "$tmp/compat/probe.sh" -k "$KDIR" -o "$tmp/compat/generated"
		make -C "$KDIR" M="$tmp" -j"$(nproc)" W=1 C=2 CF=-Wsparse-error modules
	} >"$tmp/log" 2>&1 || rc=$?
	grep -E 'warning:|error:' "$tmp/log" | sed "s,$tmp/,," || [ $rc = 0 ] || tail -n 5 "$tmp/log"
	[ "$(grep -c '^  CHECK ' "$tmp/log")" != 0 ] || echo "sparse has looked at nothing"
	rm -rf "$tmp"
}
bad_sparse() {
	mkdir src && echo 'obj-m := src/x.o' >Kbuild
	printf '#include <linux/module.h>\nint f(int __user *p);\nint f(int __user *p)\n{\n\treturn *p;\n}\nMODULE_LICENSE("GPL");\n' >src/x.c
}

# Programs, whatever their name, and what is only sourced.
shells() {
	files '\.sh$'
	files | grep -v '\.sh$' | xargs -r -d '\n' awk 'FNR == 1 && /^#!.*[\/ ](ba|da)?sh( |$)/ { print FILENAME } { nextfile }'
}
check_shellcheck() {
	# style hints are a matter of taste; -P: sourced files are looked for beside the script
	shells | xargs -r -d '\n' shellcheck -x -P SCRIPTDIR -S info -f gcc 2>&1 || true
}
bad_shellcheck() { printf '#!/bin/sh\ncd %s1\n' '$' >x; }

check_man() { files '^man/.*\.[1-8]$' | xargs -r -d '\n' mandoc -Tlint -Wwarning 2>&1 || true; }
bad_man() { mkdir man && printf '.Dd today\n.Dt X 4\n.Os\n.Sh NAME\n.Nm x\n.Bl -bullet\n' >man/x.4; }

# VERSION is the only source of the version; whoever repeats it must agree.
check_version() {
	local v
	v=$(cat VERSION 2>/dev/null) || { echo "no file VERSION"; return; }
	[[ $v =~ ^[0-9]+\.[0-9]+\.[0-9]+(~[a-z0-9.]+)?$ ]] || echo "VERSION: '$v' is not a version"
	grep_files '(^|/)dkms\.conf$' -E '^PACKAGE_VERSION=' | grep -vE "=[\"']?(${v}[\"']?\$|.*[\$@])" || true
	grep_files '^src/.*\.[ch]$' -E 'MODULE_VERSION\("' | grep -vF "\"$v\"" || true
}
bad_version() { echo 1.2.3 >VERSION && echo 'PACKAGE_VERSION="1.2.4"' >dkms.conf; }

# The kernels that README.md and CHANGELOG.md call tested are those that make check tests, on these emulators,
# and the newest is the one up to which DKMS and kvmictl take a kernel for known. The versions change without
# us: make readme-matrix writes them.
check_matrix() {
	local newest
	KERNEL='' EMU='' lab/check.sh jobs | lab/readme-matrix.py || true
	newest=$(sed -n 's/^| \([0-9]*\.[0-9]*\)[^|]* (.*/\1/p' README.md | sort -V | tail -n 1)
	grep -qx "NEWEST=$newest" packaging/dkms-check.sh || echo "packaging/dkms-check.sh: NEWEST is not README.md's $newest"
}
bad_matrix() {
	cp -r "$TOP/lab" "$TOP/packaging" "$TOP/README.md" "$TOP/CHANGELOG.md" .
	sed -i '/^sid /s/qemu,/qemu,bochs-svm,/' lab/kernels.list
}

check_size() {
	files '\.(c|h|S|py)$' | while read -r f; do
		[ "$(wc -l <"$f")" -le 600 ] || echo "$f: $(wc -l <"$f") lines, more than 600"
	done
}
bad_size() { seq 601 >x.c; }

# No mirror's name and no path of the place where this was written.
check_places() {
	grep_files . -IE '(deb|security|ftp[.a-z]*|snapshot|archive|packages)\.(debian|ubuntu)\.(org|com)|debian\.org/debian|/work/(main|shared|\.)' |
		grep -vE "$own" || true
}
bad_places() { echo 'deb http://deb.debian.org/debian sid main' >x; }

# linux/kvmi.h against the published ABI, for 64-bit and 32-bit users
check_abi() {
	local bits
	for bits in 64 32; do
		"${CC:-cc}" -m$bits -std=gnu11 -Wall -Wextra -fsyntax-only -Iinclude/uapi selftests/abi/abi_test.c 2>&1 || true
	done
}
bad_abi() {
	mkdir -p include/uapi/linux selftests/abi
	cp "$TOP/selftests/abi/abi_test.c" selftests/abi
	# one field moved by a byte, nothing else changed
	sed 's/^\t__u8 enable;$/\t__u8 moved;\n&/' "$TOP/include/uapi/linux/kvmi.h" >include/uapi/linux/kvmi.h
}

# Every structure of the header is in the ABI test
check_abi_complete() {
	sed -n 's/^struct \([a-z_]*\) {$/\1/p' include/uapi/linux/kvmi.h | while read -r s; do
		grep -q "^SIZE($s," "$TOP/selftests/abi/abi_test.c" || echo "struct $s: no size in selftests/abi/abi_test.c"
		awk -v s="$s" '$0 == "struct " s " {" { on = 1; next } on && /^}/ { exit }
			on { sub(/(\[[^]]*\])?;.*/, ""); print $NF }' include/uapi/linux/kvmi.h | while read -r f; do
			grep -qE "^FIELD\($s, $f,|offsetof\(struct $s, $f\)" "$TOP/selftests/abi/abi_test.c" ||
				echo "struct $s: no offset of $f in selftests/abi/abi_test.c"
		done
	done
}
bad_abi_complete() {
	mkdir -p include/uapi/linux
	sed 's/^\t__u8 enable;$/&\n\t__u8 forgotten;/' "$TOP/include/uapi/linux/kvmi.h" >include/uapi/linux/kvmi.h
}

# The probes' own rules, which need no kernel
check_probes() { [ ! -x selftests/probes/run.sh ] || selftests/probes/run.sh -a | grep -v '^ok\|^1\.\.' || true; }
bad_probes() {
	cp -r "$TOP/compat" "$TOP/selftests" .
	printf '// SPDX-License-Identifier: GPL-2.0-only\n/* probe: UNUSED\n */\n' >compat/probes/unused.c
}

run_check() {
	local name=$1 dir
	dir=$(mktemp -d)
	is "$name: finds a bad sample" "$(cd "$dir" && "bad_$name" && [ -n "$("check_$name")" ] && echo found)" found
	rm -rf "$dir"
	is "$name" "$(cd "$TOP" && "check_$name")" ""
}

ONLY='' KDIR=''
while getopts o:h opt; do
	case $opt in
	o) ONLY=$OPTARG ;;
	h) usage; exit 0 ;;
	*) usage >&2; exit 2 ;;
	esac
done
shift $((OPTIND - 1))
KDIR=${1:-}
for tool in git perl shellcheck mandoc "${CC:-cc}"; do
	command -v "$tool" >/dev/null || { echo "lint.sh: $tool is missing: apt-get install git perl shellcheck mandoc gcc" >&2; exit 1; }
done
for name in ${ONLY:-$(checks)}; do run_check "$name"; done
finish
