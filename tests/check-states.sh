#!/bin/sh
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# Usage: check-states.sh PRINT-STATES DOCUMENT. Fails when the document is not what the table prints.
"$1" | diff -u "$2" - && exit 0
echo "print it again: build/tests/print-states > docs/states.md"
exit 1
