/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A waiting client of the control socket, for dmctl. What goes wrong is told on stderr; the results
 * are exit statuses (ctl.h).
 */
#include <stdbool.h>

#include <json-c/json.h>

struct ctl_options;

#define CTL_SERVICE "org.varlink.service"
#define CTL_TIMEOUT_MS 30000 /* for an answer that needs no device model's help */
#define CTL_NO_TIMEOUT (-1)

/* One call of METHOD ("List" or a full name), one answer. PARAMETERS are taken over. RET (may be
 * NULL) is the caller's; never NULL on success. */
int ctl_call(const struct ctl_options *options, const char *method, struct json_object *parameters,
	int timeout_ms, struct json_object **ret);

/* The same with descriptors (borrowed, at most PASSFD_MAX). */
int ctl_call_with_fds(const struct ctl_options *options, const char *method,
	struct json_object *parameters, const int *fds, unsigned fds_len, int timeout_ms,
	struct json_object **ret);

/* A call with "more". FN gets each answer's parameters (borrowed) until there are no more. */
int ctl_stream(const struct ctl_options *options, const char *method,
	struct json_object *parameters, void (*fn)(void *ctx, struct json_object *parameters),
	void *ctx);
/* The same with descriptors. */
int ctl_stream_with_fds(const struct ctl_options *options, const char *method,
	struct json_object *parameters, const int *fds, unsigned fds_len,
	void (*fn)(void *ctx, struct json_object *parameters), void *ctx);
