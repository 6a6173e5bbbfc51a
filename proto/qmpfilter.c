/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/qmpfilter.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "proto/qmppolicy.h"

#define GENERIC "GenericError"

static const char *const class_names[_QMP_CLASS_MAX] = {
	[QMP_CLASS_LIBXL] = "libxl",
	[QMP_CLASS_STATS] = "stats",
	[QMP_CLASS_MONITOR] = "monitor",
	[QMP_CLASS_ADMIN] = "admin",
};

const char *qmp_class_name(enum qmp_class class)
{
	return class_names[class];
}

int qmp_class_parse(const char *name, enum qmp_class *ret)
{
	for (int i = 0; i < _QMP_CLASS_MAX; i++) {
		if (!strcmp(class_names[i], name)) {
			*ret = i;
			return 0;
		}
	}
	return -EINVAL;
}

static enum qmp_verdict refuse(struct qmpfilter_result *ret, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Never CommandNotFound: libxl would fall back to another command (P1). */
static enum qmp_verdict refuse(struct qmpfilter_result *ret, const char *fmt, ...)
{
	va_list ap;

	ret->error_class = GENERIC;
	va_start(ap, fmt);
	vsnprintf(ret->text, sizeof(ret->text), fmt, ap);
	va_end(ap);
	qmp_sanitise(ret->text, sizeof(ret->text) - 1);
	return QMP_REFUSE;
}

static bool all_of(const char *text, size_t len, const char *extra)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = text[i];

		if (!(c < 0x80 && isalnum(c)) && !(c && strchr(extra, c))) {
			return false;
		}
	}
	return len > 0;
}

static bool is_number_tail(const char *text)
{
	size_t len = strspn(text, "0123456789");

	return len > 0 && len <= 9 && !text[len];
}

static bool is_fdset_path(const char *text)
{
	static const char prefix[] = "/dev/fdset/";

	return !strncmp(text, prefix, strlen(prefix)) && is_number_tail(text + strlen(prefix));
}

/* pci-pt-BB_DD.F, xenusb-N, xenusb-N-M, cpu-N, ide-N: a prefix of these and plain characters. */
static bool is_device_id(const char *text)
{
	static const char *const prefixes[] = {"pci-pt-", "xenusb-", "cpu-", "ide-"};

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		size_t len = strlen(prefixes[i]), rest;

		if (strncmp(text, prefixes[i], len)) {
			continue;
		}
		rest = strlen(text + len);
		return rest <= 24 && all_of(text + len, rest, "_-.");
	}
	return false;
}

/* DDDD:BB:DD.F or BB:DD.F */
static bool is_pci_address(const char *text)
{
	return strlen(text) <= 16 && all_of(text, strlen(text), ":.");
}

static bool is_cpu_type(const char *text)
{
	size_t len = strlen(text);

	return len > 4 && len <= 68 && !strcmp(text + len - 4, "-cpu") &&
	       all_of(text, len - 4, "._-");
}

static bool is_driver(const struct qmpfilter *f, const char *text)
{
	static const char *const known[] = {"xen-pci-passthrough", "piix3-usb-uhci", "usb-ehci",
		"ich9-usb-ehci1", "ich9-usb-uhci1", "ich9-usb-uhci2", "ich9-usb-uhci3",
		"nec-usb-xhci", "usb-host"};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (!strcmp(known[i], text)) {
			return true;
		}
	}
	for (unsigned i = 0; f->seen && i < f->seen->len; i++) {
		if (!strcmp(f->seen->types[i], text)) {
			return is_cpu_type(text);
		}
	}
	return false;
}

static bool fits_pattern(const struct qmpfilter *f, enum qmp_pattern pattern, const char *text)
{
	switch (pattern) {
	case QMP_FDSET_PATH:
		return f->peer == QMP_PEER_DOM0 || is_fdset_path(text);
	case QMP_DEVICE_ID:
		return is_device_id(text);
	case QMP_DRIVER:
		return is_driver(f, text);
	case QMP_PCI_ADDRESS:
		return is_pci_address(text);
	case QMP_TEXT:
		break;
	}
	return true;
}

static bool fits(
	const struct qmpfilter *f, const struct qmp_shape *shape, struct json_object *value)
{
	static const enum json_type types[] = {[QMP_INT] = json_type_int,
		[QMP_STRING] = json_type_string,
		[QMP_BOOL] = json_type_boolean,
		[QMP_OBJECT] = json_type_object,
		[QMP_ARRAY] = json_type_array};
	int64_t number;

	if (shape->type == QMP_ANY) {
		return true;
	}
	if (!json_object_is_type(value, types[shape->type])) {
		return false;
	}
	if (shape->type == QMP_INT) {
		number = json_object_get_int64(value);
		return number >= shape->min && number <= shape->max &&
		       json_object_get_uint64(value) <= INT64_MAX;
	}
	return shape->type != QMP_STRING ||
	       fits_pattern(f, shape->pattern, json_object_get_string(value));
}

static const struct qmp_shape *find_shape(const struct qmp_shape *shapes, const char *key)
{
	for (; shapes && shapes->key; shapes++) {
		if (!strcmp(shapes->key, key)) {
			return shapes;
		}
	}
	return NULL;
}

static enum qmp_verdict check_arguments(
	const struct qmpfilter *f, struct json_object *arguments, struct qmpfilter_result *ret)
{
	const struct qmp_shape *shapes = ret->command->args;

	if (arguments) {
		json_object_object_foreach (arguments, key, value) {
			const struct qmp_shape *shape = find_shape(shapes, key);

			if (!shape || !fits(f, shape, value)) {
				return refuse(ret, "xendmd: argument \"%.64s\" of %s is %s", key,
					ret->command->name,
					shape ? "not of a form that is passed on"
					      : "not one that is passed on");
			}
		}
	}
	for (; shapes && shapes->key; shapes++) {
		if (shapes->required && !json_object_object_get_ex(arguments, shapes->key, NULL)) {
			return refuse(ret, "xendmd: %s needs an argument \"%s\"",
				ret->command->name, shapes->key);
		}
	}
	return QMP_PASS;
}

/* Not every name that JSON can hold is one that QEMU could have. */
static bool is_command_name(const char *name)
{
	size_t len = strlen(name);

	return len <= 64 && all_of(name, len, "_-.");
}

/* The shapes of arguments are what libxl sends; the host's administrator may say more. */
static bool has_argument_list(const struct qmpfilter *f, const struct qmp_command *command)
{
	return !(command->flags & QMP_ANY_ARGS) &&
	       (f->class != QMP_CLASS_ADMIN || f->peer == QMP_PEER_VCHAN);
}

/* P1. human-monitor-command is every command at once: no policy gives it to another class. */
static bool is_allowed(
	const struct qmpfilter *f, const char *name, const struct qmp_command *command)
{
	bool listed = command->classes & 1u << f->class;

	return (listed || !(command->flags & QMP_HMP)) &&
	       qmp_policy_allows(f->policy, f->class, name, listed);
}

enum qmp_verdict qmpfilter_request(const struct qmpfilter *f, const struct qmp_request *request,
	bool has_fd, struct qmpfilter_result *ret)
{
	const char *name = request->command;
	const struct qmp_command *command;

	*ret = (struct qmpfilter_result){.command = command = qmp_command_find(name)};
	if (!is_command_name(name)) {
		return refuse(ret, "xendmd: no command has such a name");
	}
	if (!strcmp(name, "qmp_capabilities")) {
		return QMP_ANSWER;
	}
	if (!is_allowed(f, name, command)) {
		return refuse(ret, "xendmd: %s is not allowed to clients of class %s", name,
			class_names[f->class]);
	}
	if (f->peer == QMP_PEER_VCHAN && command->flags & QMP_DOM0_ONLY) {
		return refuse(ret, "xendmd: %s is not allowed with a stub domain", name);
	}
	if (f->peer == QMP_PEER_VCHAN && has_fd) {
		return refuse(ret, "xendmd: no descriptor can be passed into a stub domain");
	}
	if (command->flags & QMP_WITH_FD && !has_fd) {
		return refuse(ret, "xendmd: no descriptor came with %s", name);
	}
	return has_argument_list(f, command) ? check_arguments(f, request->arguments, ret)
					     : QMP_PASS;
}

static struct json_object *shaped(const struct qmpfilter *f, enum qmp_type type,
	const struct qmp_shape *shape, struct json_object *value, const char **ret_bad);

/* The known members of an object. The recursion is as deep as the const table. */
static struct json_object *shaped_object(const struct qmpfilter *f, const struct qmp_shape *shapes,
	struct json_object *value, const char **ret_bad)
{
	_cleanup_json_ struct json_object *copy = json_object_new_object();

	json_object_object_foreach (value, key, member) {
		const struct qmp_shape *shape = find_shape(shapes, key);
		struct json_object *kept;

		if (!shape) {
			continue;
		}
		if (!fits(f, shape, member)) {
			*ret_bad = shape->key;
			return NULL;
		}
		kept = shaped(f, shape->type, shape->inner, member, ret_bad);
		if (!kept || json_object_object_add(copy, shape->key, kept) < 0) {
			json_object_put(kept);
			return NULL;
		}
	}
	return TAKE_PTR(copy);
}

static struct json_object *shaped_array(const struct qmpfilter *f, const struct qmp_shape *shapes,
	struct json_object *value, const char **ret_bad)
{
	_cleanup_json_ struct json_object *copy = json_object_new_array();

	for (size_t i = 0; i < json_object_array_length(value); i++) {
		struct json_object *element = json_object_array_get_idx(value, i), *kept;

		if (!json_object_is_type(element, json_type_object)) {
			*ret_bad = "an element";
			return NULL;
		}
		kept = shaped_object(f, shapes, element, ret_bad);
		if (!kept || json_object_array_add(copy, kept) < 0) {
			json_object_put(kept);
			return NULL;
		}
	}
	return TAKE_PTR(copy);
}

static struct json_object *shaped(const struct qmpfilter *f, enum qmp_type type,
	const struct qmp_shape *shape, struct json_object *value, const char **ret_bad)
{
	switch (type) {
	case QMP_OBJECT:
		return shaped_object(f, shape, value, ret_bad);
	case QMP_ARRAY:
		return shaped_array(f, shape, value, ret_bad);
	default:
		return json_object_get(value);
	}
}

/* P3 is for programs of the host that act on what they read. People get what was said. */
static bool has_reply_shape(const struct qmpfilter *f)
{
	return f->class == QMP_CLASS_LIBXL || f->class == QMP_CLASS_STATS;
}

static enum qmp_verdict hmp_return(
	struct json_object *body, struct json_object **ret, struct qmpfilter_result *why)
{
	if (!json_object_is_type(body, json_type_string)) {
		return refuse(why, "xendmd: the device model's answer is no text");
	}
	*ret = json_object_get(body); /* qmp_text() makes it harmless */
	return QMP_PASS;
}

enum qmp_verdict qmpfilter_return(const struct qmpfilter *f, const struct qmp_command *command,
	struct json_object *body, struct json_object **ret, struct qmpfilter_result *why)
{
	const struct qmp_shape whole = {.type = command->reply_type};
	const char *bad = "the whole";

	*why = (struct qmpfilter_result){.command = command};
	if (command->flags & QMP_HMP) {
		return hmp_return(body, ret, why);
	}
	if (has_reply_shape(f) && command->flags & QMP_NO_DATA) {
		*ret = json_object_new_object();
		return QMP_PASS;
	}
	if (!has_reply_shape(f) || !command->reply) {
		*ret = json_object_get(body);
		return QMP_PASS;
	}
	*ret = fits(f, &whole, body) ? shaped(f, command->reply_type, command->reply, body, &bad)
				     : NULL;
	return *ret ? QMP_PASS
		    : refuse(why, "xendmd: the device model's answer to %s is wrong (%s)",
			      command->name, bad);
}

void qmpfilter_error(const struct qmpfilter *f, const struct qmp_command *command,
	const char *error_class, const char *desc, struct qmpfilter_result *ret)
{
	static const char *const classes[] = {
		"CommandNotFound", "DeviceNotActive", "DeviceNotFound", "KVMMissingCap"};

	*ret = (struct qmpfilter_result){.command = command, .error_class = GENERIC};
	snprintf(ret->text, sizeof(ret->text), "%s", desc);
	qmp_sanitise(ret->text, sizeof(ret->text) - 1);
	for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		if (!strcmp(classes[i], error_class)) {
			ret->error_class = classes[i];
		}
	}
	/* It would send libxl to another command, which must be one that exists. */
	if (ret->error_class == classes[0] && has_reply_shape(f) &&
		!(command->flags & QMP_FALLBACK)) {
		ret->error_class = GENERIC;
	}
}

bool qmpfilter_event(const struct qmpfilter *f, const char *name)
{
	const struct qmp_event_rule *rule = qmp_event_find(name);

	return rule && rule->classes & 1u << f->class && (f->peer == QMP_PEER_DOM0 || rule->vchan);
}

static bool is_seen(const struct qmp_seen *seen, const char *type)
{
	for (unsigned i = 0; i < seen->len; i++) {
		if (!strcmp(seen->types[i], type)) {
			return true;
		}
	}
	return false;
}

void qmp_seen_take(struct qmp_seen *seen, struct json_object *body)
{
	size_t len =
		json_object_is_type(body, json_type_array) ? json_object_array_length(body) : 0;

	*seen = (struct qmp_seen){0};
	for (size_t i = 0; i < len && seen->len < QMP_SEEN_MAX; i++) {
		struct json_object *type = NULL;
		const char *text;

		json_object_object_get_ex(json_object_array_get_idx(body, i), "type", &type);
		text = json_object_is_type(type, json_type_string) ? json_object_get_string(type)
								   : "";
		if (is_cpu_type(text) && !is_seen(seen, text)) {
			snprintf(seen->types[seen->len++], LIMIT_QMP_TYPE_BYTES, "%s", text);
		}
	}
}
