/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Does a QEMU command line ask for a VNC password? VNC's is made with DES, which not every QEMU
 * has: such a one exits, and only after it said that it runs. Pure; qemu-options(7), -vnc. */
#include <stdbool.h>

#include "lib/strv.h"

/* The binary, and its reason. */
#define VNCPASS_CANNOT                                                                             \
	"its command line asks for a VNC password, which %s can't do (%s); leave the password "    \
	"out "                                                                                     \
	"and let VNC listen on 127.0.0.1 alone, or name a \"binary\" that can"

bool vncpass_wanted(const struct strv *argv);
