/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The consoles by which libxl gives and takes the state of devices: bytes, no text. */

/* PATH with FLAGS, raw from its first byte on. The process becomes the only one that runs until it
 * waits. -1 and errno. */
int console_open(const char *path, int flags);
/* From the console IN to OUT, until OUT's reader has left; it never ends by itself. 0, or 1 after
 * more than CONSOLE_STATE_MAX bytes, and on an error, which is told. */
int console_copy(int in, int out);

#define CONSOLE_STATE_MAX (64 << 20)
