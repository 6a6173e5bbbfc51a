/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A definition, or a typed description by itself (the first byte says which, and for which QEMU):
 * parsed, planned and printed; and each device of the latter as one that is plugged into that
 * machine. What passes keeps the bounds of a command line, and what is refused has a reason.
 */
#include <errno.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/definition.h"
#include "lib/hotplug.h"
#include "lib/json.h"
#include "lib/limits.h"
#include "lib/typed.h"
#include "tests/fuzz/fuzz.h"

static const unsigned versions[] = {0, 702, 802, 901, 1000};

static void check_argv(const struct strv *argv)
{
	CHECK(argv->len > 0 && argv->len <= LIMIT_ARGV_ITEMS);
	for (size_t i = 0; i < argv->len; i++) {
		CHECK(argv->items[i] && strlen(argv->items[i]) <= LIMIT_ARG_BYTES);
	}
}

static void plug_in(struct json_object *device, const struct plan *plan, unsigned version)
{
	const struct hotplug_context context = {
		.argv = &plan->argv, .qemu_version = version ? version : 702, .serial = 1};
	struct hotplug_plan steps;
	struct err err;

	if (hotplug_plan(device, &context, &steps, &err) < 0) {
		CHECK(err.code < 0 && *err.text);
		return;
	}
	CHECK(json_object_array_length(steps.steps) > 0);
	hotplug_plan_fini(&steps);
}

static void plan_fragment(const struct json_doc *doc, const struct plan_context *context,
	const struct plan_config *config)
{
	struct json_node root = json_doc_root(doc), devices;
	struct plan plan;
	struct err err;

	if (typed_check(&root, &err) < 0) {
		CHECK(err.code < 0 && *err.text);
		return;
	}
	if (plan_typed(root.value, context, config, &plan, &err) < 0) {
		CHECK(err.code < 0 && *err.text);
		return;
	}
	check_argv(&plan.argv);
	if (json_member(&root, "devices", &devices)) {
		for (size_t i = 0; i < json_length(&devices); i++) {
			plug_in(json_element(&devices, i).value, &plan, config->qemu_version);
		}
	}
	plan_fini(&plan);
}

static void plan_definition(const char *text, size_t len, const struct plan_context *context,
	const struct plan_config *config)
{
	_cleanup_definition_ struct definition *d = NULL;
	_cleanup_free_ char *program = NULL;
	struct plan plan;
	struct err err;

	if (definition_parse_given("d", text, len, &d, &err) < 0) {
		CHECK(err.code < 0 && *err.text);
		return;
	}
	plan_depends_on_version(d, context, config, &program);
	if (plan_build(d, context, config, &plan, &err) < 0) {
		CHECK(err.code < 0 && *err.text);
		return;
	}
	check_argv(&plan.argv);
	plan_fini(&plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct plan_context context = {.domid = 7,
		.uuid = "4cb19522-1e18-439a-883a-f9b2a3a95f5e",
		.name = "a,b=c/../$DOMID",
		.run_dir = "/run/xendmd/dm/7",
		.log_file = "/var/log/xen/qemu-dm-a.log",
		.qmp_socket = "/run/xendmd/dm/7/own-qmp",
		.memory_mib = 1024,
		.vcpus = 2};
	struct plan_config config = {.default_binary = "/bin/sh", .unchecked = true};
	const char *text = (const char *)data + 1;
	_cleanup_json_doc_ struct json_doc doc = {0};
	struct err err;

	if (size < 1) {
		return 0;
	}
	config.qemu_version = versions[(data[0] >> 1) % ARRAY_SIZE(versions)];
	if (data[0] & 1) {
		plan_definition(text, size - 1, &context, &config);
	} else if (json_doc_parse(&doc, "d", text, size - 1, &err) == 0) {
		plan_fragment(&doc, &context, &config);
	}
	return 0;
}
