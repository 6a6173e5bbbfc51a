/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/received.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

static int find(const struct strv *names, size_t len, const char *name)
{
	for (size_t i = 0; i < len; i++) {
		if (!strcmp(names->items[i], name)) {
			return (int)i;
		}
	}
	return -1;
}

static int take_names(struct received *r, struct json_object *names, struct err *err)
{
	for (size_t i = 0; names && i < json_object_array_length(names); i++) {
		struct json_object *item = json_object_array_get_idx(names, i);

		if (!json_object_is_type(item, json_type_string)) {
			return err_set(err, -EINVAL, "files[%zu] is no name", i);
		}
		strv_add(&r->names, json_object_get_string(item));
	}
	if (strv_status(&r->names) < 0) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	for (size_t i = 1; i < r->names.len; i++) {
		if (find(&r->names, i, r->names.items[i]) >= 0) {
			return err_set(
				err, -EINVAL, "files: \"%.64s\" comes twice", r->names.items[i]);
		}
	}
	return 0;
}

int received_new(struct received **ret, struct json_object *names, const int *fds, unsigned fds_len,
	struct err *err)
{
	_cleanup_received_ struct received *r = calloc(1, sizeof(*r));
	int code;

	if (!r) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	if (fds_len > LIMIT_RECEIVED_FILES ||
		(names && json_object_array_length(names) > LIMIT_RECEIVED_FILES)) {
		return err_set(
			err, -E2BIG, "more than %d files came with the call", LIMIT_RECEIVED_FILES);
	}
	code = take_names(r, names, err);
	if (code < 0) {
		return code;
	}
	if (r->names.len != fds_len) {
		return err_set(err, -EBADF,
			"%u file descriptors came with the call, and \"files\" names %zu", fds_len,
			r->names.len);
	}
	for (; r->len < fds_len; r->len++) {
		r->fds[r->len] = fds[r->len];
	}
	*ret = TAKE_PTR(r);
	return 0;
}

struct received *received_free(struct received *r)
{
	if (r) {
		while (r->len) {
			close_p(&r->fds[--r->len]);
		}
		strv_fini(&r->names);
		free(r);
	}
	return NULL;
}

static bool is_received(struct json_object *file)
{
	return json_object_object_get_ex(file, "received", NULL);
}

const char *received_first(struct json_object *files)
{
	if (files) {
		json_object_object_foreach (files, name, file) {
			if (is_received(file)) {
				return name;
			}
		}
	}
	return NULL;
}

static int check_given(const struct received *r, struct json_object *files, struct err *err)
{
	for (size_t i = 0; r && i < r->names.len; i++) {
		const char *name = r->names.items[i];
		struct json_object *file = NULL;

		if (!files || !json_object_object_get_ex(files, name, &file)) {
			return err_set(err, -EINVAL,
				"a file \"%.64s\" came with the call, which is not in the "
				"definition's \"files\"",
				name);
		}
		if (!is_received(file)) {
			return err_set(err, -EINVAL,
				"a file \"%.64s\" came with the call, which is not {\"received\": "
				"true} in the definition's \"files\"",
				name);
		}
	}
	return 0;
}

int received_check(const struct received *r, struct json_object *files, struct err *err)
{
	int code = check_given(r, files, err);

	if (code < 0 || !files) {
		return code;
	}
	json_object_object_foreach (files, name, file) {
		if (is_received(file) && received_fd(r, name) < 0) {
			return err_set(err, -EINVAL,
				"files.%.64s is to come with the start, and did not (dmctl start "
				"DOMAIN --fd %.64s=PATH)",
				name, name);
		}
	}
	return 0;
}

int received_fd(const struct received *r, const char *name)
{
	int i = r ? find(&r->names, r->len, name) : -1;

	return i < 0 ? -1 : r->fds[i];
}
