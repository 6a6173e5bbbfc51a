#!/bin/sh
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# Installs the default configuration FILE as TARGET, unless there is one: an administrator's is kept.
set -eu
target="${DESTDIR:-}$2"
if [ -e "$target" ] || [ -L "$target" ]; then
	echo "Keeping $target"
elif [ -z "${MESON_INSTALL_DRY_RUN:-}" ]; then
	mkdir -p "$(dirname "$target")"
	install -m 644 "$1" "$target"
	echo "Installing $1 as $target"
fi
