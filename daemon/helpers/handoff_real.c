/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/helpers/dm-handoff.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "daemon/helpers/standin.h"
#include "lib/config.h"

void helper_run_real(const struct config *config, char *argv[])
{
	struct err err;
	char *binary;

	if (plan_find_program(config->default_binary, config->libexec_dir, NULL, &binary, &err) <
		0) {
		standin_say("%s", err.text);
		return;
	}
	if (standin_is_myself(binary)) {
		standin_say("\"%s\", the configured default_binary, is dm-handoff itself", binary);
		return;
	}
	argv[0] = binary;
	execv(binary, argv);
	standin_say("execute \"%s\": %s", binary, strerror(errno));
}

/*
 * libxl gives the QEMU that it asks a listening socket at qmp-libxl-G, and the one that it then
 * starts with dm_restrict another one at the same path. A QEMU that ends unlinks the path of its
 * socket, which by then may be the second one's: libxl finds nothing to connect to, and xl create
 * fails. Here the first one's unlink meets an empty directory of its own.
 *
 * The slave mount comes first: without it the other one would hide the directory for the whole
 * host.
 */
static int hide_sockets(void)
{
	struct paths paths;

	paths_init(&paths);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
		mount("tmpfs", paths.xen_run_dir, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
			"mode=0755,size=64k") < 0) {
		return -errno;
	}
	return 0;
}

void helper_run_probe(const struct config *config, char *argv[])
{
	int r = hide_sockets();

	if (r < 0) {
		standin_say("libxl's sockets can't be kept from the QEMU that it asks for its "
			    "options: %s",
			strerror(-r));
	}
	helper_run_real(config, argv);
}
