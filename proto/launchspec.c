/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/launchspec.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "lib/cleanup.h"
#include "lib/limits.h"
#include "lib/parse.h"
#include "lib/utf8.h"

static void json_put_p(struct json_object **json)
{
	json_object_put(*json);
}
static void tokener_free_p(struct json_tokener **tok)
{
	if (*tok) {
		json_tokener_free(*tok);
	}
}

void launchspec_fini(struct launchspec *spec)
{
	free(spec->binary);
	free(spec->directory);
	strv_fini(&spec->argv);
	strv_fini(&spec->env);
	free(spec->fds);
	free(spec->rlimits);
	openfiles_fini(&spec->files);
	*spec = (struct launchspec){0};
}

/* Both directions use it: what can't be read back is not written. */
static int check_strings(const struct strv *v, const char *key, struct err *err)
{
	size_t bytes = 0;

	if (v->len > LIMIT_ARGV_ITEMS) {
		return err_set(err, -E2BIG, "%s has more than %d items", key, LIMIT_ARGV_ITEMS);
	}
	for (size_t i = 0; i < v->len; i++) {
		size_t len = strlen(v->items[i]);

		if (!utf8_valid(v->items[i], len)) {
			return err_set(err, -EILSEQ, "%s[%zu] is not valid UTF-8", key, i);
		}
		bytes += len + 1;
	}
	if (bytes > LIMIT_ARGV_BYTES) {
		return err_set(err, -E2BIG, "%s is longer than %d bytes", key, LIMIT_ARGV_BYTES);
	}
	return 0;
}

/* NUMBER is one that dm-launch opens. */
static bool is_opened(const struct launchspec *spec, int number)
{
	size_t i = (size_t)(number - OPENFILE_FIRST_FD);

	return number >= OPENFILE_FIRST_FD && i < spec->files.len &&
	       spec->files.items[i].how != OPENFILE_RECEIVED;
}

static bool has_fd(const struct launchspec *spec, int number)
{
	for (unsigned i = 0; i < spec->fds_len; i++) {
		if (spec->fds[i].to == number) {
			return true;
		}
	}
	return false;
}

static int check_received(const struct launchspec *spec, struct err *err)
{
	for (size_t i = 0; i < spec->files.len; i++) {
		if (spec->files.items[i].how == OPENFILE_RECEIVED &&
			!has_fd(spec, OPENFILE_FIRST_FD + (int)i)) {
			return err_set(err, -EINVAL, "no descriptor for the received file \"%s\"",
				spec->files.items[i].name);
		}
	}
	return 0;
}

static int check_fds(const struct launchspec *spec, struct err *err)
{
	if (spec->fds_len > LAUNCHSPEC_FDS_MAX || spec->files.len > LAUNCHSPEC_FDS_MAX) {
		return err_set(err, -E2BIG, "more than %d descriptors", LAUNCHSPEC_FDS_MAX);
	}
	for (unsigned i = 0; i < spec->fds_len; i++) {
		if (spec->fds[i].from < 0 || spec->fds[i].to < 0 ||
			spec->fds[i].to > LAUNCHSPEC_FD_MAX) {
			return err_set(err, -EINVAL, "bad descriptor pair %d -> %d",
				spec->fds[i].from, spec->fds[i].to);
		}
		for (unsigned j = 0; j <= i; j++) {
			if (j == i ? is_opened(spec, spec->fds[i].to)
				   : spec->fds[j].to == spec->fds[i].to) {
				return err_set(err, -EINVAL, "two descriptors for number %d",
					spec->fds[i].to);
			}
		}
	}
	return check_received(spec, err);
}

static int check(const struct launchspec *spec, struct err *err)
{
	int r;

	if (!spec->binary || spec->binary[0] != '/' ||
		!utf8_valid(spec->binary, strlen(spec->binary))) {
		return err_set(err, -EINVAL, "the program is no absolute path in UTF-8");
	}
	if (spec->directory && (spec->directory[0] != '/' ||
				       !utf8_valid(spec->directory, strlen(spec->directory)))) {
		return err_set(err, -EINVAL, "the directory is no absolute path in UTF-8");
	}
	if (!spec->argv.len) {
		return err_set(err, -EINVAL, "the command line is empty");
	}
	if (spec->rlimits_len > LAUNCHSPEC_RLIMITS_MAX) {
		return err_set(err, -E2BIG, "more than %d limits", LAUNCHSPEC_RLIMITS_MAX);
	}
	if (spec->oom_score_adj < -1000 || spec->oom_score_adj > 1000) {
		return err_set(err, -EINVAL, "oom_score_adj %d is not within -1000..1000",
			spec->oom_score_adj);
	}
	r = check_strings(&spec->argv, "argv", err);
	if (r == 0) {
		r = check_strings(&spec->env, "env", err);
	}
	return r < 0 ? r : check_fds(spec, err);
}

/* Takes VALUE over; tells of memory that ran out through *OK. */
static void add(struct json_object *object, const char *key, struct json_object *value, bool *ok)
{
	if (!value || json_object_object_add(object, key, value) < 0) {
		json_object_put(value);
		*ok = false;
	}
}

static void append(struct json_object *array, struct json_object *value, bool *ok)
{
	if (!value || json_object_array_add(array, value) < 0) {
		json_object_put(value);
		*ok = false;
	}
}

static struct json_object *strings_to_json(const struct strv *v, bool *ok)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; array && i < v->len; i++) {
		append(array, json_object_new_string(v->items[i]), ok);
	}
	return array;
}

/* Pairs of numbers as [[a, b], …]; a limit that is unlimited has -1. */
static struct json_object *pair_to_json(int64_t a, int64_t b, bool *ok)
{
	struct json_object *pair = json_object_new_array();

	if (pair) {
		append(pair, json_object_new_int64(a), ok);
		append(pair, json_object_new_int64(b), ok);
	}
	return pair;
}

static struct json_object *fds_to_json(const struct launchspec *spec, bool *ok)
{
	struct json_object *array = json_object_new_array();

	for (unsigned i = 0; array && i < spec->fds_len; i++) {
		append(array, pair_to_json(spec->fds[i].from, spec->fds[i].to, ok), ok);
	}
	return array;
}

/* Pairs of texts as ["read", "/state"]. */
static struct json_object *files_to_json(const struct launchspec *spec, bool *ok)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; array && i < spec->files.len; i++) {
		struct json_object *pair = json_object_new_array();

		if (pair) {
			append(pair,
				json_object_new_string(openfile_how_name(spec->files.items[i].how)),
				ok);
			append(pair, json_object_new_string(spec->files.items[i].name), ok);
		}
		append(array, pair, ok);
	}
	return array;
}

static struct json_object *rlimits_to_json(const struct launchspec *spec, bool *ok)
{
	struct json_object *array = json_object_new_array();

	for (unsigned i = 0; array && i < spec->rlimits_len; i++) {
		uint64_t value = spec->rlimits[i].value;

		append(array,
			pair_to_json(spec->rlimits[i].resource,
				value > INT64_MAX ? -1 : (int64_t)value, ok),
			ok);
	}
	return array;
}

int launchspec_encode(const struct launchspec *spec, char **ret, size_t *ret_len, struct err *err)
{
	_cleanup_(json_put_p) struct json_object *json = json_object_new_object();
	bool ok = json != NULL;
	const char *text;
	int r = check(spec, err);

	if (r < 0) {
		return r;
	}
	if (ok) {
		add(json, "version", json_object_new_int(LAUNCHSPEC_VERSION), &ok);
		add(json, "binary", json_object_new_string(spec->binary), &ok);
		add(json, "argv", strings_to_json(&spec->argv, &ok), &ok);
		add(json, "env", strings_to_json(&spec->env, &ok), &ok);
		add(json, "fds", fds_to_json(spec, &ok), &ok);
		add(json, "files", files_to_json(spec, &ok), &ok);
		add(json, "rlimits", rlimits_to_json(spec, &ok), &ok);
		add(json, "oom_score_adj", json_object_new_int(spec->oom_score_adj), &ok);
		add(json, "own_mounts", json_object_new_boolean(spec->own_mounts), &ok);
		add(json, "own_ipc", json_object_new_boolean(spec->own_ipc), &ok);
		add(json, "ignore_xfsz", json_object_new_boolean(spec->ignore_xfsz), &ok);
	}
	if (ok && spec->directory) {
		add(json, "directory", json_object_new_string(spec->directory), &ok);
	}
	text = ok ? json_object_to_json_string_length(json, JSON_C_TO_STRING_PLAIN, ret_len) : NULL;
	*ret = text ? strdup(text) : NULL;
	if (!*ret) {
		return err_set_errno(err, -ENOMEM, "launch specification");
	}
	return 0;
}

static int bad(const char *key, struct err *err)
{
	return err_set(err, -EINVAL, "launch specification: bad \"%s\"", key);
}

static int get_int(struct json_object *value, int64_t min, int64_t max, int64_t *ret)
{
	int64_t n;

	if (!json_object_is_type(value, json_type_int)) {
		return -EINVAL;
	}
	n = json_object_get_int64(value);
	if (n < min || n > max) {
		return -ERANGE;
	}
	*ret = n;
	return 0;
}

/* A string without a NUL inside; NULL otherwise. Borrowed. */
static const char *get_text(struct json_object *value)
{
	const char *text;

	if (!json_object_is_type(value, json_type_string)) {
		return NULL;
	}
	text = json_object_get_string(value);
	return strlen(text) == (size_t)json_object_get_string_len(value) ? text : NULL;
}

static int get_strings(struct json_object *value, struct strv *ret)
{
	if (!json_object_is_type(value, json_type_array) ||
		json_object_array_length(value) > LIMIT_ARGV_ITEMS) {
		return -EINVAL;
	}
	for (size_t i = 0; i < json_object_array_length(value); i++) {
		const char *text = get_text(json_object_array_get_idx(value, i));

		if (!text) {
			return -EINVAL;
		}
		strv_add(ret, text);
	}
	return strv_status(ret);
}

static int get_pair(struct json_object *value, int64_t ret[2])
{
	if (!json_object_is_type(value, json_type_array) || json_object_array_length(value) != 2 ||
		get_int(json_object_array_get_idx(value, 0), 0, INT_MAX, &ret[0]) < 0) {
		return -EINVAL;
	}
	return get_int(json_object_array_get_idx(value, 1), -1, INT64_MAX, &ret[1]);
}

static int get_fds(struct json_object *value, struct launchspec *spec)
{
	size_t len;

	if (!json_object_is_type(value, json_type_array) || spec->fds) {
		return -EINVAL;
	}
	len = json_object_array_length(value);
	if (len > LAUNCHSPEC_FDS_MAX) {
		return -EINVAL;
	}
	spec->fds = calloc(len + 1, sizeof(*spec->fds));
	if (!spec->fds) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < len; i++) {
		int64_t pair[2];

		if (get_pair(json_object_array_get_idx(value, i), pair) < 0 || pair[1] < 0 ||
			pair[1] > LAUNCHSPEC_FD_MAX) {
			return -EINVAL;
		}
		spec->fds[spec->fds_len++] = (struct launchspec_fd){.from = pair[0], .to = pair[1]};
	}
	return 0;
}

static int get_file(struct json_object *value, struct launchspec *spec)
{
	enum openfile_how how;
	const char *name, *path;

	if (!json_object_is_type(value, json_type_array) || json_object_array_length(value) != 2) {
		return -EINVAL;
	}
	name = get_text(json_object_array_get_idx(value, 0));
	path = get_text(json_object_array_get_idx(value, 1));
	if (!name || !path || openfile_how_parse(name, &how) < 0) {
		return -EINVAL;
	}
	return openfiles_add(&spec->files, how, path);
}

static int get_files(struct json_object *value, struct launchspec *spec)
{
	int r = 0;

	if (!json_object_is_type(value, json_type_array) || spec->files.len ||
		json_object_array_length(value) > LAUNCHSPEC_FDS_MAX) {
		return -EINVAL;
	}
	for (size_t i = 0; r == 0 && i < json_object_array_length(value); i++) {
		r = get_file(json_object_array_get_idx(value, i), spec);
	}
	return r;
}

static int get_rlimits(struct json_object *value, struct launchspec *spec)
{
	size_t len;

	if (!json_object_is_type(value, json_type_array) || spec->rlimits) {
		return -EINVAL;
	}
	len = json_object_array_length(value);
	if (len > LAUNCHSPEC_RLIMITS_MAX) {
		return -EINVAL;
	}
	spec->rlimits = calloc(len + 1, sizeof(*spec->rlimits));
	if (!spec->rlimits) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < len; i++) {
		int64_t pair[2];

		if (get_pair(json_object_array_get_idx(value, i), pair) < 0) {
			return -EINVAL;
		}
		spec->rlimits[spec->rlimits_len++] = (struct launchspec_rlimit){
			.resource = pair[0], .value = pair[1] < 0 ? UINT64_MAX : (uint64_t)pair[1]};
	}
	return 0;
}

static int get_path(struct json_object *value, char **ret)
{
	const char *text = get_text(value);

	if (!text || *ret) {
		return -EINVAL;
	}
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

static int get_bool(struct json_object *value, bool *ret)
{
	*ret = json_object_get_boolean(value);
	return json_object_is_type(value, json_type_boolean) ? 0 : -EINVAL;
}

static int get_key(struct launchspec *spec, const char *key, struct json_object *value)
{
	int64_t n;

	if (!strcmp(key, "version")) {
		return get_int(value, LAUNCHSPEC_VERSION, LAUNCHSPEC_VERSION, &n);
	}
	if (!strcmp(key, "binary")) {
		return get_path(value, &spec->binary);
	}
	if (!strcmp(key, "directory")) {
		return get_path(value, &spec->directory);
	}
	if (!strcmp(key, "own_mounts")) {
		return get_bool(value, &spec->own_mounts);
	}
	if (!strcmp(key, "own_ipc")) {
		return get_bool(value, &spec->own_ipc);
	}
	if (!strcmp(key, "ignore_xfsz")) {
		return get_bool(value, &spec->ignore_xfsz);
	}
	if (!strcmp(key, "argv")) {
		return get_strings(value, &spec->argv);
	}
	if (!strcmp(key, "env")) {
		return get_strings(value, &spec->env);
	}
	if (!strcmp(key, "fds")) {
		return get_fds(value, spec);
	}
	if (!strcmp(key, "files")) {
		return get_files(value, spec);
	}
	if (!strcmp(key, "rlimits")) {
		return get_rlimits(value, spec);
	}
	if (!strcmp(key, "oom_score_adj")) {
		if (get_int(value, -1000, 1000, &n) < 0) {
			return -EINVAL;
		}
		spec->oom_score_adj = n;
		return 0;
	}
	return -EINVAL;
}

static int decode_object(struct json_object *json, struct launchspec *spec, struct err *err)
{
	struct json_object *version;

	if (!json_object_is_type(json, json_type_object)) {
		return err_set(err, -EINVAL, "launch specification: no JSON object");
	}
	if (!json_object_object_get_ex(json, "version", &version)) {
		return bad("version", err);
	}
	json_object_object_foreach (json, key, value) {
		int r = get_key(spec, key, value);

		if (r == -ENOMEM) {
			return err_set_errno(err, r, "launch specification");
		}
		if (r < 0 && !strcmp(key, "version")) {
			return err_set(err, -EPROTO,
				"dm-launch and xendmd are of different versions: restart xendmd");
		}
		if (r < 0) {
			return bad(key, err);
		}
	}
	return check(spec, err);
}

int launchspec_decode(const char *text, size_t len, struct launchspec *ret, struct err *err)
{
	_cleanup_(tokener_free_p) struct json_tokener *tok = NULL;
	_cleanup_(json_put_p) struct json_object *json = NULL;
	struct launchspec spec = {0};
	int r;

	if (len > LAUNCHSPEC_BYTES_MAX) {
		return err_set(err, -E2BIG, "launch specification: too long");
	}
	tok = json_tokener_new_ex(8);
	if (!tok) {
		return err_set_errno(err, -ENOMEM, "launch specification");
	}
	/* Not strict: that mode of json-c 0.18 takes UTF-8 for control characters. */
	json_tokener_set_flags(tok, JSON_TOKENER_VALIDATE_UTF8);
	json = json_tokener_parse_ex(tok, text, len);
	if (!json || json_tokener_get_parse_end(tok) != len) {
		return err_set(err, -EINVAL, "launch specification: no JSON object");
	}
	r = decode_object(json, &spec, err);
	if (r < 0) {
		launchspec_fini(&spec);
		return r;
	}
	*ret = spec;
	return 0;
}

size_t launch_msg_format_error(int code, const char *step, char buf[LAUNCH_MSG_MAX])
{
	snprintf(buf, LAUNCH_MSG_MAX, "%c%d %s", LAUNCH_MSG_ERROR, -code, step);
	return strlen(buf);
}

int launch_msg_parse(const char *msg, size_t len, struct err *err)
{
	char text[LAUNCH_MSG_MAX + 1];
	uint32_t code;
	char *blank;

	if (len == 1 && msg[0] == LAUNCH_MSG_PREPARED) {
		return 0;
	}
	if (len < 2 || len > LAUNCH_MSG_MAX || msg[0] != LAUNCH_MSG_ERROR) {
		return err_set(err, -EBADMSG, "dm-launch sent something that is no message");
	}
	memcpy(text, msg + 1, len - 1);
	text[len - 1] = '\0';
	utf8_make_printable(text, len - 1);
	blank = strchr(text, ' ');
	if (blank) {
		*blank = '\0';
	}
	if (!blank || parse_u32(text, 4095, &code) < 0 || !code) {
		return err_set(err, -EBADMSG, "dm-launch sent something that is no message");
	}
	return err_set_errno(err, -(int)code, "%s", blank + 1);
}
