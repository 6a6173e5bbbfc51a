#!/bin/sh
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# Dependencies point one way: lib <- proto <- daemon. Fails on an include that points back, on Xen
# headers outside the four modules that may have them, on libevent outside daemon/loop.c.
set -eu
cd "${1:-$(dirname "$0")/..}"
bad=0
refuse() {
	if out=$(grep -rnE "$2" $3 --include='*.[ch]' | grep -vE "$4"); then
		printf '%s:\n%s\n' "$1" "$out"
		bad=1
	fi
}
refuse 'lib/ includes proto/ or daemon/' '#include "(proto|daemon)/' lib '^$'
refuse 'proto/ includes daemon/' '#include "daemon/' proto '^$'
refuse 'Xen headers outside lib/{xs,vchan,toolstack,ring}' '#include <xen' 'lib proto daemon' '^lib/(xs|vchan|toolstack|ring)'
refuse 'libevent outside daemon/loop.c' '#include <event' 'lib proto daemon' '^daemon/loop\.c'
refuse 'an include without its layer' '#include "[^/"]+"' 'lib proto daemon' '#include "config\.h"'
# In lib/ that name is lib/config.h, and its constants would silently be missing.
refuse 'lib/ takes the build constants from "lib/build.h"' '#include "config\.h"' lib '^$'
exit $bad
