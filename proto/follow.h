/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What QEMU tells of itself once it is ready, as the xenstore nodes that clients look for
 * (reference/libxl.md 3.6, 10): `xl console -t serial` reads serial/N/tty, `xl vncviewer`
 * console/vnc-listen and vnc-port. Pure; the replies are a peer's that a guest may have taken over.
 *
 * A node is "KEY=VALUE", KEY below /local/domain/G. A bare "KEY" is one whose value is secret.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "lib/err.h"
#include "lib/strv.h"
#include "proto/xenlayout.h"

#define FOLLOW_PASSWORD_KEY "console/vnc-pass"

/* The "return" of query-chardev -> "serial/N/tty=/dev/pts/M" for each serial port N on a
 * pseudo-terminal. PTYS are those whose master the device model has open: any other is refused,
 * lest a client be led to somebody else's terminal. -EBADMSG with a sentence for the first entry
 * that is wrong; those that are right are in RET all the same. */
int follow_serials(struct json_object *body, const unsigned *ptys, size_t ptys_len,
	struct strv *ret, struct err *err);

/* The "return" of query-vnc -> "console/vnc-listen=HOST", "console/vnc-port=PORT"; nothing when
 * there is no VNC server or it listens on no TCP port. -EBADMSG as above, RET is untouched then. */
int follow_vnc(struct json_object *body, struct strv *ret, struct err *err);

/* A command to be sent, {"execute": NAME, "arguments": {…}}: its name, NULL when STEP is no such
 * thing; RET_ARGUMENTS may become NULL. Both are borrowed. */
const char *follow_step(struct json_object *step, struct json_object **ret_arguments);

/* What else STEP needs to succeed, for its failure's sentence; NULL: nothing. Static. */
const char *follow_hint(struct json_object *step);

/* The VNC password that STEP sets, for the node that clients read it from; else NULL. Borrowed. */
const char *follow_password(struct json_object *step);

/* NODE's path in DOMID's tree, and its value: NULL for a secret one. Borrowed from NODE. */
const char *follow_node(const char *node, uint32_t domid, char ret_path[XENLAYOUT_PATH_MAX]);
