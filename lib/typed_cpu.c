/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* A CPU that is a device: beside those of "smp", as far as "max_cpus" leaves room. */
#include "lib/typed_devices.h"

#define PLACE_MAX 4095

/* A machine that runs tells what its CPUs are called. */
static int check_cpu(const struct json_node *o, struct err *err)
{
	return json_object_object_get_ex(o->doc->root, "device", NULL)
		       ? 0
		       : typed_require(
				 o, "driver", "the CPU's type, as \"qemu64-x86_64-cpu\"", err);
}

static void emit_cpu(struct typed_emit *e, struct json_object *o)
{
	static const char *const pairs[][2] = {{"id", "id"}, {"socket-id", "socket_id"},
		{"die-id", "die_id"}, {"core-id", "core_id"}, {"thread-id", "thread_id"}, {NULL}};
	const char *driver = typed_text(o, "driver");

	if (driver) {
		vmdesc_list(e->d, "-device", "driver", "%s", driver);
	} else {
		vmdesc_list_keyed(e->d, "-device");
	}
	typed_copy_all(e, o, pairs);
}

static const struct typed_field cpu_fields[] = {
	TYPED_KIND_FIELD,
	{"id", TYPED_ID, .required = true},
	{"driver", TYPED_TEXT},
	{"socket_id", TYPED_UINT, .max = PLACE_MAX},
	{"die_id", TYPED_UINT, .max = PLACE_MAX},
	{"core_id", TYPED_UINT, .max = PLACE_MAX},
	{"thread_id", TYPED_UINT, .max = PLACE_MAX},
	{0},
};
const struct typed_kind typed_cpu = {"cpu", {cpu_fields, check_cpu}, emit_cpu};
