/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* What virtio devices have in common: a driver for each transport, and properties that only some
 * transports know. */
#include "lib/typed_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"

enum transport { TRANSPORT_PCI, TRANSPORT_CCW, TRANSPORT_MMIO };
const char *const typed_transports[] = {"pci", "ccw", "mmio", NULL};
static const char *const suffixes[] = {"-pci", "-ccw", "-device"};

/* Where no device says otherwise. */
static enum transport transport_of_machine(struct json_object *root)
{
	const char *type = typed_text(json_object_object_get(root, "machine"), "type");

	if (!type) {
		return TRANSPORT_PCI;
	}
	return !strcmp(type, "microvm")	       ? TRANSPORT_MMIO
	       : !strncmp(type, "s390-ccw", 8) ? TRANSPORT_CCW
					       : TRANSPORT_PCI;
}

static enum transport transport_of(const struct typed_emit *e, struct json_object *o)
{
	const char *name = typed_text(o, "transport");

	for (unsigned i = 0; name && typed_transports[i]; i++) {
		if (!strcmp(name, typed_transports[i])) {
			return i;
		}
	}
	return transport_of_machine(e->root);
}

/* One that the transport is added to. */
static bool is_base(const char *name)
{
	static const char *const bases[] = {"virtio-net", "virtio-blk", "virtio-serial",
		"virtio-9p", "virtio-scsi", "virtio-rng", "virtio-balloon", "vhost-vsock",
		"vhost-user-scsi", "vhost-user-blk", "vhost-user-fs", NULL};

	for (unsigned i = 0; bases[i]; i++) {
		if (!strcmp(name, bases[i])) {
			return true;
		}
	}
	return false;
}

void typed_virtio_driver(const struct typed_emit *e, struct json_object *o, const char *base,
	char ret[TYPED_DRIVER_MAX])
{
	snprintf(ret, TYPED_DRIVER_MAX, "%s%s", base,
		is_base(base) ? suffixes[transport_of(e, o)] : "");
}

bool typed_is_pci(const char *driver)
{
	size_t len = strlen(driver);

	return len > 4 && !strcmp(driver + len - 4, "-pci");
}

void typed_virtio_common(struct typed_emit *e, struct json_object *o, const char *driver)
{
	typed_copy(e, o, "disable-modern", "disable_modern");
	typed_copy(e, o, "bus", "bus");
	typed_set_addr(e, o);
	if (typed_is_pci(driver) || !strcmp(driver, "vfio-pci")) {
		typed_copy(e, o, "romfile", "rom_file");
	}
	typed_copy(e, o, "devno", "dev_no");
}

static bool has_transport(const struct json_node *o, const char *name)
{
	const char *given = typed_text(o->value, "transport");

	return given && !strcmp(given, name);
}

/* A driver without a transport in its name, which is none of those that get one. */
static bool is_other(const char *driver)
{
	return driver && !is_base(driver) &&
	       (strncmp(driver, "virtio-", 7) != 0 || !typed_is_pci(driver)) &&
	       strncmp(driver, "vhost-", 6) != 0;
}

int typed_virtio_check(const struct json_node *o, const char *driver, struct err *err)
{
	static const char *const of_pci[] = {"disable_modern", "rom_file", "addr"};
	bool pci = !has_transport(o, "ccw") && !has_transport(o, "mmio");
	struct json_node member;

	for (size_t i = 0; i < ARRAY_SIZE(of_pci) && !pci; i++) {
		if (typed_has(o, of_pci[i])) {
			json_member(o, of_pci[i], &member);
			return json_fail(&member, -EINVAL, err, "only on PCI");
		}
	}
	if (typed_has(o, "dev_no") && !has_transport(o, "ccw")) {
		json_member(o, "dev_no", &member);
		return json_fail(&member, -EINVAL, err, "only with \"transport\": \"ccw\"");
	}
	if (typed_has(o, "disable_modern") && is_other(driver)) {
		json_member(o, "disable_modern", &member);
		return json_fail(&member, -EINVAL, err,
			"only a virtio device on PCI has this, \"%.64s\" is none", driver);
	}
	return 0;
}
