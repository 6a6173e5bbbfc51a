#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# Which definition speaks of a domain, and definitions that are broken.
. "$(dirname "$0")/lib.sh"
world_start
U=aaaaaaaa-bbbb-cccc-dddd-000000000001
source_of() { field "$1" source | sed "s,^definition:$W/,,"; }
# given DOMAIN FILE: its device model runs and came from it
given()
{
	wait_state "$1" running
	[[ $(source_of "$1") == "$2" ]] || fail "$1 was started from $(source_of "$1"), not $2"
}

step 'the most specific match wins: domid, uuid, name, glob'
def a-glob 'web-*' ''
def b-name web-1 ''
def c-uuid - '' "{\"match\": {\"uuid\": \"$U\"}}"
def d-domid - '' '{"match": {"domid": 77}}'
create web-1 --uuid $U --domid 77
given 77 etc/domains.d/d-domid.json
destroy 77
create web-1 --uuid $U
given "$D" etc/domains.d/c-uuid.json
destroy "$D"
create web-1
given "$D" etc/domains.d/b-name.json
destroy "$D"
create web-2
given "$D" etc/domains.d/a-glob.json
destroy "$D"
create web-1--incoming
given "$D" etc/domains.d/b-name.json
destroy "$D"

step '/run before /etc, within a rank only'
text web-1 '' >"$W/run/domains.d/x.json"
text 'web-*' '' >"$W/run/domains.d/y.json"
dmctl reload >/dev/null
create web-1
given "$D" run/domains.d/x.json
destroy "$D"
create web-3
given "$D" run/domains.d/y.json
destroy "$D"
rm "$W"/run/domains.d/*
wait_until 'definitions are read again' eval '[[ $(dmctl reload | grep -c "4 definitions") == 1 ]]'

step 'two definitions for one domain: neither, and both are named'
def e-name web-1 ''
create web-1
reached "$D" failed 'b-name.json.*e-name.json|e-name.json.*b-name.json'
expect "$D" '.pid == null and .kind == null'
sequence "$D" domain-appeared device-model-failed
must_fail 1 dmctl start "$D"
has "$W/err" 'e-name.json'
rm "$W/etc/domains.d/e-name.json" # inotify tells
given "$D" etc/domains.d/b-name.json
destroy "$D"

step 'a definition dropped later, by a toolstack, without a reload'
create later
wait_state "$D" unmanaged
text later '' >"$W/tmp.json"
mv "$W/tmp.json" "$W/run/domains.d/later.json"
given "$D" run/domains.d/later.json
step 'a running device model does not care about its definition any more'
rm "$W/run/domains.d/later.json"
dmctl reload >/dev/null
expect "$D" '.state == "running" and (.source | test("run/domains.d/later.json"))'
destroy "$D"

step 'broken definitions: told with file, line and key; the others go on'
B=$W/etc/domains.d
printf '{\n "match": {"name": "x1"},\n "kind": "qemu",\n "argv": [],\n "colour": "red"\n}\n' >"$B/unknown.json"
printf '{\n "match": {"name": "x2"},\n "kind": "qemu",\n "argv": "-m 1"\n}\n' >"$B/type.json"
printf '{\n "match": {"name": "x3"},\n "kind": "qemu",\n "argv": [],\n "kind": "none"\n}\n' >"$B/twice.json"
printf '{\n "match": {"name": "x4\377"},\n "kind": "qemu", "argv": []}\n' >"$B/utf8.json"
printf '{"match": {"name": "x5"}, "kind": "qemu", "argv": [' >"$B/cut.json"
{ printf '{"match": {"name": "x6"}, "kind": "qemu", "argv": ["'; head -c 2000000 /dev/zero | tr '\0' a; printf '"]}'; } >"$B/huge.json"
printf '{"match": {"name": "x7"}, "kind": "qemu", "binary": "q", "argv": ["%s"], "limits": {"start_timeout_s": -1}}' a >"$B/range.json"
mkdir "$B/directory.json"
ln -s "$W/nowhere" "$B/dangling.json"
mkfifo "$B/fifo.json"
: >"$B/empty.json"
printf 'not for us' >"$B/README"
mark
dmctl reload >"$W/out" 2>"$W/err"
[[ $? == 0 || $? == 1 ]] || fail 'reload'
cat "$W/err" >>"$W/out"
for line in 'unknown.json:5: colour' 'type.json:4: argv' 'twice.json:5: kind' 'utf8.json' 'cut.json:1' \
	'huge.json.*(large|bytes|limit)' 'range.json:1: .*start_timeout_s' 'directory.json' \
	'dangling.json: is a link to .*nowhere' 'fifo.json' 'empty.json'; do
	has "$W/out" "$line"
	said "$line" || fail "the log does not say \"$line\""
done
hasnt "$W/out" README
create web-1
given "$D" etc/domains.d/b-name.json
create x1
wait_state "$D" unmanaged
must_fail 1 dmctl check "$B/unknown.json"
has "$W/out" 'unknown.json:5: colour'

step 'one that root can not read either'
rm -rf "$B"/{unknown,type,twice,utf8,cut,huge,range,directory,dangling,fifo,empty}.json
ln -s loop.json "$B/loop.json"
dmctl reload >"$W/out" 2>"$W/err"
cat "$W/err" >>"$W/out"
has "$W/out" 'loop.json.*symbolic links'
rm "$B/loop.json"
must dmctl reload
hasnt "$W/out" 'etc/domains.d'

step 'a configuration that is broken leaves the old one in force'
printf '{"starts_at_once": "many"}' >"$W/etc/xendmd.json"
dmctl reload >"$W/out" 2>"$W/err"
cat "$W/err" >>"$W/out"
has "$W/out" 'xendmd.json:1: starts_at_once'
must_fail 1 "$DAEMON" --check-config
has "$W/err" 'xendmd.json:1: starts_at_once'
config '{}'
must dmctl reload
must "$DAEMON" --check-config
must_fail 1 "$DAEMON" --config "$W/etc"
world_end
