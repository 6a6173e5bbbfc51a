/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* The order of the options, and what every QEMU gets. */
#include "lib/libxlplan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/libxlplan_impl.h"
#include "lib/qemuopt.h"

#define STAND_IN_FD 3 /* libxl's is whatever number was free */
#define CONSOLE_LIMIT "1048576"
#define LOWEST_MMIO UINT64_C(0xf0000000)
#define HANDOFF "dm-handoff"
#define TRADITIONAL_PROGRAM "qemu-dm"

int64_t libxlplan_mib(const struct libxlplan *p, int64_t kib)
{
	int64_t mib = (kib + 1023) / 1024;

	if (ours(p, LIBXLDIFF_MEMORY_SIZE)) {
		return mib;
	}
	return ((uint32_t)kib + 1023) / 1024;
}

const char *libxlplan_name(const struct libxlplan *p)
{
	return p->c->name ? p->c->name : p->context->name;
}

void libxlplan_domain_id_env(const struct libxlplan *p)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", p->context->domid);
	strv_setenv(&p->d->env, "XEN_DOMAIN_ID", text);
}

void libxlplan_verbatim(const struct libxlplan *p, const struct strv *arguments)
{
	STRV_FOREACH (argument, arguments) {
		vmdesc_verbatim(p->d, argument);
	}
}

static const char *run_dir(const struct libxlplan *p)
{
	return p->context->as_libxl || !p->context->xen_run_dir ? LIBXLPLAN_RUN_DIR
								: p->context->xen_run_dir;
}

static void monitor(const struct libxlplan *p, const char *id, const char *file)
{
	struct vmdesc *d = p->d;
	/* Under dm_restrict libxl listens itself and learns from the answers when QEMU is ready. */
	bool listening =
		p->c->dm_restrict && !strcmp(id, "libxl-cmd") && !ours(p, LIBXLDIFF_QMP_START);

	vmdesc_list(d, "-chardev", "backend", "socket");
	vmdesc_set(d, "id", "%s", id);
	if (listening) {
		vmdesc_set(d, "fd", "%d", STAND_IN_FD);
	} else {
		vmdesc_set(d, "path", "%s/%s-%u", run_dir(p), file, p->context->domid);
	}
	vmdesc_set_switch(d, "server", true);
	vmdesc_set_switch(d, "wait", false);
	if (listening) {
		vmdesc_switch(d, "-S");
	}
	vmdesc_list_keyed(d, "-mon");
	vmdesc_set(d, "chardev", "%s", id);
	vmdesc_set(d, "mode", "control");
}

static void channels(const struct libxlplan *p)
{
	struct vmdesc *d = p->d;

	/* The paths are domain 0's. */
	if (p->c->stubdom && ours(p, LIBXLDIFF_STUBDOM_PATHS)) {
		return;
	}
	for (size_t i = 0; i < p->c->channels_len; i++) {
		const struct libxl_channel *channel = &p->c->channels[i];

		vmdesc_list(d, "-chardev", "backend", channel->path ? "socket" : "pty");
		vmdesc_set(d, "id", "libxl-channel%lld", (long long)channel->devid);
		if (channel->path) {
			vmdesc_set(d, "path", "%s", channel->path);
			vmdesc_set_switch(d, "server", true);
			vmdesc_set_switch(d, "wait", false);
		}
	}
}

static void kernel(const struct libxlplan *p)
{
	const struct {
		const char *name, *value;
	} options[] = {
		{"-kernel", p->c->kernel}, {"-initrd", p->c->ramdisk}, {"-append", p->c->cmdline}};

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		if (options[i].value) {
			vmdesc_text(p->d, options[i].name, "%s", options[i].value);
		}
	}
}

static bool has_acpi(const struct libxlplan *p)
{
	return p->c->acpi && p->c->hvm.acpi;
}

static void vcpus(const struct libxlplan *p)
{
	if (p->c->max_vcpus > 1) {
		vmdesc_list(p->d, "-smp", "cpus", "%u", p->c->vcpus_online);
		vmdesc_set(p->d, "maxcpus", "%lld", (long long)p->c->max_vcpus);
	}
}

/* What only an HVM guest has, up to its network. */
static void hvm_devices(const struct libxlplan *p)
{
	kernel(p);
	libxlplan_scsi_controller(p);
	libxlplan_serials(p);
	if (p->c->hvm.nographic && !sdl_of(p->c) && !vnc_of(p->c)) {
		vmdesc_switch(p->d, "-nographic");
	}
	libxlplan_spice(p);
	libxlplan_vga(p);
	vmdesc_list_keyed(p->d, "-boot");
	vmdesc_set(p->d, "order", "%s", p->c->hvm.boot);
	libxlplan_usb(p);
	libxlplan_sound(p);
	if (!has_acpi(p) && !ours(p, LIBXLDIFF_NO_ACPI)) {
		vmdesc_switch(p->d, "-no-acpi");
	}
	vcpus(p);
	libxlplan_nics(p);
}

static void restriction(const struct libxlplan *p)
{
	bool pv = p->c->type != LIBXL_HVM;

	if (!p->c->dm_restrict || (pv && ours(p, LIBXLDIFF_XENPV_RESTRICT)) ||
		(p->c->stubdom && ours(p, LIBXLDIFF_STUBDOM_RESTRICT))) {
		return;
	}
	vmdesc_switch(p->d, "-xen-domid-restrict");
	if (ours(p, LIBXLDIFF_CHROOT)) {
		vmdesc_text(p->d, "-chroot", "%s/" LIBXLPLAN_CHROOT, p->context->run_dir);
	} else {
		vmdesc_text(p->d, "-chroot", "%s/qemu-root-%u", run_dir(p), p->context->domid);
	}
}

static void incoming(const struct libxlplan *p)
{
	if (p->context->incoming_fd < 0) {
		return;
	}
	if (p->c->stubdom) {
		/* The stub domain's init puts its own number in. */
		vmdesc_text(p->d, "-incoming", "$STUBDOM_RESTORE_INCOMING_ARG");
	} else {
		vmdesc_text(p->d, QEMUOPT_INCOMING_FILE, "%d", p->context->incoming_fd);
	}
}

/* Where the RAM below 4 GiB ends when the hole for devices is of the given size. */
static bool below_4g(const struct libxlplan *p, uint64_t *ret)
{
	*ret = (UINT64_C(1) << 32) - ((uint64_t)p->c->hvm.mmio_hole_kib << 10);
	return p->c->hvm.mmio_hole_kib && *ret <= LOWEST_MMIO;
}

static int igd(const struct libxlplan *p, bool *ret, struct err *err)
{
	*ret = false;
	if (!p->c->hvm.gfx_passthru) {
		return 0;
	}
	if (p->c->hvm.gfx_kind != LIBXL_GFX_IGD && !libxligd_among(p->c)) {
		return err_set(err, -EINVAL,
			"b_info.type.hvm.gfx_passthru: none of \"pcidevs\" is an Intel graphics "
			"card; "
			"if one is meant all the same, say \"gfx_passthru_kind\": \"igd\"");
	}
	*ret = true;
	return 0;
}

static int hvm_machine(const struct libxlplan *p, struct err *err)
{
	struct vmdesc *d = p->d;
	uint64_t ram_end;
	bool with_igd;
	int r = igd(p, &with_igd, err);

	if (r < 0) {
		return r;
	}
	if (p->c->hvm.xen_platform_pci) {
		vmdesc_list(d, "-machine", "type", "xenfv");
	} else {
		vmdesc_list(d, "-machine", "type", "pc");
		vmdesc_set(d, "accel", "xen");
	}
	vmdesc_set_switch(d, "suppress-vmdesc", true);
	if (below_4g(p, &ram_end)) {
		vmdesc_set(d, "max-ram-below-4g", "%llu", (unsigned long long)ram_end);
	}
	if (with_igd) {
		vmdesc_set_switch(d, "igd-passthru", true);
	}
	if (!has_acpi(p) && ours(p, LIBXLDIFF_NO_ACPI)) {
		vmdesc_set_switch(d, "acpi", false);
	}
	return 0;
}

static int machine(const struct libxlplan *p, struct err *err)
{
	bool hvm = p->c->type == LIBXL_HVM;
	int r = 0;

	if (hvm) {
		r = hvm_machine(p, err);
	} else {
		vmdesc_list(p->d, "-machine", "type", "xenpv");
	}
	libxlplan_verbatim(p, hvm ? &p->c->extra_hvm : &p->c->extra_pv);
	vmdesc_text(
		p->d, "-m", "%lld", (long long)libxlplan_mib(p, p->c->max_kib - p->c->video_kib));
	return r;
}

static int run_as(const struct libxlplan *p, struct err *err)
{
	char user[LIBXLUSER_MAX];
	int r;

	/* A stub domain's QEMU has no other users. */
	if (p->c->stubdom) {
		return 0;
	}
	r = libxluser_choose(p->c, p->context->domid, user, err);
	if (r == 0 && *user && (p->c->type == LIBXL_HVM || ours(p, LIBXLDIFF_RUN_AS))) {
		vmdesc_text(p->d, "-runas", "%s", user);
	}
	return r;
}

/* What stands before the part that depends on the kind of guest. */
static void begin(const struct libxlplan *p)
{
	struct vmdesc *d = p->d;

	vmdesc_text(d, "-xen-domid", "%u", p->context->domid);
	vmdesc_switch(d, "-no-shutdown");
	if (!p->c->stubdom) {
		monitor(p, "libxl-cmd", "qmp-libxl");
		monitor(p, "libxenstat-cmd", "qmp-libxenstat");
	}
	channels(p);
	vmdesc_switch(d, "-nodefaults");
	vmdesc_switch(d, "-no-user-config");
	if (p->c->type != LIBXL_HVM) {
		vmdesc_switch(d, "-xen-attach");
	}
	if (libxlplan_name(p)) {
		vmdesc_list(d, "-name", "guest", "%s", libxlplan_name(p));
	}
	libxlplan_display(p);
}

static int qemu_xen(const struct libxlplan *p, struct err *err)
{
	int r;

	begin(p);
	if (p->c->type == LIBXL_HVM) {
		hvm_devices(p);
	} else if (!sdl_of(p->c) && !vnc_of(p->c)) {
		vmdesc_switch(p->d, "-nographic");
	}
	restriction(p);
	incoming(p);
	libxlplan_verbatim(p, &p->c->extra);
	r = machine(p, err);
	if (r < 0) {
		return r;
	}
	if (p->c->type == LIBXL_HVM) {
		libxlplan_domain_id_env(p);
		libxlplan_disks(p);
		if (p->c->hvm.vendor_device) {
			vmdesc_list(p->d, "-device", "driver", "xen-pvdevice");
			vmdesc_set(p->d, "device-id", "0xc000");
		}
	}
	return run_as(p, err);
}

/* What a stub domain can't be told the way that libxl tells it. */
static int check_stubdom(const struct libxlplan *p, struct err *err)
{
	if (p->c->kernel && ours(p, LIBXLDIFF_STUBDOM_PATHS)) {
		return err_set(err, -EINVAL,
			"b_info.kernel: the device model of a stub domain can't read domain 0's "
			"files");
	}
	return 0;
}

static int check_options(const struct libxlplan *p, struct err *err)
{
	bool newline = false;

	for (size_t i = 0; i < p->d->len; i++) {
		const struct vmdesc_option *o = &p->d->options[i];

		newline |= o->text && strchr(o->text, '\n');
		for (size_t j = 0; j < o->properties_len; j++) {
			newline |= strchr(o->properties[j].value, '\n') != NULL;
		}
	}
	if (newline && p->c->stubdom && ours(p, LIBXLDIFF_STUBDOM_NEWLINE)) {
		return err_set(err, -EINVAL,
			"an argument of a stub domain's device model can't have a newline");
	}
	return ours(p, LIBXLDIFF_IDS) ? qemuopt_check_ids(p->d, err) : 0;
}

int libxlplan_build(const struct libxlconf *c, const struct libxlplan_context *context,
	struct vmdesc *ret, struct err *err)
{
	const struct libxlplan plan = {.c = c, .context = context, .d = ret};
	int r = c->stubdom ? check_stubdom(&plan, err) : 0;

	/* Its log's name has the guest's in it. */
	if (!ours(&plan, LIBXLDIFF_NAME_SLASH) && c->name && strchr(c->name, '/')) {
		return err_set(
			err, -EINVAL, "c_info.name: libxl can't open a log for \"%.64s\"", c->name);
	}

	if (r < 0) {
		return r;
	}
	strv_setenv(&ret->env, "XEN_QEMU_CONSOLE_LIMIT", CONSOLE_LIMIT);
	if (c->version == LIBXL_DM_TRADITIONAL) {
		libxlplan_old(&plan);
	} else {
		r = qemu_xen(&plan, err);
	}
	libxlplan_steps(&plan);
	if (r == 0 && vmdesc_status(ret) < 0) {
		r = err_set(err, -ENOMEM, "out of memory");
	}
	return r < 0 ? r : check_options(&plan, err);
}

const char *libxlplan_program(const struct libxlconf *c, bool as_libxl)
{
	const char *name = c->device_model, *slash = name ? strrchr(name, '/') : NULL;

	/* Who handed over to us would be started by us. */
	if (name && libxldiff_ours(as_libxl, LIBXLDIFF_BINARY) &&
		!strcmp(slash ? slash + 1 : name, HANDOFF)) {
		name = NULL;
	}
	return !name && c->version == LIBXL_DM_TRADITIONAL ? TRADITIONAL_PROGRAM : name;
}
