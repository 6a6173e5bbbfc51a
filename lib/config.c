/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lib/build.h"
#include "lib/cleanup.h"
#include "lib/defparts.h"
#include "lib/json.h"
#include "lib/limits.h"
#include "lib/readfile.h"

#define KIB 1024

enum text_form { TEXT_PROGRAM, TEXT_DIRS, TEXT_FALLBACK };

static const struct text_key {
	const char *key, *standard;
	enum text_form form;
	size_t offset;
} text_keys[] = {
	{"default_binary", DEFAULT_DM_BINARY, TEXT_PROGRAM,
		offsetof(struct config, default_binary)},
	{"libexec_dir", XEN_LIBEXEC_DIR, TEXT_DIRS, offsetof(struct config, libexec_dir)},
	{"firmware_dir", XEN_FIRMWARE_DIR, TEXT_DIRS, offsetof(struct config, firmware_dir)},
	{"script_dir", XEN_SCRIPT_DIR, TEXT_DIRS, offsetof(struct config, script_dir)},
	{"handoff_fallback", CONFIG_FALLBACK_FAIL, TEXT_FALLBACK,
		offsetof(struct config, handoff_fallback)},
	{"proxy_fallback", CONFIG_FALLBACK_RUN, TEXT_FALLBACK,
		offsetof(struct config, proxy_fallback)},
};

#define NUMBER(name, standard, min, max)                                                           \
	{                                                                                          \
#name, standard, min, max, offsetof(struct config, name)                           \
	}
static const struct number_key {
	const char *key;
	unsigned standard, min, max;
	size_t offset;
} number_keys[] = {
	NUMBER(quit_timeout_s, 10, 1, 3600),
	NUMBER(term_timeout_s, 5, 1, 3600),
	NUMBER(kill_timeout_s, 5, 1, 3600),
	NUMBER(name_timeout_s, 5, 1, 3600),
	NUMBER(toolstack_stop_timeout_s, 60, 1, 3600),
	NUMBER(starts_at_once, LIMIT_STARTS_AT_ONCE, 1, 1024),
	NUMBER(handoff_timeout_s, 10, 1, 60),
	NUMBER(restarts_max, LIMIT_RESTARTS, 0, 1000),
	NUMBER(restart_delay_ms, LIMIT_RESTART_DELAY_MS, 10, 60000),
	NUMBER(restart_window_s, LIMIT_RESTART_WINDOW_S, 1, 86400),
	NUMBER(control_clients, LIMIT_CONTROL_CLIENTS, 1, 4096),
	NUMBER(control_message_kib, LIMIT_CONTROL_MESSAGE_BYTES / KIB, 16, 16384),
	NUMBER(control_queue_kib, LIMIT_CONTROL_QUEUE_BYTES / KIB, 64, 65536),
	NUMBER(control_idle_timeout_ms, LIMIT_CONTROL_IDLE_MS, 100, 3600000),
	NUMBER(exits_kept, LIMIT_EXITS_KEPT, 0, 100000),
	NUMBER(events_kept, LIMIT_EVENTS_KEPT, LIMIT_EVENTS_KEPT, 1048576),
	NUMBER(qmp_heartbeat_s, 60, 0, 86400),
	NUMBER(xenstore_timeout_ms, LIMIT_XS_DEADLINE_MS, 100, 600000),
	NUMBER(qmp_timeout_ms, 10000, 100, 600000),
};

static char **text_of(struct config *config, const struct text_key *key)
{
	return (char **)((char *)config + key->offset);
}

static unsigned *number_of(struct config *config, const struct number_key *key)
{
	return (unsigned *)((char *)config + key->offset);
}

void config_defaults(struct config *config)
{
	*config = (struct config){.limits = definition_limits_builtin};
	for (size_t i = 0; i < ARRAY_SIZE(text_keys); i++) {
		*text_of(config, &text_keys[i]) = strdup(text_keys[i].standard);
	}
	for (size_t i = 0; i < ARRAY_SIZE(number_keys); i++) {
		*number_of(config, &number_keys[i]) = number_keys[i].standard;
	}
}

void config_fini(struct config *config)
{
	for (size_t i = 0; i < ARRAY_SIZE(text_keys); i++) {
		free(*text_of(config, &text_keys[i]));
	}
	*config = (struct config){0};
}

/* A list with colons, each part an absolute path. */
static int check_dirs(const struct json_node *node, const char *dirs, struct err *err)
{
	for (;;) {
		size_t len = strcspn(dirs, ":");

		if (*dirs != '/') {
			return json_fail(node, -EINVAL, err,
				"must be absolute directories with \":\" between them, has "
				"\"%.*s\"",
				len > 64 ? 64 : (int)len, dirs);
		}
		if (!dirs[len]) {
			return 0;
		}
		dirs += len + 1;
	}
}

static int check_fallback(const struct json_node *node, const char *word, struct err *err)
{
	if (strcmp(word, CONFIG_FALLBACK_FAIL) && strcmp(word, CONFIG_FALLBACK_RUN)) {
		return json_fail(node, -EINVAL, err,
			"must be \"" CONFIG_FALLBACK_FAIL "\" or \"" CONFIG_FALLBACK_RUN
			"\", is \"%.64s\"",
			word);
	}
	return 0;
}

static int parse_text(struct config *config, const struct text_key *key,
	const struct json_node *node, struct err *err)
{
	char **value = text_of(config, key), *copy;
	const char *text;
	int r = key->form == TEXT_PROGRAM ? defparts_path(node, DEFPARTS_PATH_BARE, &text, err)
					  : json_text(node, &text, err);

	if (r == 0 && key->form == TEXT_DIRS) {
		r = check_dirs(node, text, err);
	}
	if (r == 0 && key->form == TEXT_FALLBACK) {
		r = check_fallback(node, text, err);
	}
	if (r < 0) {
		return r;
	}
	copy = strdup(text);
	if (!copy) {
		return json_fail(node, -ENOMEM, err, "out of memory");
	}
	free(*value);
	*value = copy;
	return 0;
}

static int check_keys(const struct json_node *root, struct err *err)
{
	const char *known[ARRAY_SIZE(text_keys) + ARRAY_SIZE(number_keys) + 2] = {"limits"};
	size_t len = 1;

	for (size_t i = 0; i < ARRAY_SIZE(text_keys); i++) {
		known[len++] = text_keys[i].key;
	}
	for (size_t i = 0; i < ARRAY_SIZE(number_keys); i++) {
		known[len++] = number_keys[i].key;
	}
	return json_check_keys(root, known, err);
}

static int parse_root(struct config *config, const struct json_node *root, struct err *err)
{
	struct json_node node;
	unsigned given = 0;
	int r = check_keys(root, err);

	for (size_t i = 0; i < ARRAY_SIZE(text_keys) && r == 0; i++) {
		if (json_member(root, text_keys[i].key, &node)) {
			r = parse_text(config, &text_keys[i], &node, err);
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(number_keys) && r == 0; i++) {
		const struct number_key *key = &number_keys[i];

		r = json_get_unsigned(
			root, key->key, key->min, key->max, number_of(config, key), err);
	}
	if (r == 0 && json_member(root, "limits", &node)) {
		r = defparts_limits(&node, &config->limits, &given, err);
	}
	return r;
}

int config_parse(
	struct config *ret, const char *file, const char *text, size_t len, struct err *err)
{
	_cleanup_json_doc_ struct json_doc doc = {0};
	struct json_node root;
	struct config config;
	int r = json_doc_parse(&doc, file, text, len, err);

	if (r < 0) {
		return r;
	}
	root = json_doc_root(&doc);
	config_defaults(&config);
	for (size_t i = 0; i < ARRAY_SIZE(text_keys); i++) {
		if (!*text_of(&config, &text_keys[i])) {
			r = json_fail(&root, -ENOMEM, err, "out of memory");
		}
	}
	if (r == 0) {
		r = parse_root(&config, &root, err);
	}
	if (r < 0) {
		config_fini(&config);
		return r;
	}
	*ret = config;
	return 0;
}

int config_load(struct config *ret, const char *path, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = readfile(AT_FDCWD, path, LIMIT_JSON_BYTES, &text, &len, err);

	if (r == -ENOENT) {
		return config_parse(ret, path, "{}", 2, err);
	}
	if (r < 0) {
		err_wrap(err, "%s", path);
		return r;
	}
	return config_parse(ret, path, text, len, err);
}

bool config_has_key(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(text_keys); i++) {
		if (!strcmp(text_keys[i].key, key)) {
			return true;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(number_keys); i++) {
		if (!strcmp(number_keys[i].key, key)) {
			return true;
		}
	}
	return false;
}

unsigned config_key_count(void)
{
	return ARRAY_SIZE(text_keys) + ARRAY_SIZE(number_keys);
}

static const char *from_environment(const char *name, const char *standard)
{
	const char *value = getenv(name);

	return value && *value ? value : standard;
}

void paths_init(struct paths *paths)
{
	paths->run_dir = from_environment("XENDMD_RUNDIR", "/run/xendmd");
	paths->conf_dir = from_environment("XENDMD_CONFDIR", "/etc/xendmd");
	paths->state_dir = from_environment("XENDMD_STATEDIR", "/var/lib/xendmd");
	paths->log_dir = from_environment("XENDMD_LOGDIR", "/var/log/xen");
	paths->xen_run_dir = from_environment("XENDMD_XENRUNDIR", "/var/run/xen");
	paths->helper_dir = from_environment("XENDMD_LIBEXECDIR", PKGLIBEXECDIR);
}
