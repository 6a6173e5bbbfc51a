/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a toolstack writes to xenstore for an HVM domain without devices: the nodes, values,
 * permissions and order seen under stock xl (corpus of libxl-xenstore). Each group of nodes is one
 * transaction. A writer carries the first error along, so that the lists below stay lists.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <xenstore.h>

#include "mkdom.h"

#define TRANSACTION_TRIES 50

/* Who may do what with a node. */
enum access {
	ACCESS_INHERIT, /* as the parent */
	ACCESS_DOM0,	/* n0 */
	ACCESS_READ,	/* n0, rG */
	ACCESS_OWN,	/* nG */
	ACCESS_FRONTEND /* nG, r0 */
};

struct writer {
	struct xs_handle *xs;
	xs_transaction_t t;
	const struct mkdom *m;
	char uuid[37];
	int error;
};

static void writer_fail(struct writer *w)
{
	if (w->error == 0) {
		w->error = errno ? -errno : -EIO;
	}
}

static void set_access(struct writer *w, const char *path, enum access access)
{
	struct xs_permissions perms[2] = {
		{.id = 0, .perms = XS_PERM_NONE},
		{.id = w->m->domid, .perms = XS_PERM_READ},
	};
	unsigned n = access == ACCESS_READ || access == ACCESS_FRONTEND ? 2 : 1;

	if (access == ACCESS_INHERIT) {
		return;
	}
	if (access == ACCESS_OWN || access == ACCESS_FRONTEND) {
		perms[0].id = w->m->domid;
		perms[1].id = 0;
	}
	if (!xs_set_permissions(w->xs, w->t, path, perms, n)) {
		writer_fail(w);
	}
}

/* Writes VALUE to the node that FMT names; an absolute path. */
__attribute__((format(printf, 4, 5))) static void put(
	struct writer *w, enum access access, const char *value, const char *fmt, ...)
{
	char path[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	if (w->error) {
		return;
	}
	if (!xs_write(w->xs, w->t, path, value, strlen(value))) {
		writer_fail(w);
		return;
	}
	set_access(w, path, access);
}

static void put_number(struct writer *w, enum access access, unsigned long value, const char *key)
{
	char text[24];

	snprintf(text, sizeof(text), "%lu", value);
	put(w, access, text, "/local/domain/%u/%s", w->m->domid, key);
}

/* Each key of KEYS, which ends with NULL, below the domain's own directory. */
static void put_empty(struct writer *w, enum access access, const char *const *keys)
{
	for (; *keys; keys++) {
		put(w, access, "", "/local/domain/%u/%s", w->m->domid, *keys);
	}
}

static void put_name(struct writer *w)
{
	put(w, ACCESS_INHERIT, w->m->name, "/local/domain/%u/name", w->m->domid);
	put(w, ACCESS_INHERIT, w->m->name, "/vm/%s/name", w->uuid);
}

static void format_uuid(char *text, const uint8_t *u)
{
	snprintf(text, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12],
		u[13], u[14], u[15]);
}

/* Runs PUT in a transaction, again while another writer comes between. */
static int transact(struct xs_handle *xs, const struct mkdom *m, void (*body)(struct writer *w))
{
	for (unsigned i = 0; i < TRANSACTION_TRIES; i++) {
		struct writer w = {.xs = xs, .m = m};

		format_uuid(w.uuid, m->uuid);
		w.t = xs_transaction_start(xs);
		if (w.t == XBT_NULL) {
			return -errno;
		}
		body(&w);
		if (xs_transaction_end(xs, w.t, w.error != 0)) {
			return w.error;
		}
		if (w.error || errno != EAGAIN) {
			return w.error ? w.error : -errno;
		}
	}
	return -EAGAIN;
}

static void begin(struct writer *w)
{
	static const char *const readable[] = {"cpu", "memory", "device", NULL};
	static const char *const suspend[] = {"device/suspend/event-channel", NULL};
	static const char *const readable_too[] = {"control", "hvmloader", NULL};
	static const char *const own[] = {"control/shutdown", "control/feature-poweroff",
		"control/feature-reboot", "control/feature-suspend", "control/feature-s3",
		"control/feature-s4", "control/sysrq", "data", "drivers", "feature", "attr",
		"error", NULL};
	uint32_t domid = w->m->domid;
	char vm[48];

	snprintf(vm, sizeof(vm), "/vm/%s", w->uuid);
	put(w, ACCESS_READ, "", "/local/domain/%u", domid);
	put(w, ACCESS_READ, "", "%s", vm);
	if (w->m->as_libxl) {
		put(w, ACCESS_DOM0, "", "/libxl/%u", domid);
		put(w, ACCESS_DOM0, "", "/libxl/%u/device", domid);
	}
	put(w, ACCESS_INHERIT, vm, "/local/domain/%u/vm", domid);
	if (w->m->late_name_ms == 0) {
		put_name(w);
	}
	put_empty(w, ACCESS_READ, readable);
	put_empty(w, ACCESS_OWN, suspend);
	put_empty(w, ACCESS_READ, readable_too);
	put_empty(w, ACCESS_OWN, own);
	put(w, ACCESS_INHERIT, w->uuid, "/vm/%s/uuid", w->uuid);
	put_number(w, ACCESS_INHERIT, 1, "control/platform-feature-multiprocessor-suspend");
	put_number(w, ACCESS_INHERIT, 1, "control/platform-feature-xs_reset_watches");
	if (w->m->as_libxl) {
		put(w, ACCESS_INHERIT, "hvm", "/libxl/%u/type", domid);
		put(w, ACCESS_INHERIT, "qemu_xen", "/libxl/%u/dm-version", domid);
	}
}

int mkdom_store_begin(struct xs_handle *xs, const struct mkdom *m)
{
	return transact(xs, m, begin);
}

static void built(struct writer *w)
{
	const struct mkdom *m = w->m;
	struct timeval now;
	char start_time[32];

	put_number(w, ACCESS_INHERIT, m->memory_mib * 1024, "memory/static-max");
	put_number(w, ACCESS_INHERIT, (m->memory_mib - MKDOM_VIDEO_MIB) * 1024, "memory/target");
	put_number(w, ACCESS_INHERIT, MKDOM_VIDEO_MIB * 1024, "memory/videoram");
	put_number(w, ACCESS_INHERIT, m->domid, "domid");
	put_number(w, ACCESS_INHERIT, m->store_port, "store/port");
	put_number(w, ACCESS_INHERIT, m->store_gfn, "store/ring-ref");
	put(w, ACCESS_INHERIT, "online", "/local/domain/%u/cpu/0/availability", m->domid);
	put_number(w, ACCESS_INHERIT, 1, "platform/acpi");
	put_number(w, ACCESS_INHERIT, 1, "platform/acpi_s3");
	put_number(w, ACCESS_INHERIT, 1, "platform/acpi_s4");
	put_number(w, ACCESS_INHERIT, 0, "platform/acpi_laptop_slate");
	put(w, ACCESS_INHERIT, "qemu_xen", "/local/domain/%u/platform/device-model", m->domid);

	gettimeofday(&now, NULL);
	snprintf(start_time, sizeof(start_time), "%lld.%02d", (long long)now.tv_sec,
		(int)now.tv_usec / 10000);
	put(w, ACCESS_INHERIT, "", "/vm/%s/rtc/timeoffset", w->uuid);
	put(w, ACCESS_INHERIT, "hvm", "/vm/%s/image/ostype", w->uuid);
	put(w, ACCESS_INHERIT, start_time, "/vm/%s/start_time", w->uuid);
}

int mkdom_store_introduce(struct xs_handle *xs, const struct mkdom *m)
{
	int r = transact(xs, m, built);

	if (r < 0) {
		return r;
	}
	return xs_introduce_domain(xs, m->domid, m->store_gfn, m->store_port) ? 0 : -errno;
}

/* What backend and libxl's own copy of it have in common; DIR is either. */
static void put_backend(struct writer *w, enum access access, const char *dir)
{
	uint32_t domid = w->m->domid;
	char number[12];

	snprintf(number, sizeof(number), "%u", domid);
	put(w, access, number, "%s/frontend-id", dir);
	put(w, access, "1", "%s/online", dir);
	put(w, access, "1", "%s/state", dir);
	put(w, access, "vt100", "%s/protocol", dir);
}

static void console(struct writer *w)
{
	uint32_t domid = w->m->domid;
	char front[64], back[64], copy[64];

	snprintf(front, sizeof(front), "/local/domain/%u/console", domid);
	snprintf(back, sizeof(back), "/local/domain/0/backend/console/%u/0", domid);
	snprintf(copy, sizeof(copy), "/libxl/%u/device/console/0", domid);
	if (w->m->as_libxl) {
		put(w, ACCESS_INHERIT, front, "%s/frontend", copy);
		put(w, ACCESS_INHERIT, back, "%s/backend", copy);
	}
	put(w, ACCESS_READ, "", "%s", front);
	put(w, ACCESS_READ, back, "%s/backend", front);
	put(w, ACCESS_FRONTEND, "0", "%s/backend-id", front);
	put(w, ACCESS_READ, "1048576", "%s/limit", front);
	put(w, ACCESS_READ, "xenconsoled", "%s/type", front);
	put(w, ACCESS_READ, "pty", "%s/output", front);
	put(w, ACCESS_READ, "", "%s/tty", front);
	put_number(w, ACCESS_READ, w->m->console_port, "console/port");
	put_number(w, ACCESS_READ, w->m->console_gfn, "console/ring-ref");

	put(w, ACCESS_READ, "", "%s", back);
	put(w, ACCESS_INHERIT, front, "%s/frontend", back);
	put_backend(w, ACCESS_INHERIT, back);
	if (w->m->as_libxl) {
		put_backend(w, ACCESS_INHERIT, copy);
	}
}

int mkdom_store_console(struct xs_handle *xs, const struct mkdom *m)
{
	return transact(xs, m, console);
}

static void firmware(struct writer *w)
{
	put(w, ACCESS_INHERIT, "seabios", "/local/domain/%u/hvmloader/bios", w->m->domid);
	put_number(w, ACCESS_INHERIT, 0, "hvmloader/allow-memory-relocate");
}

int mkdom_store_firmware(struct xs_handle *xs, const struct mkdom *m)
{
	return transact(xs, m, firmware);
}

int mkdom_store_name(struct xs_handle *xs, const struct mkdom *m)
{
	return transact(xs, m, put_name);
}

static void drop(struct writer *w, const char *path)
{
	if (!w->error && !xs_rm(w->xs, w->t, path) && errno != ENOENT) {
		writer_fail(w);
	}
}

/* Directories that others use too go only when they are empty. */
static void drop_if_empty(struct writer *w, const char *path)
{
	unsigned n = 0;
	char **children = xs_directory(w->xs, w->t, path, &n);

	if (children && n == 0) {
		drop(w, path);
	}
	free(children);
}

static void removal(struct writer *w)
{
	uint32_t domid = w->m->domid;
	unsigned length;
	char path[64];
	char *vm;

	snprintf(path, sizeof(path), "/local/domain/0/backend/console/%u", domid);
	drop(w, path);
	drop_if_empty(w, "/local/domain/0/backend/console");
	drop_if_empty(w, "/local/domain/0/backend");

	snprintf(path, sizeof(path), "/local/domain/%u/vm", domid);
	vm = xs_read(w->xs, w->t, path, &length);
	if (vm && strncmp(vm, "/vm/", 4) == 0 && vm[4] != '\0') {
		drop(w, vm);
	}
	free(vm);
	snprintf(path, sizeof(path), "/local/domain/%u", domid);
	drop(w, path);
	snprintf(path, sizeof(path), "/libxl/%u", domid);
	drop(w, path);
}

int mkdom_store_remove(struct xs_handle *xs, uint32_t domid)
{
	struct mkdom m = {.domid = domid};

	return transact(xs, &m, removal);
}
