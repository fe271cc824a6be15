# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Test results in TAP form. Sourced, never run.

TESTS=0 FAILED=0

# is NAME GOT EXPECTED
is() {
	TESTS=$((TESTS + 1))
	if [ "$2" = "$3" ]; then
		echo "ok $TESTS - $1"
		return 0
	fi
	FAILED=$((FAILED + 1))
	echo "not ok $TESTS - $1"
	printf '%s\n' "got: $2" "expected: $3" | sed 's/^/# /'
}

skip() {
	TESTS=$((TESTS + 1))
	echo "ok $TESTS - $1 # SKIP $2"
}

# nested OUTPUT: takes over the results of another TAP program
nested() {
	local line
	if ! grep -q '^1\.\.[1-9]' <<<"$1"; then
		printf '%s\n' "$1" | sed 's/^/# /'
		is "a nested test ran to its end" no yes
		return
	fi
	while IFS= read -r line; do
		case $line in
		"ok "*) TESTS=$((TESTS + 1)); echo "ok $TESTS -${line#* - }" | sed 's/ -/ - /' ;;
		"not ok "*) TESTS=$((TESTS + 1)) FAILED=$((FAILED + 1)); echo "not ok $TESTS -${line#* - }" | sed 's/ -/ - /' ;;
		"1.."*) ;;
		*) printf '%s\n' "$line" ;;
		esac
	done <<<"$1"
}

finish() {
	echo "1..$TESTS"
	[ "$FAILED" -eq 0 ] || { echo "# $FAILED of $TESTS failed"; exit 1; }
}
