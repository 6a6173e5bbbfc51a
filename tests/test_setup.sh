#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# xendmd-setup with dpkg (the real one, on a database of its own) and without: what it puts in place
# works any number of times and is taken away without a trace.
set -u
setup=$1
W=$(mktemp -d /tmp/xs.XXXXXX)
trap 'rm -rf "$W"' EXIT
export XENDMD_BINDIR=$W/bin
place=$XENDMD_BINDIR/vchan-socket-proxy

fail() { echo "FAILED (line ${BASH_LINENO[*]}): $*"; exit 1; }
must() { "$@" >"$W/out" 2>&1 || fail "$* exits $?: $(cat "$W/out")"; }
must_fail()
{
	local status want=$1
	shift
	"$@" >"$W/out" 2>&1
	status=$?
	[[ $status == "$want" && -s $W/out ]] || fail "$* exits $status: $(cat "$W/out")"
}
# Type, link, mode and inode of each, and what dpkg knows.
picture() { (cd "$XENDMD_BINDIR" && find . -printf '%P %y %l %m %i\n' | sort); sort "$W/dpkg/diversions" 2>/dev/null; }
same() { [[ $(picture) == "$1" ]] || fail "not as it was: $(diff <(echo "$1") <(picture))"; }

ours=$(sed -n 's/^ours=\(.*\)\/\$name/\1/p' "$setup")/vchan-socket-proxy
sed "s,^ours=.*,ours=$W/libexec/\$name," "$setup" >"$W/xendmd-setup"
chmod +x "$W/xendmd-setup"
[[ $ours == /*/xendmd/vchan-socket-proxy ]] || fail "the path of ours: $ours"
setup=$W/xendmd-setup ours=$W/libexec/vchan-socket-proxy
mkdir -p "$W/libexec" "$W/bin" "$W/dpkg"
: >"$ours"
chmod 755 "$ours"

round()
{
	local before
	before=$(picture)
	must "$setup" proxy enable
	[[ $(readlink "$place") == "$ours" ]] || fail "$place is $(ls -l "$place")"
	must "$setup" proxy enable
	[[ -z ${1:-} || $(cat "$place.distrib") == original ]] || fail 'the original is not aside'
	must "$setup" proxy disable
	same "$before"
	must "$setup" proxy disable
	same "$before"
}

for divert in none "dpkg-divert --admindir $W/dpkg"; do
	command -v "${divert%% *}" >/dev/null || [[ $divert == none ]] || { echo "no dpkg-divert here"; continue; }
	export XENDMD_DPKG_DIVERT=$divert
	: >"$W/dpkg/diversions"
	rm -f "$W"/bin/*
	round # a host without Xen's
	ln -s ../lib/wrapper "$place" # as on Debian, and dangling
	mkdir -p "$W/lib"
	round
	echo original >"$W/lib/wrapper"
	round file
	rm "$place"
	echo original >"$place"
	chmod 750 "$place"
	round file
	# cut off in the middle
	must "$setup" proxy enable
	rm "$place"
	must "$setup" proxy disable
	[[ $(cat "$place") == original ]] || fail 'not put back'
	# somebody else's in our place
	must "$setup" proxy enable
	rm "$place"
	echo other >"$place"
	must_fail 1 "$setup" proxy enable
	must_fail 1 "$setup" proxy disable
	[[ $(cat "$place") == other && $(cat "$place.distrib") == original ]] || fail 'somebody elses file is gone'
	rm "$place"
	must "$setup" proxy disable
	[[ $(cat "$place") == original ]] || fail 'not put back'
	mv "$ours" "$ours.gone"
	before=$(picture)
	must_fail 1 "$setup" proxy enable
	same "$before"
	mv "$ours.gone" "$ours"
done
for arguments in '' proxy 'proxy on' 'other enable' 'proxy enable now'; do
	must_fail 2 "$setup" $arguments
done
echo ok
