/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The definitions of both directories, sorted by what they match, so that the look-up for a domain
 * is three binary searches and a pass over the globs. A load builds a new set aside and puts it in
 * place at its end. What a load read before and finds unchanged it takes over: the same definition,
 * not a copy, so that of a thousand files the one that is new is read.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/cleanup.h"
#include "lib/definition.h"
#include "lib/limits.h"
#include "lib/readfile.h"

enum origin { ORIGIN_RUN, ORIGIN_ETC }; /* in falling rank */

#define SETTLED_S 2 /* far above the resolution of a file system's times */

/* A file as it was before it was read: whatever changes it later changes this. */
struct stamp {
	bool settled; /* false: may change again within the resolution of CHANGED; read it again */
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec changed;
};

struct entry {
	struct definition *definition;
	enum origin origin;
	struct stamp stamp;
};

/* Sorted by match (domid first, globs last), what is matched, origin. */
struct content {
	struct entry *entries;
	size_t len, size;
	size_t first[DEFINITION_MATCH_DOMID + 1], count[DEFINITION_MATCH_DOMID + 1];
	unsigned bad;
};

struct defset {
	char *dirs[2]; /* by origin */
	struct content content;
};

typedef void (*report_fn)(void *ctx, const char *path, const struct err *err);

struct loader {
	struct content *content;
	const struct entry **old; /* of the load before, by path */
	size_t old_len;
	report_fn report;
	void *ctx;
};

static void content_fini(struct content *c)
{
	for (size_t i = 0; i < c->len; i++) {
		definition_unref(c->entries[i].definition);
	}
	free(c->entries);
	*c = (struct content){0};
}

/* By what they match, among definitions of the same enum definition_match. */
static int compare_matched(const struct definition *a, const struct definition *b)
{
	switch (a->match) {
	case DEFINITION_MATCH_DOMID:
		return (a->match_domid > b->match_domid) - (a->match_domid < b->match_domid);
	case DEFINITION_MATCH_UUID:
		return memcmp(a->match_uuid, b->match_uuid, sizeof(a->match_uuid));
	case DEFINITION_MATCH_NAME:
		return strcmp(a->match_name, b->match_name);
	case DEFINITION_MATCH_GLOB:
	case DEFINITION_MATCH_ABSENT:
		break;
	}
	return 0;
}

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int r;

	if (x->definition->match != y->definition->match) {
		return x->definition->match > y->definition->match ? -1 : 1;
	}
	r = compare_matched(x->definition, y->definition);
	if (r) {
		return r;
	}
	if (x->origin != y->origin) {
		return x->origin < y->origin ? -1 : 1;
	}
	return strcmp(x->definition->path, y->definition->path);
}

static void content_sort(struct content *c)
{
	if (c->len) {
		qsort(c->entries, c->len, sizeof(*c->entries), compare_entries);
	}
	for (size_t i = c->len; i-- > 0;) {
		enum definition_match match = c->entries[i].definition->match;

		c->first[match] = i;
		c->count[match]++;
	}
}

/* Takes D over, also when it fails. */
static int content_add(
	struct content *c, struct definition *d, enum origin origin, const struct stamp *stamp)
{
	if (c->len == c->size) {
		size_t size = c->size ? c->size * 2 : 16;
		struct entry *entries = realloc(c->entries, size * sizeof(*entries));

		if (!entries) {
			definition_unref(d);
			return -ENOMEM;
		}
		c->entries = entries;
		c->size = size;
	}
	c->entries[c->len++] = (struct entry){d, origin, *stamp};
	return 0;
}

static void report_bad(struct loader *l, const char *path, const struct err *err)
{
	l->content->bad++;
	if (l->report) {
		l->report(l->ctx, path, err);
	}
}

static int compare_paths(const void *a, const void *b)
{
	const struct entry *const *x = a, *const *y = b;

	return strcmp((*x)->definition->path, (*y)->definition->path);
}

static int index_old(struct loader *l, const struct content *old)
{
	l->old = calloc(old->len + 1, sizeof(*l->old));
	if (!l->old) {
		return -ENOMEM;
	}
	l->old_len = old->len;
	for (size_t i = 0; i < old->len; i++) {
		l->old[i] = &old->entries[i];
	}
	qsort(l->old, l->old_len, sizeof(*l->old), compare_paths);
	return 0;
}

static struct stamp stamp_of(int dirfd, const char *name)
{
	struct timespec now;
	struct stat st;

	if (fstatat(dirfd, name, &st, 0) < 0) {
		return (struct stamp){0};
	}
	clock_gettime(CLOCK_REALTIME, &now);
	return (struct stamp){
		.settled = S_ISREG(st.st_mode) && st.st_ctim.tv_sec + SETTLED_S <= now.tv_sec,
		.dev = st.st_dev,
		.ino = st.st_ino,
		.size = st.st_size,
		.changed = st.st_ctim};
}

/* NULL when PATH was not read before, or has changed since. */
static struct definition *find_old(
	const struct loader *l, const char *path, const struct stamp *now)
{
	struct definition key = {.path = (char *)path};
	const struct entry entry = {.definition = &key}, *wanted = &entry, **found;
	const struct stamp *then;

	found = bsearch(&wanted, l->old, l->old_len, sizeof(*l->old), compare_paths);
	if (!found) {
		return NULL;
	}
	then = &(*found)->stamp;
	if (!then->settled || then->dev != now->dev || then->ino != now->ino ||
		then->size != now->size || then->changed.tv_sec != now->changed.tv_sec ||
		then->changed.tv_nsec != now->changed.tv_nsec) {
		return NULL;
	}
	return definition_ref((*found)->definition);
}

/* Only a lack of memory is a failure; what is wrong with the file is reported. */
static int load_file(
	struct loader *l, int dirfd, const char *dir, const char *name, enum origin origin)
{
	_cleanup_free_ char *path = NULL, *text = NULL;
	struct stamp stamp = stamp_of(dirfd, name);
	struct definition *d;
	struct err err = {0};
	struct stat st;
	size_t len;
	int r;

	if (asprintf(&path, "%s/%s", dir, name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	d = find_old(l, path, &stamp);
	if (d) {
		return content_add(l->content, d, origin, &stamp);
	}
	r = readfile(dirfd, name, LIMIT_JSON_BYTES, &text, &len, &err);
	if (r == -ENOENT && fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		return 0; /* removed since the directory was listed */
	}
	if (r < 0) {
		err_wrap(&err, "%s", path);
	} else {
		r = definition_parse(path, text, len, &d, &err);
	}
	if (r == 0) {
		return content_add(l->content, d, origin, &stamp);
	}
	if (r == -ENOMEM) {
		return r;
	}
	report_bad(l, path, &err);
	return 0;
}

static bool is_definition_name(const char *name)
{
	size_t len = strlen(name);

	return name[0] != '.' && len > 5 && !strcmp(name + len - 5, ".json");
}

static int list_names(DIR *stream, struct strv *ret)
{
	struct dirent *entry;

	for (;;) {
		errno = 0;
		entry = readdir(stream);
		if (!entry) {
			return errno ? -errno : strv_status(ret);
		}
		if (!is_definition_name(entry->d_name)) {
			continue;
		}
		if (ret->len == LIMIT_DEFINITION_FILES) {
			return -ENOBUFS;
		}
		strv_add(ret, entry->d_name);
	}
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int load_names(struct loader *l, DIR *stream, const char *dir, enum origin origin)
{
	_cleanup_(strv_fini) struct strv names = {0};
	struct err err = {0};
	int r = list_names(stream, &names);

	if (r == -ENOMEM) {
		return r;
	}
	if (r == -ENOBUFS) {
		err_set(&err, r, "%s: more than %d definitions, the others are not read", dir,
			LIMIT_DEFINITION_FILES);
		report_bad(l, dir, &err);
	} else if (r < 0) {
		err_set_errno(&err, r, "%s", dir);
		report_bad(l, dir, &err);
	}
	if (names.len) {
		qsort(names.items, names.len, sizeof(*names.items), compare_names);
	}
	r = 0;
	for (size_t i = 0; i < names.len && r == 0; i++) {
		r = load_file(l, dirfd(stream), dir, names.items[i], origin);
	}
	return r;
}

static int load_dir(struct loader *l, const char *dir, enum origin origin)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_closedir_ DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	struct err err = {0};

	if (stream) {
		return load_names(l, stream, dir, origin);
	}
	if (fd >= 0) {
		close_p(&fd);
		return -ENOMEM;
	}
	if (errno != ENOENT) {
		err_set_errno(&err, -errno, "%s", dir);
		report_bad(l, dir, &err);
	}
	return 0;
}

int defset_new(struct defset **ret, const char *etc_dir, const char *run_dir)
{
	struct defset *set = calloc(1, sizeof(*set));

	if (!set) {
		return -ENOMEM;
	}
	set->dirs[ORIGIN_ETC] = strdup(etc_dir);
	set->dirs[ORIGIN_RUN] = strdup(run_dir);
	if (!set->dirs[ORIGIN_ETC] || !set->dirs[ORIGIN_RUN]) {
		defset_free(set);
		return -ENOMEM;
	}
	*ret = set;
	return 0;
}

struct defset *defset_free(struct defset *set)
{
	if (set) {
		content_fini(&set->content);
		free(set->dirs[ORIGIN_ETC]);
		free(set->dirs[ORIGIN_RUN]);
		free(set);
	}
	return NULL;
}

void defset_load(struct defset *set,
	void (*report)(void *ctx, const char *path, const struct err *err), void *ctx)
{
	struct content content = {0};
	struct loader loader = {.content = &content, .report = report, .ctx = ctx};
	struct err err = {0};
	int r = index_old(&loader, &set->content);

	if (r == 0) {
		r = load_dir(&loader, set->dirs[ORIGIN_ETC], ORIGIN_ETC);
	}
	if (r == 0) {
		r = load_dir(&loader, set->dirs[ORIGIN_RUN], ORIGIN_RUN);
	}
	free(loader.old);
	if (r < 0) {
		content_fini(&content);
		err_set_errno(&err, r, "definitions stay as they were");
		if (report) {
			report(ctx, set->dirs[ORIGIN_ETC], &err);
		}
		return;
	}
	content_sort(&content);
	content_fini(&set->content);
	set->content = content;
}

static int fail_twice(
	uint32_t domid, const struct definition *a, const struct definition *b, struct err *err)
{
	return err_set(err, -EEXIST, "two definitions match domain %u equally: %s and %s", domid,
		a->path, b->path);
}

/* The best entry that matches as KEY does, NULL for none; -EEXIST when two are equal. */
static int find_equal(const struct content *c, uint32_t domid, const struct definition *key,
	struct definition **ret, struct err *err)
{
	size_t low = c->first[key->match], end = low + c->count[key->match], high = end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_matched(c->entries[middle].definition, key) < 0) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	if (low == end || compare_matched(c->entries[low].definition, key)) {
		return 0;
	}
	if (low + 1 < end && c->entries[low + 1].origin == c->entries[low].origin &&
		!compare_matched(c->entries[low + 1].definition, key)) {
		return fail_twice(
			domid, c->entries[low].definition, c->entries[low + 1].definition, err);
	}
	*ret = c->entries[low].definition;
	return 0;
}

/* Globs stand with those of /run first. */
static int find_glob(const struct content *c, uint32_t domid, const uint8_t uuid[16],
	const char *name, struct definition **ret, struct err *err)
{
	const struct entry *e = c->entries + c->first[DEFINITION_MATCH_GLOB], *found = NULL;

	for (size_t i = 0; i < c->count[DEFINITION_MATCH_GLOB]; i++) {
		if (found && e[i].origin != found->origin) {
			break;
		}
		if (!definition_matches(e[i].definition, domid, uuid, name)) {
			continue;
		}
		if (found) {
			return fail_twice(domid, found->definition, e[i].definition, err);
		}
		found = &e[i];
	}
	if (found) {
		*ret = found->definition;
	}
	return 0;
}

static int find_name(const struct content *c, uint32_t domid, const uint8_t uuid[16],
	const char *name, struct definition **ret, struct err *err)
{
	char plain[LIMIT_NAME_BYTES + 1];
	struct definition key = {.match = DEFINITION_MATCH_NAME, .match_name = plain};
	size_t len = definition_name_len(name);
	int r;

	if (len >= sizeof(plain)) {
		return 0; /* no definition has such a name */
	}
	memcpy(plain, name, len);
	plain[len] = '\0';
	r = find_equal(c, domid, &key, ret, err);
	return r < 0 || *ret ? r : find_glob(c, domid, uuid, name, ret, err);
}

int defset_match(const struct defset *set, uint32_t domid, const uint8_t uuid[16], const char *name,
	struct definition **ret, struct err *err)
{
	struct definition key = {.match = DEFINITION_MATCH_DOMID, .match_domid = domid};
	struct definition *found = NULL;
	int r = find_equal(&set->content, domid, &key, &found, err);

	if (r == 0 && !found) {
		key.match = DEFINITION_MATCH_UUID;
		memcpy(key.match_uuid, uuid, sizeof(key.match_uuid));
		r = find_equal(&set->content, domid, &key, &found, err);
	}
	if (r == 0 && !found && name) {
		r = find_name(&set->content, domid, uuid, name, &found, err);
	}
	if (r == 0) {
		*ret = found;
	}
	return r;
}

unsigned defset_count(const struct defset *set, unsigned *ret_bad)
{
	if (ret_bad) {
		*ret_bad = set->content.bad;
	}
	return (unsigned)set->content.len;
}
