#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# What building and testing need on Debian 12, installed once. Sourced by tests/run and the lab.
# shellcheck shell=bash
# Also the lab's, in the root where it builds for a release.
BUILD_PACKAGES=(
	gcc libc6-dev meson ninja-build pkg-config libxen-dev libevent-dev libsystemd-dev
	libjson-c-dev libcmocka-dev scdoc
)
TEST_PACKAGES=(clang llvm clang-format jq socat git procps python3 python3-jsonschema
	qemu-system-x86)
PACKAGES_LOCK=/var/lock/xendmd-test-packages

# install_packages NAME…: those that are missing. tests/run and labs beside it take turns, and
# somebody else's apt-get is waited for.
install_packages()
{
	local missing=() package

	for package in "$@"; do
		dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' \
			|| missing+=("$package")
	done
	(( ${#missing[@]} )) || return 0
	echo "installing: ${missing[*]}"
	(
		flock 9
		packages_update && DEBIAN_FRONTEND=noninteractive timeout 1200 apt-get -qq -y \
			-o DPkg::Lock::Timeout=600 --no-install-recommends install "${missing[@]}" >/dev/null
	) 9>"$PACKAGES_LOCK"
}

# DPkg::Lock::Timeout is not for the lists, so the wait is ours.
packages_update()
{
	local try

	for try in {1..60}; do
		timeout 300 apt-get -qq update && return
		sleep 5
	done
	echo "apt-get update failed $try times" >&2
	return 1
}
