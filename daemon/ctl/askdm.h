/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A device model's program is asked by dm-ask, as the daemon does. */
#include <stddef.h>

#define ASKDM_DEADLINE_MS 45000

/* dm-ask's exit status for QUESTION, and the first line that it wrote in TEXT; -1 and "": it could
 * not be asked. Waits for the answer. */
int askdm(const char *question, const char *binary, char *text, size_t size);
