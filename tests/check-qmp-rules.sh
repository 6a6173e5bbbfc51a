#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# check-qmp-rules.sh SOURCE: every rule that docs/qmp.md lists has a test of its name: a function
# test_…_f1_… of tests/test_qmp*.c that is run, or a step "F1: …" of a black-box test. Prints which.
cd "$1" || exit 1
RULES=(F1 F2 F3 F4 F5 F6 F7 S1 S2 S3 S4 S5 S6 P1 P2 P3 P4 P5 P6 P7 P8 R1 R2 R3 R4)
FAILED=0

# The document's table has them all, and none else.
LISTED=$(grep -E '^\| [FSPR][0-9]' docs/qmp.md | cut -d'|' -f2 | grep -oE '[FSPR][0-9]' | sort)
if [[ $LISTED != "$(printf '%s\n' "${RULES[@]}" | sort)" ]]; then
	diff <(printf '%s\n' "${RULES[@]}" | sort) <(echo "$LISTED")
	echo 'the rules of docs/qmp.md are others'
	FAILED=1
fi
RUN=$(grep -hoE 'cmocka_unit_test\(test_\w+\)' tests/test_qmp*.c | grep -oE 'test_\w+\b' | grep -v '^test_qmp$')
for rule in "${RULES[@]}"; do
	tests=$(grep -E "_${rule,}(_|\$)" <<<"$RUN"
		grep -lE "^step '([A-Z][0-9], )*${rule}[:,]" tests/blackbox/*.sh)
	printf '%s  %s\n' "$rule" "$(tr '\n' ' ' <<<"$tests")"
	if [[ -z $tests ]]; then
		echo "no test has the name of rule $rule"
		FAILED=1
	fi
done
exit $FAILED
