/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * xendmd.json(5): every key has a default, so an empty object and a missing file are fine. Unknown
 * keys and wrong values are errors with file, line and key.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/definition.h"
#include "lib/err.h"

#define CONFIG_FALLBACK_FAIL "fail" /* the domain's creation */
#define CONFIG_FALLBACK_RUN "run"   /* QEMU, or Xen's own proxy, without the daemon */

struct config {
	char *default_binary, *libexec_dir, *firmware_dir, *script_dir;
	char *handoff_fallback; /* CONFIG_FALLBACK_*: dm-handoff, when the daemon is away */
	char *proxy_fallback;	/* the same of vchan-socket-proxy */
	struct definition_limits limits; /* defaults of a definition's limits */
	unsigned quit_timeout_s, term_timeout_s, kill_timeout_s; /* the rungs of a stop */
	unsigned name_timeout_s;	   /* how long a new domain may stay without a name */
	unsigned toolstack_stop_timeout_s; /* contract section 3: 60 */
	unsigned starts_at_once;
	unsigned handoff_timeout_s; /* of both: how long the daemon may take to accept */
	unsigned restarts_max, restart_delay_ms, restart_window_s; /* on_exit "restart" */
	unsigned control_clients, control_message_kib, control_queue_kib;
	unsigned control_idle_timeout_ms; /* a message that stays half sent for so long */
	unsigned exits_kept, events_kept;
	unsigned qmp_heartbeat_s; /* 0: none */
	unsigned xenstore_timeout_ms, qmp_timeout_ms;
	/* Each is a key of the same name: a line in lib/config.c, conf/xendmd.json.in and
	 * xendmd.json(5). */
};

void config_defaults(struct config *config); /* never fails; strings NULL only when out of memory */
int config_parse(
	struct config *ret, const char *file, const char *text, size_t len, struct err *err);
/* A missing file gives the defaults. */
int config_load(struct config *ret, const char *path, struct err *err);
void config_fini(struct config *config);
/* A key that only xendmd.json has ("limits" is also a definition's). */
bool config_has_key(const char *key);
unsigned config_key_count(void); /* of those */

/* Where things are, after XENDMD_RUNDIR, _CONFDIR, _STATEDIR, _LOGDIR, _XENRUNDIR (contract section
 * 2) and, for our own helper programs, _LIBEXECDIR. */
struct paths {
	const char *run_dir;	 /* /run/xendmd */
	const char *conf_dir;	 /* /etc/xendmd */
	const char *state_dir;	 /* /var/lib/xendmd */
	const char *log_dir;	 /* /var/log/xen */
	const char *xen_run_dir; /* /var/run/xen */
	const char *helper_dir;	 /* /usr/libexec/xendmd: dm-launch, log-trim, dom-destroy */
};
void paths_init(struct paths *paths); /* borrowed from the environment or static */
