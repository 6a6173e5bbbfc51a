#!/bin/sh
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# replay-corpus.sh NAME COMMAND [ARG...]: replays a corpus with its own replay.py, from
# $XENDMD_CORPUS, else ../shared/corpus beside the source tree, else the copy in tests/corpus.
set -eu
name=$1
shift
root=$(cd "$(dirname "$0")/.." && pwd)
for dir in ${XENDMD_CORPUS:+"$XENDMD_CORPUS"} "$root/../shared/corpus" "$root/tests/corpus"; do
	if [ -e "$dir/$name/cases.jsonl" ]; then
		echo "replaying $dir/$name"
		exec python3 -B "$dir/$name/replay.py" "$dir/$name/cases.jsonl" "$@"
	fi
done
echo "no corpus $name in ${XENDMD_CORPUS:-\$XENDMD_CORPUS}, $root/../shared/corpus, $root/tests/corpus" >&2
exit 1
