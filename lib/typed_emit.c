/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a checked typed description to a machine description. */
#include "lib/typed_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/defparts.h"
#include "lib/limits.h"
#include "lib/qemuopt.h"

const char *typed_text(struct json_object *o, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(o, key, &value) ? json_object_get_string(value) : NULL;
}

bool typed_flag(struct json_object *o, const char *key)
{
	return json_object_get_boolean(json_object_object_get(o, key));
}

int64_t typed_int(struct json_object *o, const char *key, int64_t otherwise)
{
	struct json_object *value;

	return json_object_object_get_ex(o, key, &value) ? json_object_get_int64(value) : otherwise;
}

static bool is_number(const struct typed_emit *e, const char *key)
{
	const struct typed_field *f = e->kind ? e->kind->table.fields : NULL;

	while (f && f->key && strcmp(f->key, key)) {
		f++;
	}
	if (!f || !f->key) {
		return false;
	}
	switch (f->form) {
	case TYPED_UINT:
	case TYPED_NUMBER:
	case TYPED_SIZE:
	case TYPED_BYTES:
	case TYPED_HEX16:
		return true;
	default:
		return false;
	}
}

void typed_copy(struct typed_emit *e, struct json_object *o, const char *property, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(o, key, &value)) {
		return;
	}
	if (!json_object_is_type(value, json_type_boolean)) {
		vmdesc_set(e->d, property, "%s", json_object_get_string(value));
		if (is_number(e, key)) {
			vmdesc_is_number(e->d);
		}
	} else if (json_object_get_boolean(value)) {
		vmdesc_set_switch(e->d, property, true);
	}
}

void typed_copy_all(struct typed_emit *e, struct json_object *o, const char *const (*pairs)[2])
{
	for (; (*pairs)[0]; pairs++) {
		typed_copy(e, o, (*pairs)[0], (*pairs)[1]);
	}
}

unsigned typed_fd(struct typed_emit *e, const char *reference)
{
	return defparts_number_file(e->files, reference + 1, e->names);
}

static size_t put_fds(struct typed_emit *e, FILE *f, struct json_object *list)
{
	size_t len = 0;

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		const char *reference = json_object_get_string(json_object_array_get_idx(list, i));
		unsigned first = typed_fd(e, reference);

		for (unsigned n = 0; n < defparts_file_fds(e->files, reference + 1); n++, len++) {
			fprintf(f, "%s%s%u", len ? ":" : "", e->fd_prefix ? e->fd_prefix : "",
				first + n);
		}
	}
	return len;
}

size_t typed_set_fds(struct typed_emit *e, const char *property, struct json_object *list)
{
	_cleanup_free_ char *text = NULL;
	size_t size, len;
	FILE *f = open_memstream(&text, &size);

	if (!f) {
		e->d->status = -ENOMEM;
		return 0;
	}
	len = put_fds(e, f, list);
	if (fclose(f) != 0) {
		e->d->status = -ENOMEM;
		return 0;
	}
	vmdesc_set(e->d, property, "%s", text);
	return len;
}

/* QEMU reads the number as hexadecimal. */
void typed_set_addr(struct typed_emit *e, struct json_object *o)
{
	struct json_object *value;
	const char *text;

	if (!json_object_object_get_ex(o, "addr", &value)) {
		return;
	}
	text = json_object_get_string(value);
	if (text[strspn(text, "0123456789")] == '\0') {
		vmdesc_set(e->d, "addr", "%llx", strtoull(text, NULL, 10));
	} else {
		vmdesc_set(e->d, "addr", "%s", text);
	}
}

void typed_set_properties(struct typed_emit *e, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, ",");
		const char *equals = memchr(text, '=', len);
		_cleanup_free_ char *key = equals ? strndup(text, equals - text) : NULL;

		if (key) {
			vmdesc_set(e->d, key, "%.*s", (int)(text + len - equals - 1), equals + 1);
		}
		text += len;
		text += *text == ',';
	}
}

static int expand(struct json_object *from, const struct typed_context *context,
	struct json_object **ret, struct err *err);

static int expand_text(struct json_object *from, const struct typed_context *context,
	struct json_object **ret, struct err *err)
{
	const char *text = json_object_get_string(from);
	_cleanup_free_ char *expanded = NULL;
	int r = subst_expand(text, context->values, LIMIT_ARG_BYTES, &expanded, err);

	if (r < 0) {
		err_wrap(err, "qemu: \"%.64s\"", text);
		return r;
	}
	*ret = json_object_new_string(expanded);
	return *ret ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int expand_array(struct json_object *from, const struct typed_context *context,
	struct json_object **ret, struct err *err)
{
	_cleanup_json_ struct json_object *to = json_object_new_array();
	int r = to ? 0 : err_set(err, -ENOMEM, "out of memory");

	for (size_t i = 0; r == 0 && i < json_object_array_length(from); i++) {
		struct json_object *value = NULL;

		r = expand(json_object_array_get_idx(from, i), context, &value, err);
		if (r == 0 && json_object_array_add(to, value) < 0) {
			json_object_put(value);
			r = err_set(err, -ENOMEM, "out of memory");
		}
	}
	*ret = r == 0 ? TAKE_PTR(to) : NULL;
	return r;
}

static int expand_object(struct json_object *from, const struct typed_context *context,
	struct json_object **ret, struct err *err)
{
	_cleanup_json_ struct json_object *to = json_object_new_object();
	int r = to ? 0 : err_set(err, -ENOMEM, "out of memory");

	json_object_object_foreach (from, key, member) {
		struct json_object *value = NULL;

		r = r < 0 ? r : expand(member, context, &value, err);
		if (r == 0 && json_object_object_add(to, key, value) < 0) {
			json_object_put(value);
			r = err_set(err, -ENOMEM, "out of memory");
		}
	}
	*ret = r == 0 ? TAKE_PTR(to) : NULL;
	return r;
}

/* A copy with the placeholders replaced. Its depth is bounded by the scan before the parser. */
static int expand(struct json_object *from, const struct typed_context *context,
	struct json_object **ret, struct err *err)
{
	switch (json_object_get_type(from)) {
	case json_type_string:
		return expand_text(from, context, ret, err);
	case json_type_array:
		return expand_array(from, context, ret, err);
	case json_type_object:
		return expand_object(from, context, ret, err);
	default:
		*ret = json_object_get(from);
		return 0;
	}
}

/* Placeholders have values now: once more by the tables. There is no text to point into. */
static int check_expanded(
	struct json_object *qemu, const struct typed_context *context, struct err *err)
{
	_cleanup_json_ struct json_object *definition = json_object_new_object();
	const struct json_doc doc = {.root = definition};
	const struct json_node root = json_doc_root(&doc);
	struct json_node node;

	json_object_object_add(definition, "qemu", json_object_get(qemu));
	json_object_object_add(definition, "files", json_object_get(context->files));
	if (!json_member(&root, "qemu", &node)) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	return context->whole ? typed_check_whole(&node, err) : typed_check(&node, err);
}

static int emit(struct typed_emit *e, struct err *err)
{
	int r;

	typed_emit_machine(e);
	if (vmdesc_status(e->d) < 0 || strv_status(e->names) < 0) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	r = qemuopt_check_ids(e->d, err);
	if (r < 0) {
		err_wrap(err, "qemu");
	}
	return r;
}

int typed_build(struct json_object *qemu, const struct typed_context *context, struct vmdesc *ret,
	struct strv *names, struct err *err)
{
	_cleanup_json_ struct json_object *expanded = NULL;
	struct typed_emit e = {.d = ret,
		.names = names,
		.files = context->files,
		.incoming_fd = context->incoming_fd,
		.domid = context->whole ? context->values->values[SUBST_DOMID] : NULL,
		.version = context->qemu_version ? context->qemu_version : QEMUOPT_OLDEST};
	int r = 0;

	if (context->values) {
		r = expand(qemu, context, &expanded, err);
		if (r == 0) {
			r = check_expanded(expanded, context, err);
		}
	}
	if (r == 0) {
		e.root = expanded ? expanded : qemu;
		ret->devices = json_object_get(json_object_object_get(e.root, "devices"));
		r = emit(&e, err);
	}
	return r;
}
