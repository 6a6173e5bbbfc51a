/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Tables of the typed description, and what its emitters share; for typed*.c only. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/typed.h"

enum typed_form {
	TYPED_TEXT,	  /* not empty */
	TYPED_ID,	  /* QEMU's: a letter, then letters, digits, "-._" */
	TYPED_BOOL,	  /* true, false */
	TYPED_UINT,	  /* from min to max */
	TYPED_NUMBER,	  /* the same, or a text of it: decimal, or hexadecimal with "0x" */
	TYPED_SIZE,	  /* "512M": a bare number means bytes here and MiB there, so none */
	TYPED_BYTES,	  /* a number of bytes, or a size */
	TYPED_ENUM,	  /* one of names */
	TYPED_UUID,	  /* "4cb19522-1e18-439a-883a-f9b2a3a95f5e" */
	TYPED_MAC,	  /* "00:16:3e:01:02:03" */
	TYPED_ADDR,	  /* on a PCI bus: 4, "4", "0x4", "4.0", "00:04.0" */
	TYPED_BDF,	  /* of the host: "0000:03:00.0", "03:00.0" */
	TYPED_HEX16,	  /* "0x15f8" */
	TYPED_FILE,	  /* "@NAME" */
	TYPED_FILES,	  /* a list of them */
	TYPED_TEXTS,	  /* a list of texts */
	TYPED_PROPERTIES, /* "a=b,c=d": QEMU's syntax, taken apart and escaped again */
	TYPED_OBJECT,	  /* with fields of its own */
	TYPED_OBJECTS,	  /* a list of those */
	TYPED_DEVICES,	  /* a list of what typed_kinds knows */
	TYPED_ARGUMENTS	  /* of the kind "raw": texts, and objects of properties */
};

/* What a reference means; typed_refs.c looks for it. */
enum typed_refers {
	TYPED_REFERS_NOT,
	TYPED_REFERS_BUS,
	TYPED_REFERS_IOTHREAD,
	TYPED_REFERS_CHARDEV
};

struct typed_table;
struct typed_field {
	const char *key;
	enum typed_form form;
	bool required;
	enum typed_refers refers;
	uint64_t min, max;	  /* MAX 0: none */
	const char *const *names; /* NULL-terminated */
	const struct typed_table *table;
};
struct typed_table {
	const struct typed_field *fields; /* ends with a NULL key */
	/* What no single field shows. Each field is well by itself. May be NULL. */
	int (*check)(const struct json_node *object, struct err *err);
};

struct typed_emit {
	struct vmdesc *d;
	struct strv *names; /* of files, see defparts_number_file() */
	struct json_object *files;
	struct json_object *root; /* placeholders replaced */
	int incoming_fd;
	const char *domid; /* of the guest; NULL: a part of a machine */
	unsigned version;
	const struct typed_kind *kind; /* of the device that is emitted; NULL: it is none */
	const char *fd_prefix;	       /* of what stands for a descriptor; NULL: its number alone */
};

struct typed_kind {
	const char *name;
	struct typed_table table;
	void (*emit)(struct typed_emit *e, struct json_object *device);
};
extern const struct typed_kind *const typed_kinds[]; /* NULL-terminated */
extern const struct typed_table typed_root;
const struct typed_kind *typed_find_kind(const char *name);
/* DEVICE has passed typed_check_object() with its kind's table. */
void typed_emit_device(struct typed_emit *e, struct json_object *device);

/* typed_check.c */
int typed_check_object(
	const struct json_node *node, const struct typed_table *table, struct err *err);
/* Has it the key? A false or absent flag is not there. */
bool typed_has(const struct json_node *object, const char *key);
/* Of two keys at most one. */
int typed_exclude(
	const struct json_node *object, const char *one, const char *other, struct err *err);
/* KEY only beside NEEDS. */
int typed_needs(
	const struct json_node *object, const char *key, const char *needs, struct err *err);
/* "is missing", with WHY. */
int typed_require(
	const struct json_node *object, const char *key, const char *why, struct err *err);
/* The value of a size in bytes; UINT64_MAX for one with a placeholder. */
uint64_t typed_size(const char *text);

/* typed_emit.c: what emitters say of an object that was checked. */
const char *typed_text(struct json_object *o, const char *key); /* NULL: not given */
bool typed_flag(struct json_object *o, const char *key);
int64_t typed_int(struct json_object *o, const char *key, int64_t otherwise);
/* Sets PROPERTY from KEY if it is given; a flag as "on". */
void typed_copy(struct typed_emit *e, struct json_object *o, const char *property, const char *key);
/* Several at once: pairs of property and key, ending with NULL. */
void typed_copy_all(struct typed_emit *e, struct json_object *o, const char *const (*pairs)[2]);
/* The descriptor that "@NAME" stands for. */
unsigned typed_fd(struct typed_emit *e, const char *reference);
/* Returns how many there are. */
size_t typed_set_fds(struct typed_emit *e, const char *property, struct json_object *list);
void typed_set_addr(struct typed_emit *e, struct json_object *o);
/* "a=b,c=d" becomes properties of the option that was begun last. */
void typed_set_properties(struct typed_emit *e, const char *text);

/* typed_virtio.c: devices that come on several transports. */
/* Names that stand for one on the machine's transport; "virtio-net-pci" is one already. */
#define TYPED_DRIVER_MAX 64
void typed_virtio_driver(const struct typed_emit *e, struct json_object *o, const char *base,
	char ret[TYPED_DRIVER_MAX]);
bool typed_is_pci(const char *driver);
/* disable-modern, bus, addr, romfile, devno, as far as they are given. */
void typed_virtio_common(struct typed_emit *e, struct json_object *o, const char *driver);
/* Are they possible with DRIVER (NULL: by transport alone)? */
int typed_virtio_check(const struct json_node *o, const char *driver, struct err *err);
/* Fields that devices have in common. */
#define TYPED_VIRTIO_FIELDS                                                                        \
	{"transport", TYPED_ENUM, .names = typed_transports}, {"disable_modern", TYPED_BOOL},      \
		{"rom_file", TYPED_TEXT},                                                          \
	{                                                                                          \
		"dev_no", TYPED_TEXT                                                               \
	}
#define TYPED_BUS_FIELDS                                                                           \
	{"bus", TYPED_TEXT, .refers = TYPED_REFERS_BUS},                                           \
	{                                                                                          \
		"addr", TYPED_ADDR                                                                 \
	}
#define TYPED_KIND_FIELD                                                                           \
	{                                                                                          \
		"kind", TYPED_TEXT, .required = true                                               \
	}
extern const char *const typed_transports[];

/* typed_refs.c */
int typed_check_references(const struct json_node *qemu, struct err *err);
/* One that a machine has of itself, by its name. */
bool typed_is_own_bus(const char *name);
/* typed_machine.c */
void typed_emit_machine(struct typed_emit *e);
/* typed_memory.c */
void typed_emit_memory(struct typed_emit *e);
void typed_emit_memory_backend(struct typed_emit *e);
int typed_memory_check(const struct json_node *root, struct err *err);
int typed_shared_memory_check(const struct json_node *root, struct err *err);
int typed_numa_check(const struct json_node *root, struct err *err);
extern const struct typed_table typed_memory_table, typed_numa_node_table, typed_numa_dist_table;
