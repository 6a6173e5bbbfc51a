/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is written to QMP clients. json-c serialises; its text is gone over once: everything that is
 * no printable ASCII is escaped as QEMU does, or replaced where it could steer a terminal.
 */
#include "proto/qmp.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/utf8.h"

struct out {
	struct bytes text;
	bool failed;
};

static void put(struct out *o, const char *text, size_t len)
{
	o->failed = o->failed || bytes_append(&o->text, text, len) < 0;
}

static void put_string(struct out *o, const char *text)
{
	put(o, text, strlen(text));
}

static char *finish(struct out *o)
{
	put(o, "\r\n", 3); /* with the NUL */
	if (o->failed) {
		bytes_fini(&o->text);
	}
	return bytes_head(&o->text); /* the memory's begin: nothing was taken */
}

static uint32_t decode(const char *p, unsigned len)
{
	static const unsigned char mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	uint32_t c = (unsigned char)p[0] & mask[len];

	for (unsigned i = 1; i < len; i++) {
		c = c << 6 | ((unsigned char)p[i] & 0x3f);
	}
	return c;
}

/* A character outside ASCII, at P. Returns its bytes. */
static size_t put_wide(struct out *o, const char *p, size_t len)
{
	unsigned bytes = utf8_char_len(p, len);
	char text[16] = "?";
	uint32_t c;

	if (bytes) {
		c = decode(p, bytes);
		if (c >= 0x10000) {
			snprintf(text, sizeof(text), "\\u%04x\\u%04x",
				(unsigned)(0xd800 + ((c - 0x10000) >> 10)),
				(unsigned)(0xdc00 + ((c - 0x10000) & 0x3ff)));
		} else if (c >= 0xa0) {
			snprintf(text, sizeof(text), "\\u%04x", (unsigned)c);
		}
	}
	put_string(o, text);
	return bytes ? bytes : 1;
}

/* An escape of json-c's at P: \b, \f and \u00XX but tab, newline and carriage return stand for what
 * a terminal would obey. Returns its bytes. */
static size_t put_escape(struct out *o, const char *p)
{
	if (p[1] == 'u') {
		put_string(o, "?"); /* json-c writes nothing but controls so */
		return 6;
	}
	if (p[1] == 'b' || p[1] == 'f') {
		put_string(o, "?");
	} else {
		put(o, p, 2);
	}
	return 2;
}

/* Bytes from P on that are written as they are; IN_STRING is what the byte behind them is in. */
static size_t plain_run(const char *p, const char *end, bool *in_string)
{
	const char *at = p;

	for (; at < end && (unsigned char)*at >= 0x20 && (unsigned char)*at < 0x7f; at++) {
		if (*at == '"') {
			*in_string = !*in_string;
		} else if (*in_string ? *at == '\\' : *at == ':' || *at == ',') {
			break;
		}
	}
	return at - p;
}

/* What ends such a run, at P. Returns its bytes. */
static size_t put_special(struct out *o, const char *p, size_t len)
{
	switch (*p) {
	case '\\':
		return put_escape(o, p);
	case ':':
		put(o, ": ", 2);
		return 1;
	case ',':
		put(o, ", ", 2);
		return 1;
	}
	if ((unsigned char)*p >= 0x80) {
		return put_wide(o, p, len);
	}
	put(o, "?", 1);
	return 1;
}

static void put_json(struct out *o, struct json_object *json)
{
	size_t len = 0, run;
	const char *p = json_object_to_json_string_length(
		json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	const char *end = p ? p + len : NULL;
	bool in_string = false;

	o->failed = o->failed || !p;
	while (p < end) {
		run = plain_run(p, end, &in_string);
		put(o, p, run);
		p += run;
		p += p < end ? put_special(o, p, end - p) : 0;
	}
}

char *qmp_text(struct json_object *json)
{
	struct out o = {0};

	put_json(&o, json);
	return finish(&o);
}

char *qmp_return_text(struct json_object *body, const char *id)
{
	struct out o = {0};

	put_string(&o, "{\"return\": ");
	put_json(&o, body);
	if (id) {
		put_string(&o, ", \"id\": ");
		put_string(&o, id);
	}
	put_string(&o, "}");
	return finish(&o);
}

char *qmp_error_text(const char *error_class, const char *desc, const char *id)
{
	_cleanup_json_ struct json_object *error = json_object_new_object();
	struct out o = {0};

	json_object_object_add(error, "class", json_object_new_string(error_class));
	json_object_object_add(error, "desc", json_object_new_string(desc));
	put_string(&o, "{");
	if (id) {
		put_string(&o, "\"id\": ");
		put_string(&o, id);
		put_string(&o, ", ");
	}
	put_string(&o, "\"error\": ");
	put_json(&o, error);
	put_string(&o, "}");
	return finish(&o);
}

/* xenopsd depends on the order of these members. */
char *qmp_greeting_text(const struct qmp_version *v)
{
	char *text = NULL;
	int len = asprintf(&text,
		"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": %u, \"minor\": %u, \"major\": %u}, "
		"\"package\": \"xendmd\"}, \"capabilities\": []}}\r\n",
		v->micro, v->minor, v->major);

	return len < 0 ? NULL : text;
}

void qmp_sanitise(char *text, size_t max)
{
	size_t len = strlen(text);

	if (len > max) {
		len = max;
		while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80) {
			len--;
		}
		text[len] = '\0';
	}
	utf8_make_printable(text, len);
}
