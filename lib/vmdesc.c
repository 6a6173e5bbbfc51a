/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/vmdesc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void option_fini(struct vmdesc_option *o)
{
	for (size_t i = 0; i < o->properties_len; i++) {
		free(o->properties[i].key);
		free(o->properties[i].value);
	}
	free(o->properties);
	free(o->name);
	free(o->text);
}

void vmdesc_fini(struct vmdesc *d)
{
	for (size_t i = 0; i < d->len; i++) {
		option_fini(&d->options[i]);
	}
	free(d->options);
	strv_fini(&d->env);
	json_object_put(d->devices);
	json_object_put(d->qmp_steps);
	*d = (struct vmdesc){0};
}

/* NULL when memory ran out, now or before. */
static struct vmdesc_option *append(struct vmdesc *d, enum vmdesc_kind kind, const char *name)
{
	struct vmdesc_option *grown;

	if (d->status < 0) {
		return NULL;
	}
	grown = reallocarray(d->options, d->len + 1, sizeof(*grown));
	if (!grown) {
		d->status = -ENOMEM;
		return NULL;
	}
	d->options = grown;
	grown[d->len] = (struct vmdesc_option){.kind = kind, .name = name ? strdup(name) : NULL};
	if (name && !grown[d->len].name) {
		d->status = -ENOMEM;
		return NULL;
	}
	return &grown[d->len++];
}

static char *format(struct vmdesc *d, const char *fmt, va_list ap)
{
	char *text;

	if (vasprintf(&text, fmt, ap) < 0) {
		d->status = -ENOMEM;
		return NULL;
	}
	return text;
}

void vmdesc_switch(struct vmdesc *d, const char *name)
{
	append(d, VMDESC_SWITCH, name);
}

void vmdesc_text(struct vmdesc *d, const char *name, const char *fmt, ...)
{
	struct vmdesc_option *o = append(d, VMDESC_TEXT, name);
	va_list ap;

	if (o) {
		va_start(ap, fmt);
		o->text = format(d, fmt, ap);
		va_end(ap);
	}
}

void vmdesc_verbatim(struct vmdesc *d, const char *argument)
{
	struct vmdesc_option *o = append(d, VMDESC_VERBATIM, NULL);

	if (o) {
		o->text = strdup(argument);
		d->status = o->text ? 0 : -ENOMEM;
	}
}

/* VALUE is taken over. */
static void set(struct vmdesc *d, const char *key, char *value, bool implied)
{
	struct vmdesc_option *o = d->len ? &d->options[d->len - 1] : NULL;
	struct vmdesc_property *grown;

	if (d->status < 0 || !o || o->kind != VMDESC_LIST) {
		free(value);
		return;
	}
	grown = reallocarray(o->properties, o->properties_len + 1, sizeof(*grown));
	if (!grown) {
		free(value);
		d->status = -ENOMEM;
		return;
	}
	o->properties = grown;
	grown[o->properties_len] =
		(struct vmdesc_property){.key = strdup(key), .value = value, .implied = implied};
	if (!grown[o->properties_len++].key || !value) {
		d->status = -ENOMEM;
	}
}

void vmdesc_list(struct vmdesc *d, const char *name, const char *key, const char *fmt, ...)
{
	va_list ap;

	if (append(d, VMDESC_LIST, name)) {
		va_start(ap, fmt);
		set(d, key, format(d, fmt, ap), true);
		va_end(ap);
	}
}

void vmdesc_list_keyed(struct vmdesc *d, const char *name)
{
	append(d, VMDESC_LIST, name);
}

void vmdesc_list_prefixed(struct vmdesc *d, const char *name, const char *prefix)
{
	struct vmdesc_option *o = append(d, VMDESC_LIST, name);

	if (o) {
		o->prefix = prefix;
	}
}

void vmdesc_set(struct vmdesc *d, const char *key, const char *fmt, ...)
{
	va_list ap;

	if (d->status == 0) {
		va_start(ap, fmt);
		set(d, key, format(d, fmt, ap), false);
		va_end(ap);
	}
}

static void set_type(struct vmdesc *d, enum vmdesc_type type)
{
	struct vmdesc_option *o = d->len ? &d->options[d->len - 1] : NULL;

	if (d->status == 0 && o && o->properties_len) {
		o->properties[o->properties_len - 1].type = type;
	}
}

void vmdesc_set_switch(struct vmdesc *d, const char *key, bool on)
{
	vmdesc_set(d, key, "%s", on ? "on" : "off");
	set_type(d, VMDESC_BOOL);
}

void vmdesc_is_number(struct vmdesc *d)
{
	set_type(d, VMDESC_NUMBER);
}

void vmdesc_step(struct vmdesc *d, const char *command, struct json_object *arguments)
{
	struct json_object *step = json_object_new_object();

	if (!d->qmp_steps) {
		d->qmp_steps = json_object_new_array();
	}
	if (!step || !d->qmp_steps) {
		json_object_put(step);
		json_object_put(arguments);
		d->status = -ENOMEM;
		return;
	}
	json_object_object_add(step, "execute", json_object_new_string(command));
	if (arguments) {
		json_object_object_add(step, "arguments", arguments);
	}
	json_object_array_add(d->qmp_steps, step);
}

const char *vmdesc_get(const struct vmdesc_option *option, const char *key)
{
	for (size_t i = 0; i < option->properties_len; i++) {
		if (!strcmp(option->properties[i].key, key)) {
			return option->properties[i].value;
		}
	}
	return NULL;
}
