/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/defparts.h"

#include <errno.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/limits.h"
#include "lib/parse.h"
#include "lib/subst.h"

#define NO_UID UINT32_MAX /* chown(2) and setuid(2) take it as "unchanged" */

int defparts_each_string(
	const struct json_node *node, defparts_string_fn check, void *ctx, struct err *err)
{
	int r = 0;

	if (json_object_is_type(node->value, json_type_string)) {
		return check(node, ctx, err);
	}
	if (json_object_is_type(node->value, json_type_array)) {
		for (size_t i = 0; i < json_length(node) && r == 0; i++) {
			struct json_node child = json_element(node, i);

			r = defparts_each_string(&child, check, ctx, err);
		}
	}
	if (json_object_is_type(node->value, json_type_object)) {
		json_object_object_foreach (node->value, key, value) {
			struct json_node child = {
				.doc = node->doc, .parent = node, .key = key, .value = value};

			if (r == 0) {
				r = defparts_each_string(&child, check, ctx, err);
			}
		}
	}
	return r;
}

static int check_placeholders(const struct json_node *node, void *ctx, struct err *err)
{
	struct err why = {0};
	size_t offset;

	if (subst_check(json_object_get_string(node->value), &offset, &why) < 0) {
		return json_fail_at(node, offset, err, "%s", why.text);
	}
	return 0;
}

int defparts_check_placeholders(const struct json_node *node, struct err *err)
{
	return defparts_each_string(node, check_placeholders, NULL, err);
}

int defparts_path(const struct json_node *node, unsigned forms, const char **ret, struct err *err)
{
	const char *path;
	int r = json_text(node, &path, err);

	if (r < 0) {
		return r;
	}
	if (*path == '/' || ((forms & DEFPARTS_PATH_SUBST) && *path == '$') ||
		((forms & DEFPARTS_PATH_BARE) && !strchr(path, '/'))) {
		*ret = path;
		return forms & DEFPARTS_PATH_SUBST ? defparts_check_placeholders(node, err) : 0;
	}
	return json_fail(node, -EINVAL, err, "must begin with \"/\"%s, is \"%.64s\"",
		forms & DEFPARTS_PATH_BARE ? " or be a bare file name" : "", path);
}

/* null means that there is no limit. */
static int parse_memory_max(const struct json_node *node, uint64_t *ret, struct err *err)
{
	if (!node->value) {
		*ret = 0;
		return 0;
	}
	return json_u64(node, 1, UINT64_C(1) << 24, ret, err);
}

int defparts_limits(const struct json_node *node, struct definition_limits *limits, unsigned *given,
	struct err *err)
{
	static const char *const known[] = {
		"memory_max_mib", "cpu_weight", "pids_max", "log_max_mib", "start_timeout_s", NULL};
	const struct {
		const char *key;
		unsigned min, max, *value, bit;
	} numbers[] = {{"cpu_weight", 1, 10000, &limits->cpu_weight, DEFINITION_GIVES_CPU_WEIGHT},
		{"pids_max", 1, 4194304, &limits->pids_max, DEFINITION_GIVES_PIDS_MAX},
		{"log_max_mib", 1, 1048576, &limits->log_max_mib, DEFINITION_GIVES_LOG_MAX},
		{"start_timeout_s", 1, 86400, &limits->start_timeout_s,
			DEFINITION_GIVES_START_TIMEOUT}};
	struct json_node member;
	int r = json_check_keys(node, known, err);

	for (size_t i = 0; i < ARRAY_SIZE(numbers) && r == 0; i++) {
		if (json_member(node, numbers[i].key, &member)) {
			r = json_unsigned(
				&member, numbers[i].min, numbers[i].max, numbers[i].value, err);
			*given |= numbers[i].bit;
		}
	}
	if (r == 0 && json_member(node, "memory_max_mib", &member)) {
		r = parse_memory_max(&member, &limits->memory_max_mib, err);
		*given |= DEFINITION_GIVES_MEMORY_MAX;
	}
	return r;
}

static int check_objects(const struct json_node *node, enum json_type type, struct err *err)
{
	int r = json_check_type(node, json_type_array, err);

	for (size_t i = 0; r == 0 && i < json_length(node); i++) {
		struct json_node element = json_element(node, i);

		r = json_check_type(&element, type, err);
	}
	return r;
}

/* Devices in libxl's JSON form: arrays, whose elements are looked into when they are used. */
static int check_stubdom_devices(
	const struct json_node *node, enum definition_source source, struct err *err)
{
	static const char *const keys[] = {"disks", "nics", "channels", "vfb", "pci", "serials"};
	struct json_node member;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(keys) && r == 0; i++) {
		if (!json_member(node, keys[i], &member)) {
			continue;
		}
		if (source != DEFINITION_ARGV && source != DEFINITION_TYPED) {
			return json_fail(&member, -EINVAL, err,
				"only beside \"argv\" or \"qemu\"; libxl's configuration has its "
				"own");
		}
		r = check_objects(&member,
			strcmp(keys[i], "serials") ? json_type_object : json_type_string, err);
	}
	return r;
}

int defparts_stubdom(const struct json_node *node, enum definition_source source, struct err *err)
{
	static const char *const known[] = {"kernel", "ramdisk", "cmdline", "memory_mib", "vcpus",
		"seclabel", "cpupool", "run_hotplug_scripts", "disks", "nics", "serials",
		"channels", "vfb", "pci", NULL};
	static const char *const images[] = {"kernel", "ramdisk"};
	static const char *const texts[] = {"cmdline", "seclabel", "cpupool"};
	struct json_node member;
	unsigned number;
	const char *text;
	bool flag;
	int r = json_check_keys(node, known, err);

	for (size_t i = 0; i < ARRAY_SIZE(images) && r == 0; i++) {
		if (json_member(node, images[i], &member)) {
			r = defparts_path(
				&member, DEFPARTS_PATH_BARE | DEFPARTS_PATH_SUBST, &text, err);
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(texts) && r == 0; i++) {
		if (json_member(node, texts[i], &member)) {
			r = i ? json_text(&member, &text, err) : json_string(&member, &text, err);
		}
	}
	if (r < 0 || (r = json_get_unsigned(node, "memory_mib", 1, 1048576, &number, err)) < 0 ||
		(r = json_get_unsigned(node, "vcpus", 1, 512, &number, err)) < 0 ||
		(r = json_get_bool(node, "run_hotplug_scripts", &flag, err)) < 0 ||
		(r = check_stubdom_devices(node, source, err)) < 0) {
		return r;
	}
	return defparts_check_placeholders(node, err);
}

static bool parse_uid(const char *text, size_t len)
{
	char copy[16];
	uint32_t id;

	if (len >= sizeof(copy)) {
		return false;
	}
	memcpy(copy, text, len);
	copy[len] = '\0';
	return parse_u32(copy, NO_UID - 1, &id) == 0;
}

/* "auto", a name, "uid:gid" or null. */
static int check_user(const struct json_node *node, struct err *err)
{
	const char *text, *colon;
	int r;

	if (!node->value) {
		return 0;
	}
	r = json_text(node, &text, err);
	if (r < 0) {
		return r;
	}
	colon = strchr(text, ':');
	if (colon ? parse_uid(text, colon - text) && parse_uid(colon + 1, strlen(colon + 1))
		  : strlen(text) <= 32 && !strpbrk(text, "/ \t\n") && *text != '-') {
		return 0;
	}
	return json_fail(node, -EINVAL, err,
		"must be \"auto\", a user's name, \"uid:gid\" in numbers or null, is \"%.64s\"",
		text);
}

/* true, false or "auto". */
static int check_switch(const struct json_node *node, struct err *err)
{
	if (json_object_is_type(node->value, json_type_boolean) ||
		(json_object_is_type(node->value, json_type_string) &&
			!strcmp(json_object_get_string(node->value), "auto"))) {
		return 0;
	}
	return json_fail(node, -EINVAL, err, "must be true, false or \"auto\"");
}

static int check_namespaces(const struct json_node *node, struct err *err)
{
	static const char *const names[] = {"mount", "ipc", "net", NULL};
	static const char *const automatic[] = {"auto", NULL};
	unsigned which, seen = 0;
	int r;

	if (json_object_is_type(node->value, json_type_string)) {
		return json_enum(node, automatic, &which, err);
	}
	r = json_check_type(node, json_type_array, err);
	if (r < 0) {
		return json_fail(node, r, err,
			"must be \"auto\" or a list of \"mount\", \"ipc\" and \"net\"");
	}
	for (size_t i = 0; i < json_length(node); i++) {
		struct json_node element = json_element(node, i);

		r = json_enum(&element, names, &which, err);
		if (r < 0) {
			return r;
		}
		if (seen & 1u << which) {
			return json_fail(
				&element, -EINVAL, err, "\"%s\" stands twice", names[which]);
		}
		seen |= 1u << which;
	}
	return 0;
}

int defparts_confinement(const struct json_node *node, struct err *err)
{
	static const char *const known[] = {
		"user", "domid_restrict", "chroot", "namespaces", "seccomp", NULL};
	struct json_node member;
	bool flag;
	int r = json_check_keys(node, known, err);

	if (r == 0 && json_member(node, "user", &member)) {
		r = check_user(&member, err);
	}
	if (r == 0 && json_member(node, "domid_restrict", &member)) {
		r = check_switch(&member, err);
	}
	if (r == 0 && json_member(node, "namespaces", &member)) {
		r = check_namespaces(&member, err);
	}
	if (r < 0 || (r = json_get_bool(node, "chroot", &flag, err)) < 0) {
		return r;
	}
	return json_get_bool(node, "seccomp", &flag, err);
}
