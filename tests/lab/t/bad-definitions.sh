#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: long timeout=300
#
# Definitions that are wrong: file, line and key are named by check, reload and the journal alike,
# the others go on working, and a domain that means a wrong one says why it has no device model.
. "$(dirname "$0")/lib.sh"

declare -A WANTED	# file name -> what its message contains

# bad NAME MESSAGE…: a file from standard input, of which all MESSAGEs are said.
bad()
{
	local name=$1

	shift
	cat >"$DOMAINS_D/$name.json"
	CREATED_DEFINITIONS+=("$DOMAINS_D/$name.json")
	WANTED[$name]=$(printf '%s\n' "$@")
}

make_bad_texts()
{
	bad unknown-key ':3: ' colour 'unknown' <<-END
		{ "match": { "name": "x1" }, "kind": "qemu",
		  "argv": [ "-S" ],
		  "colour": "red" }
	END
	bad unknown-inner ':2: ' limits.fuel <<-END
		{ "match": { "name": "x2" }, "kind": "qemu",
		  "limits": { "fuel": 3 }, "argv": [ "-S" ] }
	END
	bad wrong-type ':2: ' 'argv' 'array' <<-END
		{ "match": { "name": "x3" }, "kind": "qemu",
		  "argv": "-S" }
	END
	bad twice ':2: ' 'on_exit' <<-END
		{ "match": { "name": "x4" }, "kind": "qemu", "on_exit": "pause",
		  "on_exit": "destroy", "argv": [ "-S" ] }
	END
	bad utf8 ':2: ' 'UTF-8' < <(printf '{ "match": { "name": "x5" }, "kind": "qemu",\n"argv": [ "a\xff\xfe" ] }\n')
	bad cut-off ':2: ' 'ends' <<<'{ "match": { "name": "x6" }, "kind": "qemu"'
	bad placeholder 'argv[1]' 'NOSUCH' <<<'{ "match": { "name": "x7" }, "kind": "qemu", "argv": [ "-S", "$NOSUCH" ] }'
	bad no-match 'match' <<<'{ "kind": "qemu", "argv": [ "-S" ] }'
	bad empty ':1' </dev/null
	bad huge '1048576' < <(head -c 3000000 /dev/zero | tr '\0' ' ')
	bad deep ':1: ' < <(head -c 100000 /dev/zero | tr '\0' '[')
}

make_bad_files()
{
	local name

	mkdir "$DOMAINS_D/folder.json"
	ln -s /nonexistent/web.json "$DOMAINS_D/dangling.json"
	ln -s loop.json "$DOMAINS_D/loop.json"
	mkfifo "$DOMAINS_D/pipe.json"
	ln -s /dev/zero "$DOMAINS_D/device.json"
	WANTED[folder]="s a directory"
	WANTED[dangling]="/nonexistent/web.json"
	WANTED[loop]="symbolic links"
	WANTED[pipe]="is not a regular file"
	WANTED[device]="is not a regular file"
	for name in folder dangling loop pipe device; do
		CREATED_DEFINITIONS+=("$DOMAINS_D/$name.json")
	done
}

# said FILE NAME: what is wanted of NAME stands in one line of FILE that names the definition.
said()
{
	local line word found=0

	while read -r line; do
		[[ $line == *"$DOMAINS_D/$2.json"* ]] || continue
		found=1
		while read -r word; do
			[[ $line == *"$word"* ]] || fail "$1: no \"$word\" in: $line"
		done <<<"${WANTED[$2]}"
	done <"$1"
	(( found )) || fail "$1: not a word of $2.json: $(<"$1")"
}

# check reads pipes and devices, as any program that is given one ("check <(…)").
in_check_reload_journal()
{
	local name files=()

	for name in "${!WANTED[@]}"; do
		[[ $name == pipe || $name == device ]] || files+=("$DOMAINS_D/$name.json")
	done
	timeout 60 dmctl check "${files[@]}" >check.out 2>&1
	expect "exit status of check" $? 1
	journalctl -u xendmd -n 0 --show-cursor | sed -n 's/^-- cursor: //p' >cursor
	timeout 60 dmctl reload >reload.out 2>&1 || true
	journalctl --sync
	journalctl -u xendmd --after-cursor "$(<cursor)" -o cat >journal.out
	for name in "${!WANTED[@]}"; do
		[[ $name == pipe || $name == device ]] || said check.out "$name"
		said reload.out "$name"
		said journal.out "$name"
	done
	dmctl events --json | jq -s -e --argjson n "${#WANTED[@]}" \
		'map(select(.event == "configuration-reloaded")) | last | .errors == $n' >/dev/null \
		|| fail "the event does not count ${#WANTED[@]} errors"
}

good_one_works_beside()
{
	qemu_definition good >"$DOMAINS_D/good.json"
	CREATED_DEFINITIONS+=("$DOMAINS_D/good.json")
	dmctl reload >/dev/null 2>&1
	mkdom_create good
	wait_state "$DOMID" running 60
	mkdom_destroy "$DOMID"
}

all_repaired()
{
	local name

	for name in "${!WANTED[@]}"; do
		rm -rf "$DOMAINS_D/$name.json"
	done
	dmctl reload 2>&1 | grep -F "$DOMAINS_D" && fail "still complaints"
	dmctl reload >/dev/null || fail "reload"
}

# reason_has DOMID TEXT…
reason_has()
{
	local reason text

	reason=$(dm_field "$1" reason)
	shift
	for text in "$@"; do
		[[ $reason == *"$text"* ]] || fail "no \"$text\" in the reason: $reason"
	done
}

conflict()
{
	qemu_definition both | define one
	qemu_definition both | define two
	mkdom_create both
	wait_state "$DOMID" failed
	reason_has "$DOMID" "$DOMAINS_D/one.json" "$DOMAINS_D/two.json"
	dmctl start "$DOMID" 2>start.err && fail "started with two definitions"
	grep -q "two.json" start.err || fail "start does not say why: $(<start.err)"
	no_qemu "$DOMID" || fail "a QEMU runs"
	undefine one
	wait_state "$DOMID" running 60
	expect source "$(dm_field "$DOMID" source)" "definition:$DOMAINS_D/two.json"
	mkdom_destroy "$DOMID"
	undefine two
}

# What is right and can't be started yet: by itself, on demand, and for check.
unsupported()
{
	local key source

	mkdom_create odd
	for key in confinement stubdom-linux stubdom-minios; do
		case $key in
		confinement) source='"kind": "qemu", "argv": [ ], "confinement": { }' ;;
		*) source='"kind": "'$key'"' ;;
		esac
		echo "{ \"match\": { \"name\": \"odd\" }, $source }" >"$key.json"
		dmctl start "$DOMID" --definition "$key.json" 2>start.err && fail "$key started"
		[[ $(<start.err) == *"${key%%-*}"* ]] || fail "start does not name $key: $(<start.err)"
	done
	dmctl check confinement.json stubdom-linux.json stubdom-minios.json >check.out 2>&1
	for key in confinement stubdom-linux stubdom-minios; do
		[[ $(<check.out) == *"$key.json"*"${key%%-*}"* ]] || fail "check about $key: $(<check.out)"
	done
	define odd <stubdom-minios.json
	wait_state "$DOMID" failed
	reason_has "$DOMID" stubdom-minios
	mkdom_destroy "$DOMID"
	undefine odd
}

mkdir -p "$DOMAINS_D"
snapshot before
make_bad_texts
make_bad_files
in_check_reload_journal
good_one_works_beside
all_repaired
conflict
unsupported
snapshot_same before 30
