#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# What building and testing need on Debian 12, installed once. Sourced by tests/run and tests/demo.
BUILD_PACKAGES=(gcc meson ninja-build pkg-config libxen-dev libevent-dev libsystemd-dev libjson-c-dev
	libcmocka-dev scdoc)
TEST_PACKAGES=(clang llvm clang-format jq socat git procps python3 python3-jsonschema
	qemu-system-x86)

install_packages()
{
	local missing=() package

	for package in "$@"; do
		dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' \
			|| missing+=("$package")
	done
	(( ${#missing[@]} )) || return 0
	echo "installing: ${missing[*]}"
	apt-get -qq update
	DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install \
		"${missing[@]}" >/dev/null
}
