/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proxies that an earlier daemon left: one record a guest, in its run directory. */
#include "daemon/domain_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/limits.h"
#include "lib/procinfo.h"
#include "lib/readfile.h"

/* Of what a record names: ours by its directory, libxl's when nobody else listens there. */
void domain_proxy_remove_sockets(const struct domain_services *s, const struct proxy_record *r)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/qmp-libxenstat-%u", s->paths->xen_run_dir,
		r->request.guest);
	if (proxy_check_socket(path) == 0) {
		unlink(path);
	}
	if (proxy_check_socket(r->request.socket) == 0) {
		unlink(r->request.socket);
	}
}

static int read_record(
	const struct domain_services *s, uint32_t domid, struct proxy_record *ret, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX];
	size_t len = 0;
	int r;

	snprintf(path, sizeof(path), "%s/dm/%u/" PROXY_RECORD, s->paths->run_dir, domid);
	r = readfile(AT_FDCWD, path, LIMIT_RECORD_BYTES, &text, &len, err);
	if (r == 0) {
		r = proxy_record_decode(text, len, ret, err);
	}
	if (r == 0 && ret->request.guest != domid) {
		r = err_set(err, -EBADMSG, "it is of domain %u", ret->request.guest);
		proxy_record_fini(ret);
	}
	return r;
}

bool domain_proxy_survives(const struct domain_services *s, uint32_t domid)
{
	struct proxy_record record = {0};
	struct toolstack_domain dom;
	char boot_id[37] = "";
	struct err err;
	bool lives;
	int r = read_record(s, domid, &record, &err);

	if (r < 0) {
		if (r != -ENOENT) {
			log_error("proxy record of domain %u: %s", domid, err.text);
		}
		return false;
	}
	r = toolstack_get(s->ts, domid, &dom);
	procinfo_boot_id(boot_id);
	lives = !strcmp(boot_id, record.boot_id) && r != -ESRCH &&
		(r < 0 || !memcmp(dom.uuid, record.guest_uuid, sizeof(dom.uuid)));
	if (!lives) {
		domain_proxy_remove_sockets(s, &record);
	}
	proxy_record_fini(&record);
	return lives;
}

void domain_proxy_adopt(struct domain *d)
{
	struct proxy *p = proxy_new();
	struct err err;
	int r;

	if (!p) {
		domain_log(d, LOG_LVL_ERROR, "proxy record: out of memory");
		return;
	}
	r = read_record(d->s, d->dom.domid, &p->r, &err);
	if (r < 0) {
		proxy_free(p);
		if (r != -ENOENT) {
			domain_log(d, LOG_LVL_ERROR, "proxy record: %s", err.text);
		}
		return;
	}
	domain_log(
		d, LOG_LVL_INFO, "QMP of its stub domain %u is taken up again", p->r.request.stub);
	domain_proxy_begin_again(d, p);
}
