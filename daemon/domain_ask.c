/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What has to be known of a binary before it is started, each once.
 *
 * Its version, where its command line depends on that (lib/qemuopt).
 *
 * What a device model would only say after it said that it runs: a QEMU without DES (Debian 12's
 * Xen QEMU) exits when a VNC password is asked for. Its binary is asked before the start. What
 * can't be found out hinders nothing.
 */
#include "daemon/domain_impl.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "daemon/dmask.h"
#include "lib/cleanup.h"
#include "lib/vncpass.h"

#define ASK_DEADLINE_MS 45000 /* dm-ask has one of its own; the start's holds as well */

static void refuse(struct domain *d, const char *why)
{
	struct err err;

	err_set(&err, -EOPNOTSUPP, VNCPASS_CANNOT, d->r.binary, why);
	domain_start_failed(d, &err);
}

static void on_asked(void *ctx, const struct exit_info *exit, const struct err *err)
{
	struct domain *d = ctx;
	bool cannot = err && exit->how == EXIT_HOW_CODE && exit->value == DMASK_CANNOT_EXIT;
	struct stat st;

	d->asker = helperproc_free(d->asker);
	if (stat(d->r.binary, &st) == 0 && (!err || cannot)) {
		dmask_note_vnc_password(d->s->dmask, &st, cannot ? err->text : NULL);
	}
	if (cannot) {
		refuse(d, err->text);
		return;
	}
	if (err) {
		domain_log(d, LOG_LVL_WARNING, "can %s ask for a VNC password? %s", d->r.binary,
			err->text);
	}
	domain_prepared_files(d);
}

static int ask(
	struct domain *d, const char *question, char *binary, helperproc_fn done, struct err *err)
{
	char helper[PATH_MAX];
	char *const argv[] = {(char *)"dm-ask", (char *)question, binary, NULL};

	snprintf(helper, sizeof(helper), "%s/dm-ask", d->s->paths->helper_dir);
	snprintf(d->waits_for, sizeof(d->waits_for), "its binary is asked what it is and can do");
	return helperproc_run(&d->asker, d->s->loop, helper, argv, ASK_DEADLINE_MS, done, d, err);
}

static void on_version(void *ctx, const struct exit_info *exit, const struct err *err)
{
	struct domain *d = ctx;
	_cleanup_free_ char *program = domain_plan_asks_version(d);
	struct stat st;

	if (err) {
		domain_log(d, LOG_LVL_WARNING, "its QEMU's version is not known: %s", err->text);
	} else if (program && stat(program, &st) == 0) {
		dmask_note_version(d->s->dmask, &st, helperproc_text(d->asker));
	}
	d->asker = helperproc_free(d->asker);
	domain_prepare_command_line(d);
}

void domain_ask_version(struct domain *d)
{
	_cleanup_free_ char *program = domain_plan_asks_version(d);
	struct err err;

	if (program && ask(d, "version", program, on_version, &err) == 0) {
		return;
	}
	if (program) {
		domain_log(d, LOG_LVL_WARNING, "dm-ask: %s", err.text);
	}
	domain_prepare_command_line(d);
}

void domain_ask(struct domain *d)
{
	enum dmask_answer answer = DMASK_UNKNOWN;
	const char *why;
	struct stat st;
	struct err err;

	if (!domain_has_qmp(d) || !vncpass_wanted(&d->r.argv)) {
		domain_prepared_files(d);
		return;
	}
	if (stat(d->r.binary, &st) == 0) {
		answer = dmask_vnc_password(d->s->dmask, &st, &why);
	}
	if (answer == DMASK_CANNOT) {
		refuse(d, why);
	} else if (answer == DMASK_CAN) {
		domain_prepared_files(d);
	} else if (ask(d, "vnc-password", d->r.binary, on_asked, &err) < 0) {
		domain_log(d, LOG_LVL_WARNING, "dm-ask: %s", err.text);
		domain_prepared_files(d);
	}
}
