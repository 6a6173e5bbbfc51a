/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/* A definition's "files" and the places where the command line names them with "@NAME". */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/defparts.h"
#include "lib/limits.h"
#include "lib/openfile.h"
#include "lib/strv.h"
#include "lib/subst.h"

#define NAME_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"
#define NAME_MAX_BYTES 64
#define TAP_QUEUES_MAX 256 /* the kernel's MAX_TAP_QUEUES */

enum form { FORM_PATH, FORM_TAP, FORM_MACVTAP, FORM_DEV, FORM_LISTEN, FORM_RECEIVED, _FORM_MAX };

static const struct {
	const char *key, *extra; /* the form's own key, and one that may stand beside it */
} forms[_FORM_MAX] = {
	[FORM_PATH] = {"path", "mode"},
	[FORM_TAP] = {"tap", "queues"},
	[FORM_MACVTAP] = {"macvtap", NULL},
	[FORM_DEV] = {"dev", NULL},
	[FORM_LISTEN] = {"listen", NULL},
	[FORM_RECEIVED] = {"received", NULL},
};

static int find_form(
	const struct json_node *file, struct json_node *ret_main, enum form *ret, struct err *err)
{
	static const char *const known[] = {
		"path", "mode", "tap", "queues", "macvtap", "dev", "listen", "received", NULL};
	unsigned found = 0;
	int r = json_check_keys(file, known, err);

	for (unsigned i = 0; i < _FORM_MAX && r == 0; i++) {
		if (json_member(file, forms[i].key, ret_main)) {
			*ret = i;
			found++;
		}
	}
	if (r == 0 && found != 1) {
		return json_fail(file, -EINVAL, err,
			"must have exactly one of \"path\", \"tap\", \"macvtap\", \"dev\", "
			"\"listen\" and \"received\"");
	}
	return r;
}

static int check_extra(const struct json_node *file, enum form form, struct err *err)
{
	for (unsigned i = 0; i < _FORM_MAX; i++) {
		struct json_node member;

		if (i != form && forms[i].extra && json_member(file, forms[i].extra, &member)) {
			return json_fail(&member, -EINVAL, err, "only beside \"%s\"", forms[i].key);
		}
	}
	return 0;
}

/* A network interface's name: the kernel's limits, as far as no placeholder hides it. */
static int check_interface(const struct json_node *node, struct err *err)
{
	const char *name;
	int r = json_text(node, &name, err);

	if (r == 0 &&
		(strpbrk(name, "/ \t\n") || (!strchr(name, '$') && strlen(name) >= IF_NAMESIZE))) {
		return json_fail(node, -EINVAL, err,
			"must be a network interface's name of at most %d bytes, is \"%.64s\"",
			IF_NAMESIZE - 1, name);
	}
	return r;
}

static int check_path(const struct json_node *file, const struct json_node *node, struct err *err)
{
	static const char *const modes[] = {"r", "w", "rw", "a", NULL};
	struct json_node member;
	const char *path;
	unsigned mode;
	int r = defparts_path(node, DEFPARTS_PATH_SUBST, &path, err);

	if (r == 0 && json_member(file, "mode", &member)) {
		r = json_enum(&member, modes, &mode, err);
	}
	return r;
}

static int check_tap(const struct json_node *file, const struct json_node *node, struct err *err)
{
	unsigned queues;
	int r = check_interface(node, err);

	return r < 0 ? r : json_get_unsigned(file, "queues", 1, TAP_QUEUES_MAX, &queues, err);
}

static int check_listen(const struct json_node *node, struct err *err)
{
	const char *text;
	int r = json_text(node, &text, err);

	if (r == 0 && strncmp(text, "unix:/", 6) && strncmp(text, "unix:$", 6)) {
		return json_fail(node, -EINVAL, err, "must be \"unix:/PATH\", is \"%.64s\"", text);
	}
	return r;
}

static int check_received(const struct json_node *node, struct err *err)
{
	bool received;
	int r = json_boolean(node, &received, err);

	return r == 0 && !received ? json_fail(node, -EINVAL, err, "must be true") : r;
}

static int check_file(const struct json_node *file, struct err *err)
{
	static const char *const devices[] = {"vhost-net", "vhost-vsock", NULL};
	size_t len = strlen(file->key);
	struct json_node node = {0};
	enum form form = _FORM_MAX;
	unsigned device;
	int r;

	if (!len || len > NAME_MAX_BYTES || strspn(file->key, NAME_CHARS) != len) {
		return json_fail(file, -EINVAL, err,
			"a file's name has 1 to %d letters, digits, \"_\", \".\" and \"-\"",
			NAME_MAX_BYTES);
	}
	if ((r = find_form(file, &node, &form, err)) < 0 ||
		(r = check_extra(file, form, err)) < 0 ||
		(r = defparts_check_placeholders(file, err)) < 0) {
		return r;
	}
	switch (form) {
	case FORM_PATH:
		return check_path(file, &node, err);
	case FORM_TAP:
		return check_tap(file, &node, err);
	case FORM_MACVTAP:
		return check_interface(&node, err);
	case FORM_DEV:
		return json_enum(&node, devices, &device, err);
	case FORM_LISTEN:
		return check_listen(&node, err);
	case FORM_RECEIVED:
		return check_received(&node, err);
	case _FORM_MAX:
		break;
	}
	return 0;
}

struct references {
	struct json_object *files; /* NULL: none are defined */
	struct json_object *used;
};

/* The next "@NAME" at or behind P: where an option's value begins, so that "user@host" is none. */
static const char *next_reference(const char *text, const char *p, size_t *ret_len)
{
	for (; (p = strchr(p, '@')); p++) {
		*ret_len = strspn(p + 1, NAME_CHARS);
		if (*ret_len && (p == text || strchr("=,:\"", p[-1]))) {
			return p;
		}
	}
	return NULL;
}

static int check_references(const struct json_node *node, struct references *refs, struct err *err)
{
	const char *text = json_object_get_string(node->value), *p = text;
	size_t len;

	for (; (p = next_reference(text, p, &len)); p += 1 + len) {
		char name[NAME_MAX_BYTES + 1];

		if (len < sizeof(name)) {
			memcpy(name, p + 1, len);
			name[len] = '\0';
			if (json_object_object_get_ex(refs->files, name, NULL)) {
				if (json_object_object_add(refs->used, name, NULL) < 0) {
					return json_fail(node, -ENOMEM, err, "out of memory");
				}
				continue;
			}
		}
		return json_fail_at(node, p - text, err, "\"@%.*s\" is not in \"files\"",
			len > NAME_MAX_BYTES ? NAME_MAX_BYTES : (int)len, p + 1);
	}
	return 0;
}

static int check_reference_string(const struct json_node *node, void *ctx, struct err *err)
{
	return check_references(node, ctx, err);
}

static int check_used(const struct json_node *files, struct references *refs, struct err *err)
{
	json_object_object_foreach (files->value, key, value) {
		struct json_node file = {
			.doc = files->doc, .parent = files, .key = key, .value = value};

		if (!json_object_object_get_ex(refs->used, key, NULL)) {
			return json_fail(&file, -EINVAL, err,
				"is not used: no argument names \"@%.64s\"", key);
		}
	}
	return 0;
}

static int check_each_file(const struct json_node *files, struct err *err)
{
	int r = json_check_type(files, json_type_object, err);

	if (r < 0) {
		return r;
	}
	json_object_object_foreach (files->value, key, value) {
		struct json_node file = {
			.doc = files->doc, .parent = files, .key = key, .value = value};

		r = check_file(&file, err);
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

int defparts_files(const struct json_node *root, struct err *err)
{
	static const char *const users[] = {"argv", "extra_args", "qemu"};
	_cleanup_json_ struct json_object *used = json_object_new_object();
	struct references refs = {.used = used};
	struct json_node files, member;
	bool given = json_member(root, "files", &files);
	int r = 0;

	if (!used) {
		return json_fail(root, -ENOMEM, err, "out of memory");
	}
	if (given) {
		r = check_each_file(&files, err);
		refs.files = files.value;
	}
	for (size_t i = 0; i < ARRAY_SIZE(users) && r == 0; i++) {
		if (json_member(root, users[i], &member)) {
			r = defparts_each_string(&member, check_reference_string, &refs, err);
		}
	}
	return r == 0 && given ? check_used(&files, &refs, err) : r;
}

unsigned defparts_file_fds(struct json_object *files, const char *name)
{
	struct json_object *queues;

	return json_object_object_get_ex(json_object_object_get(files, name), "queues", &queues)
		       ? (unsigned)json_object_get_int(queues)
		       : 1;
}

unsigned defparts_files_fds(struct json_object *files)
{
	unsigned sum = 0;

	if (files) {
		json_object_object_foreach (files, name, file) {
			(void)file;
			sum += defparts_file_fds(files, name);
		}
	}
	return sum;
}

unsigned defparts_number_file(struct json_object *files, const char *name, struct strv *names)
{
	size_t i = 0;

	while (i < names->len && strcmp(names->items[i], name)) {
		i++;
	}
	for (unsigned n = i < names->len ? 0 : defparts_file_fds(files, name); n > 0; n--) {
		strv_add(names, name);
	}
	return OPENFILE_FIRST_FD + (unsigned)i;
}

static void put_numbers(FILE *f, struct json_object *files, const char *name, struct strv *names)
{
	unsigned first = defparts_number_file(files, name, names);

	for (unsigned i = 0; i < defparts_file_fds(files, name); i++) {
		fprintf(f, "%s%u", i ? ":" : "", first + i);
	}
}

int defparts_number_files(struct json_object *files, const char *text, struct strv *names,
	char **ret, struct err *err)
{
	const char *p = text, *next;
	size_t size, len;
	FILE *f = open_memstream(ret, &size);

	if (!f) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	while ((next = next_reference(text, p, &len))) {
		char name[NAME_MAX_BYTES + 1];

		snprintf(name, sizeof(name), "%.*s", (int)len, next + 1);
		fwrite(p, 1, next - p, f);
		put_numbers(f, files, name, names);
		p = next + 1 + len;
	}
	fputs(p, f);
	return fclose(f) == 0 && strv_status(names) == 0 ? 0
							 : err_set(err, -ENOMEM, "out of memory");
}

/* What a form means, and which text of it is the name. */
static enum openfile_how how_of(struct json_object *file, const char **ret_name)
{
	static const char *const modes[] = {[OPENFILE_READ] = "r",
		[OPENFILE_WRITE] = "w",
		[OPENFILE_READ_WRITE] = "rw",
		[OPENFILE_APPEND] = "a"};
	struct json_object *value, *mode;

	if (json_object_object_get_ex(file, "tap", &value)) {
		*ret_name = json_object_get_string(value);
		return json_object_object_get_ex(file, "queues", NULL) ? OPENFILE_TAP_QUEUE
								       : OPENFILE_TAP;
	}
	if (json_object_object_get_ex(file, "macvtap", &value)) {
		*ret_name = json_object_get_string(value);
		return OPENFILE_MACVTAP;
	}
	if (json_object_object_get_ex(file, "dev", &value)) {
		*ret_name = strcmp(json_object_get_string(value), "vhost-net") ? "/dev/vhost-vsock"
									       : "/dev/vhost-net";
		return OPENFILE_READ_WRITE;
	}
	if (json_object_object_get_ex(file, "listen", &value)) {
		*ret_name = json_object_get_string(value) + strlen("unix:");
		return OPENFILE_LISTEN;
	}
	json_object_object_get_ex(file, "path", &value);
	*ret_name = json_object_get_string(value);
	if (json_object_object_get_ex(file, "mode", &mode)) {
		for (unsigned i = 0; i < ARRAY_SIZE(modes); i++) {
			if (!strcmp(modes[i], json_object_get_string(mode))) {
				return i;
			}
		}
	}
	return OPENFILE_READ;
}

bool defparts_is_read_file(struct json_object *files, const char *name)
{
	struct json_object *file = json_object_object_get(files, name);

	return json_object_object_get_ex(file, "path", NULL) &&
	       how_of(file, &name) == OPENFILE_READ;
}

static int resolve(struct json_object *file, const char *name, const struct subst_values *values,
	struct openfiles *ret, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	enum openfile_how how;
	const char *given;
	int r;

	if (json_object_object_get_ex(file, "received", NULL)) {
		return openfiles_add(ret, OPENFILE_RECEIVED, name) < 0
			       ? err_set(err, -ENOMEM, "out of memory")
			       : 0;
	}
	how = how_of(file, &given);
	r = subst_expand(given, values, LIMIT_ARG_BYTES, &text, err);
	if (r < 0) {
		err_wrap(err, "files.%s", name);
		return r;
	}
	return openfiles_add(ret, how, text) < 0 ? err_set(err, -ENOMEM, "out of memory") : 0;
}

int defparts_resolve_files(struct json_object *files, const struct strv *names,
	const struct subst_values *values, struct openfiles *ret, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < names->len; i++) {
		r = resolve(json_object_object_get(files, names->items[i]), names->items[i], values,
			ret, err);
	}
	return r;
}
