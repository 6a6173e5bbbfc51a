/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What no single key of a definition shows: which exclude each other, what the policy needs of the
 * machine, and what this version can't do with all of it.
 */
#include "lib/defwhole.h"

#include <errno.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/dmopt.h"
#include "lib/libxlconf.h"
#include "lib/typed.h"

static bool is_stubdom(enum definition_kind kind)
{
	return kind == DEFINITION_STUBDOM_LINUX || kind == DEFINITION_STUBDOM_MINIOS;
}

/* A definition's arguments have no program before them. */
static bool is_xenpv(const struct strv *arguments)
{
	_cleanup_(strv_fini) struct strv argv = {0};

	strv_add(&argv, "");
	strv_add_all(&argv, arguments);
	return dmopt_is_xenpv(&argv);
}

/* Is it surely no device model of a PV or PVH guest? Only those can start again without losing
 * what the guest sees; where the command line is not known yet the question waits. */
static bool surely_not_xenpv(const struct json_node *root, const struct definition *d)
{
	struct json_node qemu, machine, type;

	if (is_stubdom(d->kind) || (d->libxl && d->libxl->type == LIBXL_HVM)) {
		return true;
	}
	if (d->source == DEFINITION_TYPED && json_member(root, "qemu", &qemu) &&
		json_member(&qemu, "machine", &machine) && json_member(&machine, "type", &type)) {
		return !json_object_is_type(type.value, json_type_string) ||
		       strncmp(json_object_get_string(type.value), "xenpv", 5) != 0;
	}
	if (d->source != DEFINITION_ARGV) {
		return false;
	}
	return !is_xenpv(&d->argv);
}

static int check_on_exit(const struct json_node *root, struct definition *d, struct err *err)
{
	struct json_node node;

	if (d->on_exit != ON_EXIT_RESTART || !surely_not_xenpv(root, d)) {
		return 0;
	}
	json_member(root, "on_exit", &node);
	return json_fail(&node, -EINVAL, err,
		"\"restart\" is only for device models of \"-machine xenpv\": others would "
		"lose the guest's state");
}

/* With a command line that is given, somebody has to say where the state goes. */
static int check_restore(const struct json_node *root, const struct definition *d, struct err *err)
{
	struct json_node node, qemu, incoming;
	const struct strv *lists[] = {&d->argv, &d->extra_args};

	if (!json_member(root, "restore_from", &node)) {
		return 0;
	}
	if (json_member(root, "qemu", &qemu) && json_member(&qemu, "incoming", &incoming)) {
		return json_fail(&node, -EINVAL, err, "not possible beside \"qemu.incoming\"");
	}
	for (size_t i = 0; i < ARRAY_SIZE(lists) && d->source == DEFINITION_ARGV; i++) {
		STRV_FOREACH (item, lists[i]) {
			if (strstr(item, "STUBDOM_RESTORE_INCOMING_ARG")) {
				return 0;
			}
		}
	}
	return d->source == DEFINITION_ARGV ? json_fail(&node, -EINVAL, err,
						      "no argument takes it; say \"-incoming\", "
						      "\"$STUBDOM_RESTORE_INCOMING_ARG\"")
					    : 0;
}

static int check_daemonize(
	const struct json_node *root, const struct definition *d, struct err *err)
{
	static const char *const keys[] = {"argv", "extra_args"};
	const struct strv *lists[] = {&d->argv, &d->extra_args};
	struct json_node node, element;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		for (size_t j = 0; j < lists[i]->len && json_member(root, keys[i], &node); j++) {
			if (dmopt_is(lists[i]->items[j], "-daemonize")) {
				element = json_element(&node, j);
				return json_fail(&element, -EINVAL, err, TYPED_NO_DAEMON);
			}
		}
	}
	return 0;
}

/* Keys that exclude each other. */
static int check_together(const struct json_node *root, struct definition *d, struct err *err)
{
	struct json_node node;
	int r;

	if (is_stubdom(d->kind) && json_member(root, "binary", &node)) {
		return json_fail(&node, -EINVAL, err, "not possible beside \"kind\": \"%s\"",
			definition_kind_name(d->kind));
	}
	if (d->kind != DEFINITION_KIND_NONE_GIVEN && !is_stubdom(d->kind) &&
		json_member(root, "stubdom", &node)) {
		return json_fail(&node, -EINVAL, err, "not possible beside \"kind\": \"%s\"",
			definition_kind_name(d->kind));
	}
	r = check_daemonize(root, d, err);
	return r < 0 ? r : check_restore(root, d, err);
}

/* Notes the first of KEYS that is there. */
static void note_keys(const struct json_node *root, const char *const *keys, struct err *why)
{
	struct json_node node;

	for (; *keys && !why->code; keys++) {
		if (json_member(root, *keys, &node)) {
			json_fail(&node, -EOPNOTSUPP, why,
				"\"%s\" is not supported by this version of xendmd", *keys);
		}
	}
}

static void note_stubdom(const struct json_node *root, const struct definition *d, struct err *why)
{
	struct json_node node;

	if (is_stubdom(d->kind)) {
		if (!json_member(root, "kind", &node)) {
			json_member(root, "libxl", &node);
		}
		json_fail(&node, -EOPNOTSUPP, why,
			"the kind \"%s\" is not supported by this version of xendmd",
			definition_kind_name(d->kind));
	}
}

/* Notes what this version can't make a command line of, with its place. */
static int note_unsupported(const struct json_node *root, struct definition *d, struct err *err)
{
	static const char *const keys[] = {"confinement", NULL};
	static const char *const beside_handoff[] = {"files", "restore_from", NULL};
	static const char *const without_libxl[] = {"stubdom", NULL};
	struct err why = {0};

	if (d->source != DEFINITION_LIBXL) {
		note_stubdom(root, d, &why);
		note_keys(root, without_libxl, &why);
	}
	if (d->source == DEFINITION_HANDOFF) {
		note_keys(root, beside_handoff, &why);
	}
	note_keys(root, keys, &why);
	return why.code ? json_copy_text(root, why.text, &d->unsupported, err) : 0;
}

/* The same for what can be rendered, but not started. */
static int note_unstartable(const struct json_node *root, struct definition *d, struct err *err)
{
	static const char *const keys[] = {"stubdom", NULL};
	struct err why = {0};

	if (d->source != DEFINITION_LIBXL) {
		return 0;
	}
	note_stubdom(root, d, &why);
	note_keys(root, keys, &why);
	return why.code ? json_copy_text(root, why.text, &d->unstartable, err) : 0;
}

int defwhole_check(const struct json_node *root, struct definition *d, struct err *err)
{
	static int (*const checks[])(const struct json_node *, struct definition *,
		struct err *) = {check_on_exit, check_together, note_unsupported, note_unstartable};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(checks) && r == 0; i++) {
		r = checks[i](root, d, err);
	}
	return r;
}
