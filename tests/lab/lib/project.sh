# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Builds the project for a release, in the cache's build root, with the source mounted read-only
# and a build folder of this clone, and installs it into a folder of its own.
# shellcheck shell=bash

# project_build RELEASE: once a process; LAB_BUILD/RELEASE/project.tar is the result.
project_build()
{
	local release=$1 dir=$LAB_BUILD/$1

	cache_get build "$release"
	mkdir -p "$dir/build"
	(
		flock 9
		project_compile "$CACHE_ENTRY/root" "$dir" >"$dir/build.log" 2>&1 || {
			tail -n 40 "$dir/build.log" >&2
			die "the project does not build on $release, see $dir/build.log"
		}
		tar -C "$dir/build/install" --owner=0 --group=0 -cf "$dir/project.tar.new" .
		mv "$dir/project.tar.new" "$dir/project.tar"
	) 9>"$dir/lock"
}

project_compile()
{
	# shellcheck disable=SC2016
	LAB_BINDS="$SRC_DIR:/src:ro $2/build:/build" in_root "$1" bash -euc '
		cd /build
		if [[ ! -e b/build.ninja ]]; then
			rm -rf b
			meson setup --prefix=/usr --sysconfdir=/etc --localstatedir=/var \
				--libexecdir=/usr/libexec --buildtype=debugoptimized b /src
		fi
		meson compile -C b
		rm -rf install
		mkdir install
		DESTDIR=/build/install meson install -C b --no-rebuild --quiet
		if [[ -x b/tests/lab/mkdom ]]; then
			install -D b/tests/lab/mkdom install/usr/local/bin/mkdom
		fi
		for program in peer xs-ask vchan-direct slowclock.so; do
			if [[ -x b/tests/lab/$program ]]; then
				install -D b/tests/lab/$program install/usr/local/lib/xendmd-lab/$program
			fi
		done
	'
}

project_tar()
{
	cp "$LAB_BUILD/$1/project.tar" "$2"
}
