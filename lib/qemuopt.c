/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/qemuopt.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

/* What newer versions of QEMU write otherwise: a switch or text becomes a property of a list. */
static const struct spelling {
	const char *old;
	unsigned since;
	const char *option, *key;
} spellings[] = {
	{"-chroot", 801, "-run-with", "chroot"},
	{"-runas", 901, "-run-with", "user"},
};

#define DIGITS "0123456789"
#define FILES_SINCE 901 /* "-incoming fd:" warns of a file */

unsigned qemuopt_version(const char *text)
{
	size_t major = strspn(text, DIGITS), minor = strspn(text + major + !!text[major], DIGITS);

	if (!major || major > 3 || !minor || minor > 2 || text[major] != '.' ||
		text[major + 1 + minor]) {
		return 0;
	}
	return strtoul(text, NULL, 10) * 100 + strtoul(text + major + 1, NULL, 10);
}

static unsigned version_of(const struct qemuopt_style *style)
{
	return style->qemu_version ? style->qemu_version : QEMUOPT_OLDEST;
}

static const struct spelling *new_spelling(
	const struct vmdesc_option *o, const struct qemuopt_style *style)
{
	unsigned version = version_of(style);

	for (size_t i = 0; o->name && i < ARRAY_SIZE(spellings); i++) {
		if (!strcmp(spellings[i].old, o->name) && version >= spellings[i].since) {
			return &spellings[i];
		}
	}
	return NULL;
}

static void put_value(FILE *f, const char *value, const struct qemuopt_style *style)
{
	for (; *value; value++) {
		if (*value == ',' && !style->unescaped) {
			fputc(',', f);
		}
		fputc(*value, f);
	}
}

/* Would QEMU take the beginning of VALUE for a key? */
static bool needs_key(const char *value, const struct qemuopt_style *style)
{
	return !style->unescaped && (value[strcspn(value, "=,")] == '=' || !*value);
}

static void put_list(FILE *f, const struct vmdesc_option *o, const struct qemuopt_style *style)
{
	if (o->prefix) {
		fputs(o->prefix, f);
	}
	for (size_t i = 0; i < o->properties_len; i++) {
		const struct vmdesc_property *p = &o->properties[i];

		if (i) {
			fputc(',', f);
		}
		if (!p->implied || needs_key(p->value, style)) {
			fprintf(f, "%s=", p->key);
		}
		put_value(f, p->value, style);
	}
}

static void print_list(
	const struct vmdesc_option *o, const struct qemuopt_style *style, struct strv *ret)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f) {
		ret->status = -ENOMEM;
		return;
	}
	put_list(f, o, style);
	if (fclose(f) != 0) {
		ret->status = -ENOMEM;
		return;
	}
	strv_add(ret, o->name);
	strv_add(ret, text);
}

static void print_newly(const struct vmdesc_option *o, const struct spelling *spelling,
	const struct qemuopt_style *style, struct strv *ret)
{
	struct vmdesc_property property = {.key = (char *)spelling->key, .value = o->text};
	const struct vmdesc_option list = {.kind = VMDESC_LIST,
		.name = (char *)spelling->option,
		.properties = &property,
		.properties_len = 1};

	print_list(&list, style, ret);
}

static void print_incoming_file(const char *fd, const struct qemuopt_style *style, struct strv *ret)
{
	if (version_of(style) >= FILES_SINCE) {
		strv_add(ret, "-add-fd");
		strv_addf(ret, "fd=%s,set=%s", fd, fd);
		strv_add(ret, "-incoming");
		strv_addf(ret, "file:/dev/fdset/%s", fd);
	} else {
		strv_add(ret, "-incoming");
		strv_addf(ret, "fd:%s", fd);
	}
}

static void print_option(
	const struct vmdesc_option *o, const struct qemuopt_style *style, struct strv *ret)
{
	const struct spelling *spelling = new_spelling(o, style);

	if (spelling) {
		print_newly(o, spelling, style, ret);
		return;
	}
	if (o->name && !strcmp(o->name, QEMUOPT_INCOMING_FILE)) {
		print_incoming_file(o->text, style, ret);
		return;
	}
	switch (o->kind) {
	case VMDESC_SWITCH:
		strv_add(ret, o->name);
		break;
	case VMDESC_TEXT:
		strv_add(ret, o->name);
		strv_add(ret, o->text);
		break;
	case VMDESC_LIST:
		print_list(o, style, ret);
		break;
	case VMDESC_VERBATIM:
		strv_add(ret, o->text);
		break;
	}
}

int qemuopt_print(const struct vmdesc *d, const struct qemuopt_style *style, struct strv *ret,
	struct err *err)
{
	if (vmdesc_status(d) == 0) {
		for (size_t i = 0; i < d->len; i++) {
			print_option(&d->options[i], style, ret);
		}
	}
	if (vmdesc_status(d) < 0 || strv_status(ret) < 0) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	return 0;
}

/* util/id.c: a letter, then letters, digits and "-._". */
bool qemuopt_is_id(const char *id)
{
	if (!isalpha((unsigned char)*id)) {
		return false;
	}
	for (id++; *id; id++) {
		if (!isalnum((unsigned char)*id) && !strchr("-._", *id)) {
			return false;
		}
	}
	return true;
}

static const char *id_of(const struct vmdesc_option *o)
{
	return o->kind == VMDESC_LIST ? vmdesc_get(o, "id") : NULL;
}

int qemuopt_check_ids(const struct vmdesc *d, struct err *err)
{
	for (size_t i = 0; i < d->len; i++) {
		const char *id = id_of(&d->options[i]), *other;

		if (id && !qemuopt_is_id(id)) {
			return err_set(err, -EINVAL, "%s: \"%s\" is no id for QEMU",
				d->options[i].name, id);
		}
		for (size_t j = 0; id && j < i; j++) {
			other = id_of(&d->options[j]);
			if (other && !strcmp(d->options[i].name, d->options[j].name) &&
				!strcmp(id, other)) {
				return err_set(err, -EINVAL, "%s: the id \"%s\" stands twice",
					d->options[i].name, id);
			}
		}
	}
	return 0;
}
