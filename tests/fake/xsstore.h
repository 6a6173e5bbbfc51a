/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The tree of fakexs: nodes with values and permissions, and transactions over it. A transaction
 * notes the generation of each node it looked at or changed and keeps its changes to itself; the
 * commit is refused with EAGAIN when one of those nodes changed meanwhile. An operation outside a
 * transaction is a transaction of one. All paths are absolute and well-formed.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;
struct txn;

struct store *store_new(void);
void store_free(struct store *s);

struct txn *txn_new(struct store *s);
void txn_free(struct txn *t);

/* Each returns 0 or -errno. What they return is borrowed until the next call. */
int txn_read(struct txn *t, const char *path, const void **ret_value, size_t *ret_len);
/* "n0\0r5\0" */
int txn_get_perms(struct txn *t, const char *path, const char **ret_perms, size_t *ret_len);
int txn_write(struct txn *t, const char *path, const void *value, size_t len);
int txn_mkdir(struct txn *t, const char *path);
int txn_rm(struct txn *t, const char *path);
int txn_set_perms(struct txn *t, const char *path, const char *perms, size_t len);
/* Names with their NULs, to be freed. */
int txn_list(struct txn *t, const char *path, char **ret_names, size_t *ret_len);

/* FIRE is called for each changed path; EXACT: only watches of this very path (it went with its
 * parent). -EAGAIN for a conflict; nothing is changed then. */
typedef void (*store_fire_fn)(void *ctx, const char *path, bool exact);
int txn_commit(struct txn *t, store_fire_fn fire, void *ctx);
