/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* RUN/dm at start-up: one directory a domain, each with a record or with nothing of worth. */
#include "daemon/manager_impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/fsutil.h"
#include "lib/limits.h"
#include "lib/log.h"
#include "lib/parse.h"
#include "lib/procinfo.h"
#include "lib/readfile.h"

void manager_record_free(struct manager_record *record)
{
	record_fini(&record->record);
	free(record);
}

void manager_free_records(struct manager *m)
{
	struct manager_record *record;

	while ((record = LIST_FIRST(&m->records))) {
		LIST_REMOVE(record, link);
		manager_record_free(record);
	}
}

/* Stands in the directory for the record that was set aside: what lies there may be in use. */
#define UNREADABLE "unreadable"

static void mark_unreadable(const char *dir)
{
	char path[PATH_MAX + sizeof(UNREADABLE)];
	_cleanup_close_ int fd = -1;

	snprintf(path, sizeof(path), "%s/" UNREADABLE, dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		log_error("create \"%s\": %m", path);
	}
}

static bool is_unreadable(const char *dir)
{
	char path[PATH_MAX + sizeof(UNREADABLE)];

	snprintf(path, sizeof(path), "%s/" UNREADABLE, dir);
	return access(path, F_OK) == 0;
}

/* Kept where no start of a later domain removes it. */
static void set_aside(struct manager *m, uint32_t domid, const char *path, const struct err *err)
{
	char to[PATH_MAX], time[TIME_TEXT_LEN + 1];
	struct err failed;

	time_format_ms(loop_realtime_ms(), time);
	snprintf(to, sizeof(to), "%s/broken", m->paths.run_dir);
	if (fsutil_mkdir(to, 0700, &failed) < 0) {
		log_error("%s", failed.text);
	}
	snprintf(to, sizeof(to), "%s/broken/%u-%s.json", m->paths.run_dir, domid, time);
	if (rename(path, to) < 0) {
		log_error("record \"%s\": %s; can't be kept aside: %m", path, err->text);
	} else {
		log_error("record \"%s\": %s; kept as \"%s\"", path, err->text, to);
	}
}

static int check(const struct record *record, uint32_t domid, struct err *err)
{
	char boot_id[37];

	if (record->domid != domid) {
		return err_set(err, -EBADMSG, "it is of domain %u", record->domid);
	}
	if (procinfo_boot_id(boot_id) == 0 && *record->boot_id &&
		strcmp(boot_id, record->boot_id)) {
		return err_set(err, -ESTALE, "it is of an earlier boot of this host");
	}
	return 0;
}

/* What lies beside a record that says nothing goes with the domain, now if that has gone. */
static void remove_unowned(struct manager *m, uint32_t domid, const char *dir)
{
	struct toolstack_domain dom;
	struct err err;

	if (toolstack_get(m->s.ts, domid, &dom) == -ESRCH && fsutil_remove_dir(dir, &err) < 0) {
		log_error("%s", err.text);
	}
}

/* The record may be sound: it is this daemon that can't read it now. */
static bool is_our_own_need(int r)
{
	return r == -ENOMEM || r == -EMFILE || r == -ENFILE;
}

static void load_without_record(struct manager *m, uint32_t domid, const char *dir)
{
	struct err err;

	if (is_unreadable(dir)) {
		remove_unowned(m, domid, dir);
	} else if (domain_proxy_survives(&m->s, domid)) {
		return;				       /* its domain takes it up */
	} else if (fsutil_remove_dir(dir, &err) < 0) { /* nothing was ever allowed to run */
		log_error("%s", err.text);
	}
}

static int load_one(struct manager *m, uint32_t domid, const char *dir, struct err *ret_err)
{
	struct manager_record *record = calloc(1, sizeof(*record));
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX + sizeof("/record.json")];
	struct err err;
	size_t len = 0;
	int r;

	if (!record) {
		return err_set(ret_err, -ENOMEM, "record of domain %u: out of memory", domid);
	}
	snprintf(path, sizeof(path), "%s/record.json", dir);
	r = readfile(AT_FDCWD, path, LIMIT_RECORD_BYTES, &text, &len, &err);
	if (r == -ENOENT) {
		load_without_record(m, domid, dir);
		free(record);
		return 0;
	}
	if (r == 0) {
		r = record_decode(text, len, &record->record, &err);
	}
	if (r == 0) {
		r = check(&record->record, domid, &err);
	}
	if (r < 0) {
		manager_record_free(record);
		if (is_our_own_need(r)) {
			return err_set(ret_err, r, "record \"%s\": %s", path, err.text);
		}
		set_aside(m, domid, path, &err);
		mark_unreadable(dir);
		remove_unowned(m, domid, dir);
		return 0;
	}
	LIST_INSERT_HEAD(&m->records, record, link);
	return 0;
}

/* Better no daemon than one that takes running device models for absent ones. */
int manager_load_records(struct manager *m, struct err *err)
{
	_cleanup_closedir_ DIR *dir = NULL;
	char path[PATH_MAX];
	struct dirent *entry;
	uint32_t domid;
	int r = 0;

	snprintf(path, sizeof(path), "%s/dm", m->paths.run_dir);
	dir = opendir(path);
	if (!dir) {
		return err_set_errno(err, -errno, "open \"%s\"", path);
	}
	while (r == 0 && (entry = readdir(dir))) {
		if (parse_domid(entry->d_name, &domid) == 0) {
			snprintf(path, sizeof(path), "%s/dm/%u", m->paths.run_dir, domid);
			r = load_one(m, domid, path, err);
		}
	}
	return r;
}

/* RECORD is of this very domain. */
static bool fits(const struct record *record, const struct toolstack_domain *dom)
{
	return record->domid == dom->domid && !memcmp(record->uuid, dom->uuid, sizeof(dom->uuid)) &&
	       (!record->unique_id || !dom->unique_id || record->unique_id == dom->unique_id);
}

bool manager_record_is_orphan(struct manager *m, const struct record *record)
{
	struct toolstack_domain dom;
	int r = toolstack_get(m->s.ts, record->domid, &dom);

	return r == -ESRCH || (r == 0 && !fits(record, &dom));
}

struct manager_record *manager_claim_record(struct manager *m, const struct toolstack_domain *dom)
{
	struct manager_record *record;

	LIST_FOREACH (record, &m->records, link) {
		if (fits(&record->record, dom)) {
			LIST_REMOVE(record, link);
			return record;
		}
	}
	return NULL;
}
