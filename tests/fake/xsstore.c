/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/fake/xsstore.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "lib/hash.h"

#define BUCKETS 65536

struct blob {
	void *data;
	size_t len;
};

struct node {
	LIST_ENTRY(node) hash_entry;
	TAILQ_ENTRY(node) sibling;
	TAILQ_HEAD(nodes, node) children;
	struct node *parent;
	char *path;
	struct blob value, perms;
	uint64_t generation;
};

struct store {
	uint64_t generation;
	LIST_HEAD(, node) buckets[BUCKETS];
};

/* A node as a transaction sees it. */
struct change {
	TAILQ_ENTRY(change) entry;
	char *path;
	uint64_t base_generation; /* when first looked at; 0: absent */
	bool written;
	bool exists;	       /* with written */
	bool gone_with_parent; /* with written and not exists */
	struct blob value, perms;
};

struct txn {
	struct store *store;
	TAILQ_HEAD(changes, change) changes;
};

static void *must(void *p)
{
	if (!p) {
		abort();
	}
	return p;
}

static struct blob blob_copy(const void *data, size_t len)
{
	struct blob b = {.data = must(malloc(len + 1)), .len = len};

	if (len) {
		memcpy(b.data, data, len);
	}
	((char *)b.data)[len] = 0;
	return b;
}

static void blob_set(struct blob *b, const void *data, size_t len)
{
	struct blob copy = blob_copy(data, len);

	free(b->data);
	*b = copy;
}

static unsigned bucket(const char *path)
{
	return hash_fnv(HASH_FNV_START, path, strlen(path)) % BUCKETS;
}

static struct node *find(struct store *s, const char *path)
{
	struct node *n;

	LIST_FOREACH (n, &s->buckets[bucket(path)], hash_entry) {
		if (!strcmp(n->path, path)) {
			return n;
		}
	}
	return NULL;
}

/* "/a/b" -> "/a", "/a" -> "/". */
static char *parent_path(const char *path)
{
	const char *slash = strrchr(path, '/');

	return must(slash == path ? strdup("/") : strndup(path, slash - path));
}

static struct node *node_new(struct store *s, const char *path, struct node *parent)
{
	struct node *n = must(calloc(1, sizeof(*n)));

	n->path = must(strdup(path));
	n->value = blob_copy("", 0);
	n->perms = parent ? blob_copy(parent->perms.data, parent->perms.len) : blob_copy("n0", 3);
	n->parent = parent;
	n->generation = ++s->generation;
	TAILQ_INIT(&n->children);
	LIST_INSERT_HEAD(&s->buckets[bucket(path)], n, hash_entry);
	if (parent) {
		TAILQ_INSERT_TAIL(&parent->children, n, sibling);
		parent->generation = n->generation;
	}
	return n;
}

static void node_free(struct store *s, struct node *n)
{
	struct node *child;

	while ((child = TAILQ_FIRST(&n->children))) {
		node_free(s, child);
	}
	if (n->parent) {
		TAILQ_REMOVE(&n->parent->children, n, sibling);
		n->parent->generation = ++s->generation;
	}
	LIST_REMOVE(n, hash_entry);
	free(n->path);
	free(n->value.data);
	free(n->perms.data);
	free(n);
}

struct store *store_new(void)
{
	struct store *s = must(calloc(1, sizeof(*s)));

	node_new(s, "/", NULL);
	return s;
}

void store_free(struct store *s)
{
	node_free(s, find(s, "/"));
	free(s);
}

struct txn *txn_new(struct store *s)
{
	struct txn *t = must(calloc(1, sizeof(*t)));

	t->store = s;
	TAILQ_INIT(&t->changes);
	return t;
}

void txn_free(struct txn *t)
{
	struct change *c;

	while ((c = TAILQ_FIRST(&t->changes))) {
		TAILQ_REMOVE(&t->changes, c, entry);
		free(c->path);
		free(c->value.data);
		free(c->perms.data);
		free(c);
	}
	free(t);
}

/* Looks at a node, which notes its generation. */
static struct change *touch(struct txn *t, const char *path)
{
	struct change *c;
	struct node *n;

	TAILQ_FOREACH (c, &t->changes, entry) {
		if (!strcmp(c->path, path)) {
			return c;
		}
	}
	n = find(t->store, path);
	c = must(calloc(1, sizeof(*c)));
	c->path = must(strdup(path));
	c->base_generation = n ? n->generation : 0;
	TAILQ_INSERT_TAIL(&t->changes, c, entry);
	return c;
}

static bool view(
	struct txn *t, const char *path, const struct blob **value, const struct blob **perms)
{
	struct change *c = touch(t, path);
	struct node *n;

	if (c->written) {
		*value = &c->value;
		*perms = &c->perms;
		return c->exists;
	}
	n = find(t->store, path);
	if (n) {
		*value = &n->value;
		*perms = &n->perms;
	}
	return n;
}

int txn_read(struct txn *t, const char *path, const void **ret_value, size_t *ret_len)
{
	const struct blob *value, *perms;

	if (!view(t, path, &value, &perms)) {
		return -ENOENT;
	}
	*ret_value = value->data;
	*ret_len = value->len;
	return 0;
}

int txn_get_perms(struct txn *t, const char *path, const char **ret_perms, size_t *ret_len)
{
	const struct blob *value, *perms;

	if (!view(t, path, &value, &perms)) {
		return -ENOENT;
	}
	*ret_perms = perms->data;
	*ret_len = perms->len;
	return 0;
}

/* The change of an existing or new node, ready to be written to, at the list's end so that changes
 * are told in their order. */
static struct change *own(struct txn *t, const char *path)
{
	const struct blob *value, *perms;
	struct change *c = touch(t, path);

	if (!c->written) {
		if (view(t, path, &value, &perms)) {
			blob_set(&c->value, value->data, value->len);
			blob_set(&c->perms, perms->data, perms->len);
			c->exists = true;
		}
		c->written = true;
	}
	TAILQ_REMOVE(&t->changes, c, entry);
	TAILQ_INSERT_TAIL(&t->changes, c, entry);
	return c;
}

/* Makes PATH and its missing parents; new nodes copy their parent's permissions. */
static struct change *create(struct txn *t, const char *path)
{
	const struct blob *value, *perms;
	struct change *c;
	char *up;

	if (view(t, path, &value, &perms)) {
		return own(t, path);
	}
	up = parent_path(path);
	while (!view(t, up, &value, &perms)) {
		create(t, up);
	}
	c = own(t, path);
	blob_set(&c->value, "", 0);
	blob_set(&c->perms, perms->data, perms->len);
	c->exists = true;
	c->gone_with_parent = false;
	free(up);
	return c;
}

int txn_write(struct txn *t, const char *path, const void *value, size_t len)
{
	blob_set(&create(t, path)->value, value, len);
	return 0;
}

int txn_mkdir(struct txn *t, const char *path)
{
	const struct blob *value, *perms;

	if (!view(t, path, &value, &perms)) {
		create(t, path);
	}
	return 0;
}

int txn_set_perms(struct txn *t, const char *path, const char *perms, size_t len)
{
	const struct blob *value, *old;

	if (!view(t, path, &value, &old)) {
		return -ENOENT;
	}
	blob_set(&own(t, path)->perms, perms, len);
	return 0;
}

static void bury(struct txn *t, const char *path, bool with_parent)
{
	struct change *c = own(t, path);

	c->exists = false;
	c->gone_with_parent = with_parent;
}

static bool is_below(const char *path, const char *top)
{
	size_t len = strlen(top);

	return !strncmp(path, top, len) && path[len] == '/';
}

static void bury_base(struct txn *t, struct node *n, bool with_parent)
{
	struct node *child;

	TAILQ_FOREACH (child, &n->children, sibling) {
		bury_base(t, child, true);
	}
	bury(t, n->path, with_parent);
}

int txn_rm(struct txn *t, const char *path)
{
	const struct blob *value, *perms;
	char *up = parent_path(path);
	bool has_parent = view(t, up, &value, &perms);
	struct change *c;
	struct node *n;

	free(up);
	if (!strcmp(path, "/")) {
		return -EINVAL;
	}
	if (!view(t, path, &value, &perms)) {
		return has_parent ? 0 : -ENOENT;
	}
	TAILQ_FOREACH (c, &t->changes, entry) {
		if (c->written && c->exists && is_below(c->path, path)) {
			c->exists = false;
			c->gone_with_parent = true;
		}
	}
	n = find(t->store, path);
	if (n) {
		bury_base(t, n, false);
	}
	bury(t, path, false);
	return 0;
}

static const char *leaf(const char *path)
{
	return strrchr(path, '/') + 1;
}

static bool is_child(const char *path, const char *top)
{
	char *up;
	bool is;

	if (!strcmp(path, "/")) {
		return false;
	}
	up = parent_path(path);
	is = !strcmp(up, top);
	free(up);
	return is;
}

static void add_name(struct blob *names, const char *name)
{
	size_t len = strlen(name) + 1;

	names->data = must(realloc(names->data, names->len + len));
	memcpy((char *)names->data + names->len, name, len);
	names->len += len;
}

static struct change *written(struct txn *t, const char *path)
{
	struct change *c;

	TAILQ_FOREACH (c, &t->changes, entry) {
		if (c->written && !strcmp(c->path, path)) {
			return c;
		}
	}
	return NULL;
}

int txn_list(struct txn *t, const char *path, char **ret_names, size_t *ret_len)
{
	const struct blob *value, *perms;
	struct blob names = {0};
	struct node *n = find(t->store, path), *child;
	struct change *c;

	if (!view(t, path, &value, &perms)) {
		return -ENOENT;
	}
	if (n) {
		TAILQ_FOREACH (child, &n->children, sibling) {
			c = written(t, child->path);
			if (!c || c->exists) {
				add_name(&names, leaf(child->path));
			}
		}
	}
	TAILQ_FOREACH (c, &t->changes, entry) {
		if (c->written && c->exists && is_child(c->path, path) &&
			!find(t->store, c->path)) {
			add_name(&names, leaf(c->path));
		}
	}
	*ret_names = names.data;
	*ret_len = names.len;
	return 0;
}

static bool conflicts(struct txn *t)
{
	struct change *c;

	TAILQ_FOREACH (c, &t->changes, entry) {
		struct node *n = find(t->store, c->path);

		if ((n ? n->generation : 0) != c->base_generation) {
			return true;
		}
	}
	return false;
}

static struct node *find_or_make(struct store *s, const char *path)
{
	struct node *n = find(s, path);
	char *up;

	if (!n) {
		up = parent_path(path);
		n = node_new(s, path, find_or_make(s, up));
		free(up);
	}
	return n;
}

static void apply(struct txn *t, const struct change *c)
{
	struct store *s = t->store;
	struct node *n = c->exists ? find_or_make(s, c->path) : find(s, c->path);

	if (!c->exists) {
		if (n) {
			node_free(s, n);
		}
		return;
	}
	blob_set(&n->value, c->value.data, c->value.len);
	blob_set(&n->perms, c->perms.data, c->perms.len);
	n->generation = ++s->generation;
}

int txn_commit(struct txn *t, store_fire_fn fire, void *ctx)
{
	struct change *c;

	if (conflicts(t)) {
		return -EAGAIN;
	}
	TAILQ_FOREACH (c, &t->changes, entry) {
		if (c->written) {
			apply(t, c);
		}
	}
	TAILQ_FOREACH (c, &t->changes, entry) {
		if (c->written && (c->exists || c->base_generation)) {
			fire(ctx, c->path, !c->exists && c->gone_with_parent);
		}
	}
	return 0;
}
