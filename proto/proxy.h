/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What vchan-socket-proxy tells the daemon (method ProxyVchan, internal), and what the daemon keeps
 * of it over its own restarts. Beside the call come the listening socket, where its path is not
 * told, and last a pidfd of the helper's parent. Pure; both sides use the same checks.
 */
#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

#include "lib/err.h"

#define PROXY_PROGRAM "vchan-socket-proxy"
#define PROXY_DEADLINE_S 90  /* how long a helper stays at most; libxl waits 60 s */
#define PROXY_SOCKET_MAX 107 /* sun_path without its NUL */
#define PROXY_STATE_MAX 255  /* of a node in xenstore */
#define PROXY_RECORD "proxy.json"

struct proxy_request {
	uint32_t stub, guest;
	char *socket;	  /* absolute; NULL: a listening socket comes with the call */
	char *state_path; /* "running" is written there; NULL: nowhere */
};

void proxy_request_fini(struct proxy_request *request);

/* The guest whose device model NODE belongs to: "/local/domain/STUB/device-model/G/qmp-vchan", as
 * libxl calls it. -EINVAL for every other spelling. */
int proxy_parse_node(const char *node, uint32_t stub, uint32_t *ret_guest, struct err *err);
/* RET has PROXY_NODE_MAX bytes, NUL included: libxenvchan takes no longer ones. */
#define PROXY_NODE_MAX 50
void proxy_node(uint32_t stub, uint32_t guest, char ret[PROXY_NODE_MAX]);
/* Numbers, sizes, forms. -EINVAL. */
int proxy_check(const struct proxy_request *request, struct err *err);

/* The method's parameters; the caller's. NULL: out of memory. */
struct json_object *proxy_encode(const struct proxy_request *request);
/* RECEIVED descriptors came with PARAMETERS (may be NULL). -EINVAL, -ENOMEM. */
int proxy_decode(struct json_object *parameters, unsigned received, struct proxy_request *ret,
	struct err *err);

/* A proxy that a daemon owns, kept as PROXY_RECORD in its guest's run directory. */
struct proxy_record {
	char boot_id[37];
	uint8_t guest_uuid[16], stub_uuid[16];
	struct proxy_request request; /* with the path of the socket in any case */
	int helper;		      /* the helper's, while its toolstack waits; 0: none */
	bool named; /* image/qmp-proxy-pid was seen to name the helper, and named the daemon */
};

void proxy_record_fini(struct proxy_record *record);
/* Text; the caller's. NULL: out of memory. */
char *proxy_record_encode(const struct proxy_record *record);
/* -EBADMSG, -ENOMEM. */
int proxy_record_decode(const char *text, size_t len, struct proxy_record *ret, struct err *err);
