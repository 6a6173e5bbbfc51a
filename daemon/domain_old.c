/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qemu-xen-traditional in domain 0: qemu-dm, a QEMU of 2008. It has no QMP, so xenstore's state
 * alone says that it runs, and SIGTERM alone that it shall end. What later QEMUs are told by
 * arguments or over QMP it reads from xenstore (reference/libxl.md section 5).
 */
#include "daemon/domain_impl.h"

#include <stdio.h>
#include <string.h>

#include "lib/libxlconf.h"

bool domain_is_old(const struct domain *d)
{
	return !d->handoff && d->def && d->def->libxl &&
	       d->def->libxl->version == LIBXL_DM_TRADITIONAL;
}

bool domain_has_qmp(const struct domain *d)
{
	STRV_FOREACH (argument, &d->r.argv) {
		if (!strcmp(argument, MONITOR_MON)) {
			return true;
		}
	}
	return false;
}

static const char *password_of(const struct domain *d)
{
	const struct libxlconf *c = d->def->libxl;
	const char *password =
		c->has_display && c->display.vnc.enable ? c->display.vnc.passwd : NULL;

	return password && *password ? password : NULL;
}

static void password_path(const struct domain *d, char ret[XENLAYOUT_PATH_MAX])
{
	snprintf(ret, XENLAYOUT_PATH_MAX, "/vm/%s/vncpasswd", d->uuid);
}

void domain_old_write(const struct domain *d, struct xs_batch *batch)
{
	const struct libxlconf *c;
	char path[XENLAYOUT_PATH_MAX];

	if (!domain_is_old(d)) {
		return;
	}
	c = d->def->libxl;
	if (c->type == LIBXL_HVM) {
		xenlayout_dm(d->dom.domid, "disable_pf", path);
		xs_batch_write(batch, path, c->hvm.xen_platform_pci ? "0" : "1");
	}
	if (password_of(d)) {
		password_path(d, path);
		xs_batch_write(batch, path, password_of(d));
		/* libxl's is as readable as the directory that it is in. */
		xs_batch_set_perms(batch, path, 0);
	}
}

void domain_old_remove(const struct domain *d, struct xs_batch *batch)
{
	char path[XENLAYOUT_PATH_MAX];

	if (domain_is_old(d) && password_of(d)) {
		password_path(d, path);
		xs_batch_rm(batch, path);
	}
}
