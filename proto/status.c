/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/status.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"

static const char *const kind_names[_DM_KIND_MAX] = {
	[DM_KIND_QEMU] = "qemu",
	[DM_KIND_STUBDOM_LINUX] = "stubdom-linux",
	[DM_KIND_STUBDOM_MINIOS] = "stubdom-minios",
	[DM_KIND_NONE] = "none",
	[DM_KIND_FOREIGN] = "foreign",
};

static const char *const state_names[_DM_STATE_MAX] = {
	[DM_WAITING] = "waiting",
	[DM_STARTING] = "starting",
	[DM_RUNNING] = "running",
	[DM_STOPPING] = "stopping",
	[DM_EXITED] = "exited",
	[DM_FAILED] = "failed",
	[DM_LOST] = "lost",
	[DM_UNMANAGED] = "unmanaged",
};

const char *dm_kind_name(enum dm_kind kind)
{
	return kind < _DM_KIND_MAX ? kind_names[kind] : NULL;
}

const char *dm_state_name(enum dm_state state)
{
	return state < _DM_STATE_MAX ? state_names[state] : NULL;
}

static int find_name(const char *const *names, int len, const char *text)
{
	for (int i = 0; i < len; i++) {
		if (names[i] && !strcmp(names[i], text)) {
			return i;
		}
	}
	return -EINVAL;
}

int dm_kind_parse(const char *text, enum dm_kind *ret)
{
	int i = find_name(kind_names, _DM_KIND_MAX, text);

	if (i < 0) {
		return i;
	}
	*ret = i;
	return 0;
}

int dm_state_parse(const char *text, enum dm_state *ret)
{
	int i = find_name(state_names, _DM_STATE_MAX, text);

	if (i < 0) {
		return i;
	}
	*ret = i;
	return 0;
}

const char *signal_name(int signo)
{
	static const char *const names[] = {
#define NAME(sig) [sig] = #sig
		NAME(SIGHUP),
		NAME(SIGINT),
		NAME(SIGQUIT),
		NAME(SIGILL),
		NAME(SIGTRAP),
		NAME(SIGABRT),
		NAME(SIGBUS),
		NAME(SIGFPE),
		NAME(SIGKILL),
		NAME(SIGUSR1),
		NAME(SIGSEGV),
		NAME(SIGUSR2),
		NAME(SIGPIPE),
		NAME(SIGALRM),
		NAME(SIGTERM),
		NAME(SIGSTKFLT),
		NAME(SIGCHLD),
		NAME(SIGCONT),
		NAME(SIGSTOP),
		NAME(SIGTSTP),
		NAME(SIGTTIN),
		NAME(SIGTTOU),
		NAME(SIGURG),
		NAME(SIGXCPU),
		NAME(SIGXFSZ),
		NAME(SIGVTALRM),
		NAME(SIGPROF),
		NAME(SIGWINCH),
		NAME(SIGIO),
		NAME(SIGPWR),
		NAME(SIGSYS),
#undef NAME
	};

	if (signo > 0 && (size_t)signo < ARRAY_SIZE(names) && names[signo]) {
		return names[signo];
	}
	return "SIG?";
}

struct json_object *exit_info_to_json(const struct exit_info *exit)
{
	struct json_object *json;

	if (exit->how == EXIT_HOW_UNKNOWN) {
		return NULL;
	}
	json = json_object_new_object();
	if (json && exit->how == EXIT_HOW_CODE) {
		json_object_object_add(json, "code", json_object_new_int(exit->value));
	} else if (json) {
		json_object_object_add(
			json, "signal", json_object_new_string(signal_name(exit->value)));
	}
	return json;
}

const char *exit_info_text(const struct exit_info *exit, char buf[48])
{
	switch (exit->how) {
	case EXIT_HOW_CODE:
		snprintf(buf, 48, "exit code %d", exit->value);
		break;
	case EXIT_HOW_SIGNAL:
		snprintf(buf, 48, "signal %s", signal_name(exit->value));
		break;
	default:
		snprintf(buf, 48, "no exit status known");
	}
	return buf;
}

static struct json_object *string_or_null(const char *text)
{
	return text ? json_object_new_string(text) : NULL;
}

static struct json_object *time_or_null(int64_t realtime_ms)
{
	char text[TIME_TEXT_LEN + 1];

	if (realtime_ms <= 0) {
		return NULL;
	}
	time_format_ms(realtime_ms, text);
	return json_object_new_string(text);
}

static struct json_object *stubdom_to_json(const struct dm_status *s)
{
	struct json_object *stub, *backend = NULL;

	if (!s->has_stubdom) {
		return NULL;
	}
	stub = json_object_new_object();
	if (s->stubdom_backend_pid) {
		backend = json_object_new_object();
		json_object_object_add(backend, "pid", json_object_new_int(s->stubdom_backend_pid));
		json_object_object_add(backend, "state", string_or_null(s->stubdom_backend_state));
	}
	json_object_object_add(stub, "domid", json_object_new_int(s->stubdom_domid));
	json_object_object_add(stub, "backend", backend);
	return stub;
}

struct json_object *dm_status_to_json(const struct dm_status *s)
{
	struct json_object *json = json_object_new_object();

	if (!json) {
		return NULL;
	}
	json_object_object_add(json, "domid", json_object_new_int(s->domid));
	json_object_object_add(json, "uuid", json_object_new_string(s->uuid));
	json_object_object_add(json, "name", string_or_null(s->name));
	json_object_object_add(json, "kind", string_or_null(dm_kind_name(s->kind)));
	json_object_object_add(json, "state", string_or_null(dm_state_name(s->state)));
	json_object_object_add(json, "pid", s->pid ? json_object_new_int(s->pid) : NULL);
	json_object_object_add(json, "stubdom", stubdom_to_json(s));
	json_object_object_add(json, "source", string_or_null(s->source));
	json_object_object_add(json, "since", time_or_null(s->since_ms));
	json_object_object_add(
		json, "start_ms", s->start_ms >= 0 ? json_object_new_int64(s->start_ms) : NULL);
	json_object_object_add(json, "qmp", string_or_null(s->qmp));
	json_object_object_add(json, "log", string_or_null(s->log));
	json_object_object_add(json, "reason", string_or_null(s->reason));
	json_object_object_add(json, "exit", exit_info_to_json(&s->exit));
	if (s->migration) { /* else it is left out: few have one */
		json_object_object_add(json, "migration", string_or_null(s->migration));
	}
	return json;
}
