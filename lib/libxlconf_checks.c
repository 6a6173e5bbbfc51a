/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What libxl refuses to create for reasons that are no device model's: then there is no command
 * line either (libxl_create.c, libxl__domain_config_setdefault()).
 */
#include <errno.h>

#include "lib/cleanup.h"
#include "lib/libxlconf_impl.h"
#include "lib/libxldiff.h"

static const char *const altp2m_names[] = {"disabled", "mixed", "external", "limited", NULL};
static const char *const passthrough_names[] = {
	"default", "disabled", "enabled", "sync_pt", "share_pt", NULL};
enum { PASSTHROUGH_DEFAULT, PASSTHROUGH_DISABLED };

struct extras {
	bool nested, hvm_nested, hvm_altp2m;
	unsigned altp2m, passthrough;
	int64_t target_kib;
	size_t vnuma_nodes, assigned; /* PCI and device tree devices */
};

static int read_b_info(struct extras *e, const struct json_node *b_info, struct err *err)
{
	static const struct libxljson_field fields[] = {
		{"nested_hvm", LIBXLJSON_DEFBOOL, offsetof(struct extras, nested)},
		{"altp2m", LIBXLJSON_ENUM, offsetof(struct extras, altp2m), 0, 0, altp2m_names},
		{"target_memkb", LIBXLJSON_INT, offsetof(struct extras, target_kib), 0,
			LIBXLCONF_KIB_MAX}};
	static const struct libxljson_field hvm_fields[] = {
		{"nested_hvm", LIBXLJSON_DEFBOOL, offsetof(struct extras, hvm_nested)},
		{"altp2m", LIBXLJSON_DEFBOOL, offsetof(struct extras, hvm_altp2m)}};
	struct json_node node;
	int r = libxljson_read(b_info, fields, ARRAY_SIZE(fields), e, err);

	if (r == 0 && libxljson_object(b_info, "type.hvm", &node, &r, err)) {
		r = libxljson_read(&node, hvm_fields, ARRAY_SIZE(hvm_fields), e, err);
	}
	if (r == 0) {
		r = libxljson_array(
			b_info, "vnuma_nodes", LIBXLCONF_DEVICES_MAX, &node, &e->vnuma_nodes, err);
	}
	return r;
}

static int read_c_info(struct extras *e, const struct json_node *root, struct err *err)
{
	static const struct libxljson_field fields[] = {{"passthrough", LIBXLJSON_ENUM,
		offsetof(struct extras, passthrough), 0, 0, passthrough_names}};
	struct json_node node, list;
	int r = 0;

	if (json_member(root, "c_info", &node)) {
		r = libxljson_read(&node, fields, ARRAY_SIZE(fields), e, err);
	}
	return r < 0 ? r
		     : libxljson_array(
			       root, "dtdevs", LIBXLCONF_DEVICES_MAX, &list, &e->assigned, err);
}

/* Memory that is populated on demand goes with nothing that must know where the memory is. */
static int check_pod(const struct libxlconf *c, const struct extras *e,
	const struct json_node *b_info, bool altp2m, struct err *err)
{
	const char *with = e->vnuma_nodes ? "\"vnuma_nodes\"" : altp2m ? "\"altp2m\"" : NULL;

	if (c->type == LIBXL_PV || e->target_kib >= c->max_kib) {
		return 0;
	}
	if (e->passthrough > PASSTHROUGH_DISABLED ||
		(e->passthrough == PASSTHROUGH_DEFAULT && e->assigned)) {
		with = "passed-through devices";
	}
	return with ? libxlconf_refuse(b_info, "target_memkb", err,
			      "below \"max_memkb\" is not possible together with %s", with)
		    : 0;
}

static int check(const struct libxlconf *c, const struct extras *e, const struct json_node *root,
	const struct json_node *b_info, struct err *err)
{
	bool hvm = c->type == LIBXL_HVM;
	bool altp2m = c->type != LIBXL_PV && (e->altp2m || (hvm && e->hvm_altp2m));
	struct json_node c_info;

	if (e->assigned && e->passthrough == PASSTHROUGH_DISABLED) {
		json_member(root, "c_info", &c_info);
		return libxlconf_refuse(&c_info, "passthrough", err,
			"is \"disabled\", but there are devices to pass through");
	}
	if (c->type == LIBXL_PV && e->vnuma_nodes) {
		return libxlconf_refuse(
			b_info, "vnuma_nodes", err, "a PV guest can't have virtual NUMA nodes");
	}
	if (c->type != LIBXL_PV && altp2m && (e->nested || (hvm && e->hvm_nested))) {
		return libxlconf_refuse(
			b_info, "nested_hvm", err, "not possible together with \"altp2m\"");
	}
	return check_pod(c, e, b_info, altp2m, err);
}

int libxlconf_check_domain(
	const struct libxlconf_reader *reader, const struct json_node *root, struct err *err)
{
	const struct libxlconf *c = reader->c;
	struct extras extras = {.target_kib = LIBXLCONF_KIB_MAX};
	struct json_node b_info;
	int r;

	json_member(root, "b_info", &b_info);
	/* It looks for the program where it has decided that there is none, and dies. */
	if (reader->pv_stubdom && libxlconf_kind(c) == DEFINITION_QEMU &&
		!libxldiff_ours(reader->as_libxl, LIBXLDIFF_PV_STUBDOM)) {
		return libxlconf_refuse(&b_info, "device_model_stubdomain", err,
			"xl dies of it with a PV or PVH guest that needs QEMU");
	}
	if (reader->usb_err.code && libxlconf_kind(c) == DEFINITION_NO_DM) {
		*err = reader->usb_err;
		return err->code;
	}
	r = read_b_info(&extras, &b_info, err);
	if (r == 0) {
		r = read_c_info(&extras, root, err);
	}
	extras.assigned += c->pcidevs_len;
	return r < 0 ? r : check(c, &extras, root, &b_info, err);
}
