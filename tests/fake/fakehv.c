/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/fake/fakehv.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <xenstore.h>

#include "lib/parse.h"

/*
 * fakehv: a toolstack of one's own for the hypervisor in XENDMD_FAKE_HV and the xenstored at
 * XENSTORED_PATH; prints domids as mkdom does in the lab. See usage().
 */
struct options {
	const char *name, *type;
	uint8_t uuid[16];
	bool have_uuid, as_libxl, running, no_introduce, quiet;
	uint32_t domid, count, memory_mib;
	int late_name_ms, linger_ms;
};

static struct fakehv *hv;
static struct xs_handle *xs;

static int usage(void)
{
	fprintf(stderr,
		"fakehv create NAME [--uuid U] [--domid N] [--memory MIB] [--running] "
		"[--as-libxl] [--type hvm|pv|pvh]\n"
		"              [--late-name MS] [--no-introduce] [--count N] [--quiet]\n"
		"fakehv destroy DOMID... | all [--linger MS]   remove nodes, dying, (later) gone\n"
		"fakehv dying DOMID                            dying, and stays so\n"
		"fakehv gone DOMID                             out of the list, nodes stay\n"
		"fakehv shutdown DOMID REASON                  number of SHUTDOWN_*\n"
		"fakehv resume DOMID                           shut down no more\n"
		"fakehv unpause DOMID\n"
		"fakehv set KEY VALUE    unique-ids, list-error, destroy-again, next-domid\n"
		"fakehv list             DOMID UUID FLAGS REASON PAUSES CRASHES\n"
		"fakehv counters\n"
		"With --count, the names are NAME-1 to NAME-N.\n");
	return 2;
}

static int fail(const char *what)
{
	fprintf(stderr, "fakehv: %s: %s\n", what, strerror(errno));
	return 1;
}

static bool put(const char *path, const char *value)
{
	if (xs_write(xs, XBT_NULL, path, value, strlen(value))) {
		return true;
	}
	fail(path);
	return false;
}

/* A node owned by domain 0 that the domain may read, as a toolstack makes it. */
static bool put_dir(const char *path, uint32_t domid)
{
	struct xs_permissions perms[2] = {
		{.id = 0, .perms = XS_PERM_NONE}, {.id = domid, .perms = XS_PERM_READ}};

	if (xs_mkdir(xs, XBT_NULL, path) && xs_set_permissions(xs, XBT_NULL, path, perms, 2)) {
		return true;
	}
	fail(path);
	return false;
}

static bool putf(uint32_t domid, const char *below, const char *value)
{
	char path[256];

	snprintf(path, sizeof(path), "/local/domain/%u/%s", domid, below);
	return put(path, value);
}

static bool write_name(uint32_t domid, const char *name, const char *uuid)
{
	char path[256];

	snprintf(path, sizeof(path), "/vm/%s/name", uuid);
	return putf(domid, "name", name) && put(path, name);
}

static bool write_libxl(uint32_t domid, const char *type)
{
	char path[64];

	snprintf(path, sizeof(path), "/libxl/%u/type", domid);
	if (!put(path, type)) {
		return false;
	}
	snprintf(path, sizeof(path), "/libxl/%u/dm-version", domid);
	return put(path, "qemu_xen");
}

/* In the order of corpus/libxl-xenstore: trees, then domid, ring, console. */
static bool write_nodes(const struct options *o, uint32_t domid, const char *uuid)
{
	char path[128], vm[64], text[32];

	snprintf(path, sizeof(path), "/local/domain/%u", domid);
	snprintf(vm, sizeof(vm), "/vm/%s", uuid);
	if (!put_dir(path, domid) || !put_dir(vm, domid) || !putf(domid, "vm", vm)) {
		return false;
	}
	snprintf(path, sizeof(path), "%s/uuid", vm);
	if (!put(path, uuid) || (o->as_libxl && !write_libxl(domid, o->type))) {
		return false;
	}
	snprintf(text, sizeof(text), "%u", domid);
	if (!putf(domid, "domid", text) || !putf(domid, "cpu/0/availability", "online") ||
		!putf(domid, "control/platform-feature-multiprocessor-suspend", "1")) {
		return false;
	}
	snprintf(text, sizeof(text), "%u", o->memory_mib * 1024);
	if (!putf(domid, "memory/static-max", text) || !putf(domid, "memory/target", text) ||
		!putf(domid, "store/port", "1") || !putf(domid, "store/ring-ref", "1044476")) {
		return false;
	}
	return putf(domid, "console/backend-id", "0") &&
	       putf(domid, "console/type", "xenconsoled") && putf(domid, "console/port", "2") &&
	       putf(domid, "console/ring-ref", "1044479") &&
	       putf(domid, "console/limit", "1048576") && putf(domid, "console/output", "pty");
}

static int create_one(const struct options *o, const char *name)
{
	char uuid_text[UUID_TEXT_LEN + 1];
	struct fakehv_domain *dom;
	uint8_t uuid[16];
	uint32_t domid;

	memcpy(uuid, o->uuid, sizeof(uuid));
	if (!o->have_uuid && getrandom(uuid, sizeof(uuid), 0) != sizeof(uuid)) {
		return fail("getrandom");
	}
	fakehv_lock(hv);
	dom = fakehv_insert(hv, o->domid, uuid);
	if (!dom) {
		fakehv_unlock(hv);
		errno = EEXIST;
		return fail("create");
	}
	dom->max_memkb = o->memory_mib * UINT64_C(1024);
	dom->as_libxl = o->as_libxl;
	dom->hvm = strcmp(o->type, "pv") != 0; /* a PVH guest is one to the hypervisor */
	domid = dom->domid;
	fakehv_unlock(hv);
	uuid_format(uuid, uuid_text);
	if (!write_nodes(o, domid, uuid_text) ||
		(o->late_name_ms < 0 && !write_name(domid, name, uuid_text))) {
		return 1;
	}
	if (!o->no_introduce && !xs_introduce_domain(xs, domid, 1044476, 1)) {
		return fail("introduce");
	}
	if (o->late_name_ms >= 0) {
		poll(NULL, 0, o->late_name_ms);
		write_name(domid, name, uuid_text);
	}
	if (o->running) {
		fakehv_lock(hv);
		dom = fakehv_find(hv, domid);
		if (dom) {
			dom->paused = false;
		}
		fakehv_unlock(hv);
	}
	if (!o->quiet) {
		printf("%u\n", domid);
	}
	return 0;
}

static int create(const struct options *o)
{
	char name[300];
	int r = 0;

	if (o->count == 0) {
		return create_one(o, o->name);
	}
	for (uint32_t i = 1; i <= o->count && r == 0; i++) {
		snprintf(name, sizeof(name), "%s-%u", o->name, i);
		r = create_one(o, name);
	}
	return r;
}

static void remove_nodes(uint32_t domid, const char *uuid, bool as_libxl)
{
	char path[128];

	snprintf(path, sizeof(path), "/vm/%s", uuid);
	xs_rm(xs, XBT_NULL, path);
	snprintf(path, sizeof(path), "/local/domain/%u", domid);
	xs_rm(xs, XBT_NULL, path);
	if (as_libxl) {
		snprintf(path, sizeof(path), "/libxl/%u", domid);
		xs_rm(xs, XBT_NULL, path);
	}
}

static int destroy(uint32_t domid, int linger_ms)
{
	char uuid[UUID_TEXT_LEN + 1];
	struct fakehv_domain *dom;
	bool as_libxl;

	fakehv_lock(hv);
	dom = fakehv_find(hv, domid);
	if (!dom) {
		fakehv_unlock(hv);
		errno = ESRCH;
		return fail("destroy");
	}
	uuid_format(dom->uuid, uuid);
	as_libxl = dom->as_libxl;
	fakehv_unlock(hv);
	remove_nodes(domid, uuid, as_libxl);
	fakehv_lock(hv);
	dom = fakehv_find(hv, domid);
	if (dom && linger_ms > 0) {
		dom->dying = true;
		fakehv_raise(hv);
		fakehv_unlock(hv);
		poll(NULL, 0, linger_ms);
		fakehv_lock(hv);
		fakehv_remove(hv, domid); /* nobody is told: as in Xen */
	} else {
		fakehv_remove(hv, domid);
		fakehv_raise(hv);
	}
	fakehv_unlock(hv);
	return 0;
}

static int destroy_all(int linger_ms)
{
	uint32_t domid = 0;
	int r = 0;

	for (;;) {
		fakehv_lock(hv);
		domid = hv->len ? hv->domains[0].domid : 0;
		fakehv_unlock(hv);
		if (!domid || r) {
			return r;
		}
		r = destroy(domid, linger_ms);
	}
}

/* The commands that only change a domain's flags. */
static int change(const char *what, uint32_t domid, unsigned reason)
{
	struct fakehv_domain *dom;
	int r = 0;

	fakehv_lock(hv);
	dom = fakehv_find(hv, domid);
	if (!dom) {
		errno = ESRCH;
		r = fail(what);
	} else if (!strcmp(what, "dying")) {
		dom->dying = true;
		fakehv_raise(hv);
	} else if (!strcmp(what, "gone")) {
		fakehv_remove(hv, domid);
		fakehv_raise(hv);
	} else if (!strcmp(what, "unpause")) {
		dom->paused = false;
	} else if (!strcmp(what, "resume")) {
		dom->shutdown = false;
	} else {
		dom->shutdown = true;
		dom->shutdown_reason = reason;
		fakehv_raise(hv);
	}
	fakehv_unlock(hv);
	if (r == 0 && !strcmp(what, "resume")) {
		xs_resume_domain(xs, domid);
	}
	return r;
}

static int set(const char *key, uint32_t value)
{
	int r = 0;

	fakehv_lock(hv);
	if (!strcmp(key, "unique-ids")) {
		hv->unique_ids = value;
	} else if (!strcmp(key, "list-error")) {
		hv->list_error = value;
	} else if (!strcmp(key, "destroy-again")) {
		hv->destroy_again = value;
	} else if (!strcmp(key, "next-domid")) {
		hv->next_domid = value;
	} else {
		r = usage();
	}
	fakehv_unlock(hv);
	return r;
}

static int list(void)
{
	fakehv_lock(hv);
	for (uint32_t i = 0; i < hv->len; i++) {
		const struct fakehv_domain *d = &hv->domains[i];
		char uuid[UUID_TEXT_LEN + 1];

		uuid_format(d->uuid, uuid);
		printf("%u %s %c%c%c %u %u %u\n", d->domid, uuid, d->paused ? 'p' : '-',
			d->shutdown ? 's' : '-', d->dying ? 'd' : '-', d->shutdown_reason,
			d->pause_calls, d->crash_calls);
	}
	fakehv_unlock(hv);
	return 0;
}

static int counters(void)
{
	fakehv_lock(hv);
	printf("list %llu\nget %llu\npause %llu\ncrash %llu\ndestroy %llu\n",
		(unsigned long long)hv->list_calls, (unsigned long long)hv->get_calls,
		(unsigned long long)hv->pause_calls, (unsigned long long)hv->crash_calls,
		(unsigned long long)hv->destroy_calls);
	fakehv_unlock(hv);
	return 0;
}

static bool number(const char *text, uint32_t *ret)
{
	return parse_u32(text, UINT32_MAX, ret) == 0;
}

static int read_options(int argc, char **argv, struct options *o)
{
	static const struct option options[] = {{"uuid", required_argument, NULL, 'u'},
		{"domid", required_argument, NULL, 'd'}, {"memory", required_argument, NULL, 'm'},
		{"running", no_argument, NULL, 'r'}, {"paused", no_argument, NULL, 'p'},
		{"as-libxl", no_argument, NULL, 'l'}, {"late-name", required_argument, NULL, 'n'},
		{"no-introduce", no_argument, NULL, 'i'}, {"count", required_argument, NULL, 'c'},
		{"quiet", no_argument, NULL, 'q'}, {"type", required_argument, NULL, 't'},
		{"linger", required_argument, NULL, 'g'}, {NULL, 0, NULL, 0}};
	uint32_t n = 0;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (strchr("dmncg", c) && !number(optarg, &n)) {
			return -EINVAL;
		}
		o->domid = c == 'd' ? n : o->domid;
		o->memory_mib = c == 'm' ? n : o->memory_mib;
		o->late_name_ms = c == 'n' ? (int)n : o->late_name_ms;
		o->count = c == 'c' ? n : o->count;
		o->linger_ms = c == 'g' ? (int)n : o->linger_ms;
		o->running |= c == 'r';
		o->as_libxl |= c == 'l';
		o->no_introduce |= c == 'i';
		o->quiet |= c == 'q';
		o->have_uuid |= c == 'u';
		o->type = c == 't' ? optarg : o->type;
		if (c == '?' || (c == 'u' && parse_uuid(optarg, o->uuid) < 0)) {
			return -EINVAL;
		}
	}
	return 0;
}

static int destroy_each(int n, char **domids, int linger_ms)
{
	uint32_t domid;
	int r = 0;

	for (int i = 0; i < n; i++) {
		if (!strcmp(domids[i], "all")) {
			r |= destroy_all(linger_ms);
		} else if (number(domids[i], &domid)) {
			r |= destroy(domid, linger_ms);
		} else {
			r = usage();
		}
	}
	return r;
}

static int run(int n, char **args, struct options *o)
{
	const char *what = args[0];
	uint32_t a = 0, b = 0;

	if (!strcmp(what, "list") && n == 1) {
		return list();
	}
	if (!strcmp(what, "counters") && n == 1) {
		return counters();
	}
	if (!strcmp(what, "create") && n == 2) {
		o->name = args[1];
		return create(o);
	}
	if (!strcmp(what, "destroy") && n >= 2) {
		return destroy_each(n - 1, args + 1, o->linger_ms);
	}
	if (!strcmp(what, "set") && n == 3 && number(args[2], &b)) {
		return set(args[1], b);
	}
	if (!strcmp(what, "shutdown") && n == 3 && number(args[1], &a) && number(args[2], &b)) {
		return change(what, a, b);
	}
	if ((!strcmp(what, "dying") || !strcmp(what, "gone") || !strcmp(what, "resume") ||
		    !strcmp(what, "unpause")) &&
		n == 2 && number(args[1], &a)) {
		return change(what, a, 0);
	}
	return usage();
}

int main(int argc, char **argv)
{
	struct options o = {.type = "hvm", .memory_mib = 64, .late_name_ms = -1};
	const char *path = getenv(FAKEHV_ENV);
	int r;

	if (read_options(argc, argv, &o) < 0 || optind == argc) {
		return usage();
	}
	hv = path ? fakehv_map(path) : NULL;
	if (!hv) {
		return fail(FAKEHV_ENV);
	}
	xs = xs_open(0);
	if (!xs) {
		return fail("xenstore");
	}
	r = run(argc - optind, argv + optind, &o);
	xs_close(xs);
	fakehv_unmap(hv);
	return r;
}
