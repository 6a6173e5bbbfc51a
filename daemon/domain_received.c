/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files of a definition that come with its start: kept from the call until dm-launch has them, or
 * the start has failed. A definition with such files is started by nobody but a caller.
 */
#include "daemon/domain_impl.h"

#include <errno.h>
#include <stdio.h>

#include "lib/received.h"
#include "proto/launchspec.h"

static struct json_object *files_of(const struct definition *def)
{
	return def && def->source != DEFINITION_HANDOFF ? json_object_object_get(def->json, "files")
							: NULL;
}

bool domain_waits_for_files(struct domain *d, const struct definition *def)
{
	const char *name = received_first(files_of(def));

	if (name) {
		domain_set_reason(d,
			"%s: files.%s comes with the start: dmctl start %u --fd %s=PATH", def->path,
			name, d->dom.domid, name);
		domain_changed(d);
	}
	return name != NULL;
}

int domain_check_received(const struct domain *d, const struct definition *def,
	const struct received *files, struct err *err)
{
	int r;

	if (files && files->names.len && d->by_libxl) {
		return err_set(err, -EINVAL,
			"domain %u was made by libxl: no file is passed to its device model",
			d->dom.domid);
	}
	r = received_check(files, d->by_libxl ? NULL : files_of(def), err);
	if (r < 0 && def) {
		err_wrap(err, "%s", def->path);
	}
	return r;
}

void domain_close_received(struct domain *d)
{
	d->received = received_free(d->received);
}

int domain_received_fds(const struct domain *d, const struct openfiles *files,
	struct launch_fd *fds, unsigned *len, struct err *err)
{
	for (size_t i = 0; i < files->len; i++) {
		const struct openfile *file = &files->items[i];
		int fd;

		if (file->how != OPENFILE_RECEIVED) {
			continue;
		}
		fd = received_fd(d->received, file->name);
		if (fd < 0 || *len == LAUNCHSPEC_FDS_MAX) {
			return err_set(err, fd < 0 ? -EBADF : -E2BIG, "files.%s: %s", file->name,
				fd < 0 ? "it did not come with the start" : "too many descriptors");
		}
		fds[(*len)++] = (struct launch_fd){
			fd, OPENFILE_FIRST_FD + (int)i, "received with the start"};
	}
	return 0;
}
