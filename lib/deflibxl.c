/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/deflibxl.h"

#include <errno.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/libxlconf.h"

#define STEPS_MAX 3 /* of a path below the configuration */

/* The node at PATH below the configuration; where it is not there, the last one that is. NODES
 * keep the way to it. */
static const struct json_node *find(const struct json_node *config,
	const char *const path[STEPS_MAX], struct json_node nodes[STEPS_MAX])
{
	const struct json_node *at = config;

	for (unsigned i = 0; i < STEPS_MAX && path[i]; i++) {
		if (!json_object_is_type(at->value, json_type_object) ||
			!json_member(at, path[i], &nodes[i])) {
			break;
		}
		at = &nodes[i];
	}
	return at;
}

/* Where the configuration itself is: "libxl" or "libxl.config". */
static const struct json_node *find_config(const struct json_node *root, struct json_node nodes[2])
{
	json_member(root, "libxl", &nodes[0]);
	return json_member(&nodes[0], "config", &nodes[1]) ? &nodes[1] : &nodes[0];
}

static bool is_stub(enum definition_kind kind)
{
	return kind == DEFINITION_STUBDOM_LINUX || kind == DEFINITION_STUBDOM_MINIOS;
}

/* A PV guest's QEMU can be wanted before the guest has what needs it. */
static bool agrees(enum definition_kind given, enum definition_kind follows)
{
	return given == DEFINITION_NO_DM || given == follows ||
	       (given == DEFINITION_QEMU && follows == DEFINITION_NO_DM);
}

static int check_kind(const struct json_node *root, const struct definition *d,
	enum definition_kind follows, struct err *err)
{
	struct json_node config_nodes[2], nodes[STEPS_MAX];
	const struct json_node *config = find_config(root, config_nodes);
	const char *const path[STEPS_MAX] = {d->libxl->type == LIBXL_HVM ? "b_info" : "c_info",
		d->libxl->type != LIBXL_HVM	       ? "type"
		: is_stub(d->kind) == is_stub(follows) ? "device_model_version"
						       : "device_model_stubdomain"};

	return json_fail(find(config, path, nodes), -EINVAL, err,
		"gives the kind \"%s\", but \"kind\" is \"%s\"", definition_kind_name(follows),
		definition_kind_name(d->kind));
}

int deflibxl_parse(const struct json_node *root, struct definition *d, struct err *err)
{
	enum definition_kind follows;
	struct json_node node;
	int r;

	if (d->source != DEFINITION_LIBXL) {
		return 0;
	}
	json_member(root, "libxl", &node);
	r = libxlconf_parse(&node, false, &d->libxl, err);
	if (r < 0) {
		return r;
	}
	follows = libxlconf_kind(d->libxl);
	if (d->kind == DEFINITION_KIND_NONE_GIVEN) {
		d->kind = follows;
	}
	return agrees(d->kind, follows) ? 0 : check_kind(root, d, follows, err);
}
