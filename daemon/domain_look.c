/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a domain is: its name, whether libxl made it, whether it is a stub domain, whether a device
 * model has run for it already, and which definition speaks of it. One batch of reads, no scan.
 *
 * A toolstack may write the name after the introduction: the look waits for it up to
 * name_timeout_s, with a watch. libxl starts a device model later still: domain_foreign.
 */
#include "daemon/domain_impl.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/limits.h"
#include "lib/procinfo.h"
#include "lib/utf8.h"

#define LOOK_AGAIN_MS 5000
#define INCOMING_SUFFIX "--incoming"

enum look_op {
	OP_NAME,
	OP_LIBXL,
	OP_TARGET,
	OP_PID,
	OP_STUB_DOMID,
	OP_MEMORY,
	OP_VIDEORAM,
	OP_TYPE
};

static enum dm_kind kind_of(const struct definition *def)
{
	switch (def->kind) {
	case DEFINITION_QEMU:
		return DM_KIND_QEMU;
	case DEFINITION_STUBDOM_LINUX:
		return DM_KIND_STUBDOM_LINUX;
	case DEFINITION_STUBDOM_MINIOS:
		return DM_KIND_STUBDOM_MINIOS;
	case DEFINITION_NO_DM:
		return DM_KIND_NONE;
	default:
		return DM_KIND_UNKNOWN;
	}
}

void domain_take_definition(struct domain *d, struct definition *def)
{
	definition_unref(d->def);
	d->def = definition_ref(def);
	free(d->r.source);
	if (asprintf(&d->r.source, "definition:%s", def->path) < 0) {
		d->r.source = NULL;
	}
	d->r.kind = kind_of(def);
	d->r.on_exit = def->on_exit;
	definition_limits_resolve(def, &d->s->config->limits, &d->r.limits);
}

static enum domain_event event_of_definition(struct domain *d)
{
	struct definition *def = NULL;
	struct err err = {0};

	if (d->is_stub) {
		return DOMAIN_EV_FOUND_NOTHING; /* no definition speaks of it */
	}
	if (defset_match(d->s->defs, d->dom.domid, d->dom.uuid, d->r.name, &def, &err) < 0) {
		domain_set_reason(d, "%s", err.text);
		return DOMAIN_EV_FOUND_BAD;
	}
	if (!def || def->kind == DEFINITION_NO_DM || d->dom.dying) {
		return DOMAIN_EV_FOUND_NOTHING;
	}
	domain_take_definition(d, def);
	if (def->source == DEFINITION_HANDOFF &&
		(d->by_libxl || definition_supported(def, &err) == 0)) {
		return DOMAIN_EV_FOUND_WAIT;
	}
	if (d->by_libxl) {
		snprintf(d->warning, sizeof(d->warning),
			"%.180s starts nothing: libxl made this domain and starts its device model",
			def->path);
		return DOMAIN_EV_FOUND_NOTHING;
	}
	if (d->image_names) {
		snprintf(d->warning, sizeof(d->warning),
			"a device model that is not ours (%s %u) has run for this domain; "
			"no second one is started",
			d->named_stub ? "stub domain" : "pid",
			d->named_stub ? d->named_stub : (unsigned)d->named_pid);
		return DOMAIN_EV_FOUND_NOTHING;
	}
	if (definition_supported(def, &err) < 0) {
		domain_set_reason(d, "%s", err.text);
		return DOMAIN_EV_FOUND_BAD;
	}
	if (domain_waits_for_files(d, def)) {
		return DOMAIN_EV_FOUND_WAIT;
	}
	return DOMAIN_EV_FOUND_START;
}

void domain_decide_by_definition(struct domain *d)
{
	char before[sizeof(d->warning)];
	enum domain_event event;

	memcpy(before, d->warning, sizeof(before));
	*d->warning = 0;
	event = event_of_definition(d);
	if (*d->warning && strcmp(d->warning, before)) { /* once, however often is looked */
		domain_log(d, LOG_LVL_WARNING, "%s", d->warning);
	}
	domain_post(d, event);
}

static void forget_definition(struct domain *d)
{
	d->def = definition_unref(d->def);
	free(TAKE_PTR(d->r.source));
	free(TAKE_PTR(d->r.reason));
	d->r.kind = DM_KIND_UNKNOWN;
}

static void on_look_again(void *arg)
{
	domain_post(arg, DOMAIN_EV_LOOK);
}

static void decide(struct domain *d)
{
	d->looked = true;
	d->repeat = d->backends = false;
	forget_definition(d);
	if (d->handoff) {
		if (!domain_find_living_foreign(d)) {
			domain_decide_handoff(d);
		}
		return;
	}
	if (domain_find_foreign(d)) {
		return;
	}
	domain_decide_by_definition(d);
	if (d->named_pid || d->retries) {
		domain_await_foreign(d);
	}
}

static bool ends_with(const char *text, const char *suffix)
{
	size_t len = strlen(text), suffix_len = strlen(suffix);

	return len > suffix_len && !strcmp(text + len - suffix_len, suffix);
}

void domain_watch_name(struct domain *d, bool on)
{
	char path[XENLAYOUT_PATH_MAX];

	if (on == d->name_watched) {
		return;
	}
	d->name_watched = on;
	xenlayout_domain(d->dom.domid, "name", path);
	if (on) {
		store_watch(d->s->store, path, DOMAIN_TOKEN_NAME);
	} else {
		store_unwatch(d->s->store, path, DOMAIN_TOKEN_NAME);
	}
}

bool domain_name_is_final(const char *name)
{
	return !ends_with(name, INCOMING_SUFFIX);
}

static void set_name(struct domain *d, const char *name)
{
	char *now = strdup(name);

	if (now) {
		utf8_make_printable(now, strlen(now)); /* it goes into JSON */
	}
	if (now && d->r.name && !strcmp(now, d->r.name)) {
		free(now);
		return;
	}
	free(d->r.name);
	d->r.name = now;
	domain_changed(d);
}

/* False: no name yet and there is time left. */
static bool take_name(struct domain *d, const char *name)
{
	if (name && *name && strlen(name) <= LIMIT_NAME_BYTES) {
		set_name(d, name);
		d->name_final = domain_name_is_final(name);
		/* libxl's domains may be renamed. */
		domain_watch_name(d, !d->name_final || d->by_libxl);
		return true;
	}
	return d->name_final;
}

/* What the guest sees as its memory: the toolstack's number less the video memory. The hypervisor's
 * limit, which has some slack on top (libxl: 1 MiB), stands in where a toolstack writes none. */
static void take_memory(struct domain *d, const struct xs_results *results)
{
	const char *total_text = xs_results_value(results, OP_MEMORY);
	const char *video_text = xs_results_value(results, OP_VIDEORAM);
	uint64_t total, video;

	d->memory_kib = d->dom.max_memkb;
	if (!total_text || parse_u64(total_text, d->dom.max_memkb, &total) < 0) {
		return;
	}
	if (!video_text || parse_u64(video_text, total, &video) < 0) {
		video = 0;
	}
	d->memory_kib = total - video;
}

static void on_name_timeout(void *arg)
{
	struct domain *d = arg;

	domain_log(
		d, LOG_LVL_WARNING, "no name in xenstore after %u s", d->s->config->name_timeout_s);
	d->name_final = true;
	domain_watch_name(d, false);
	domain_post(d, DOMAIN_EV_LOOK);
}

/* A state with a deadline looks again by that. */
static void look_later(struct domain *d)
{
	if (d->state != DOMAIN_LOOKING) {
		loop_timer_start(d->s->loop, &d->retry, LOOK_AGAIN_MS, on_look_again, d);
	}
}

static void wait_for_name(struct domain *d)
{
	int64_t now = loop_monotonic_ms(), left;

	domain_watch_name(d, true);
	if (!d->name_until_ms) {
		d->name_until_ms = now + (int64_t)d->s->config->name_timeout_s * 1000;
	}
	left = d->name_until_ms - now;
	loop_timer_start(d->s->loop, &d->retry, left > 0 ? left : 1, on_name_timeout, d);
}

/* It may have been taken for a guest: libxl writes whose stub domain it is after it was introduced.
 */
static void take_target(struct domain *d, const char *target)
{
	if (!target || d->is_stub || parse_domid(target, &d->stub_target) < 0) {
		return;
	}
	if (d->announced) {
		domain_publish(d, "domain-gone");
	}
	d->is_stub = true;
	d->ops->on_stub(d->ops_ctx, d, d->stub_target);
}

/* The hypervisor calls PVH hvm. */
static void take_type(struct domain *d, const char *type)
{
	if (type) {
		d->libxl_pv = !strcmp(type, "pv") || !strcmp(type, "pvh");
	}
}

static void take_nodes(struct domain *d, const struct xs_results *results)
{
	/* libxl takes its node away before the domain goes: once libxl's, always libxl's. */
	d->by_libxl = d->by_libxl || xs_results_status(results, OP_LIBXL) == 0;
	take_type(d, xs_results_value(results, OP_TYPE));
	take_target(d, xs_results_value(results, OP_TARGET));
	take_memory(d, results);
	domain_take_image(
		d, xs_results_value(results, OP_PID), xs_results_value(results, OP_STUB_DOMID));
	if (d->by_libxl && !d->gone) {
		domain_watch_image(d, true);
	}
}

static void on_looked(void *ctx, int status, const struct xs_results *results)
{
	struct domain *d = ctx;

	d->xs_request = 0;
	if (status < 0) {
		domain_log(d, LOG_LVL_WARNING, "xenstore: %s; looking again", strerror(-status));
		look_later(d);
		return;
	}
	take_nodes(d, results);
	if (d->r.kind == DM_KIND_FOREIGN) {
		take_name(d, xs_results_value(results, OP_NAME));
		domain_refind_foreign(d);
	} else if (take_name(d, xs_results_value(results, OP_NAME))) {
		decide(d);
	} else {
		wait_for_name(d);
	}
}

/* A device model of ours is looked after, not looked for. */
static bool may_look(const struct domain *d)
{
	switch (d->state) {
	case DOMAIN_LOOKING:
	case DOMAIN_UNMANAGED:
	case DOMAIN_WAITING:
		return true;
	case DOMAIN_FAILED:
		return !d->recorded;
	default:
		return d->r.kind == DM_KIND_FOREIGN;
	}
}

void domain_look(struct domain *d)
{
	struct xs_batch *batch;
	char path[XENLAYOUT_PATH_MAX];

	if (!may_look(d)) {
		return;
	}
	batch = xs_batch_new(0);
	if (batch) {
		xenlayout_domain(d->dom.domid, "name", path);
		xs_batch_read(batch, path);
		xenlayout_libxl(d->dom.domid, NULL, path);
		xs_batch_read(batch, path);
		xenlayout_domain(d->dom.domid, "target", path);
		xs_batch_read(batch, path);
		xenlayout_domain(d->dom.domid, "image/device-model-pid", path);
		xs_batch_read(batch, path);
		xenlayout_domain(d->dom.domid, "image/device-model-domid", path);
		xs_batch_read(batch, path);
		xenlayout_domain(d->dom.domid, "memory/static-max", path);
		xs_batch_read(batch, path);
		xenlayout_domain(d->dom.domid, "memory/videoram", path);
		xs_batch_read(batch, path);
		xenlayout_libxl(d->dom.domid, "type", path);
		xs_batch_read(batch, path);
	}
	if (domain_xs(d, batch, d->s->config->xenstore_timeout_ms, on_looked) < 0) {
		domain_log(d, LOG_LVL_ERROR, "look: out of memory");
		look_later(d);
	}
}

static void on_renamed(void *ctx, int status, const struct xs_results *results)
{
	struct domain *d = ctx;
	const char *name = status == 0 ? xs_results_value(results, 0) : NULL;

	d->xs_request = 0;
	if (name && (!d->r.name || strcmp(name, d->r.name)) && take_name(d, name) && d->recorded) {
		domain_write_record(d);
	}
}

/* Nothing but the name is new: a migration's "--incoming" went. */
static void look_at_name(struct domain *d)
{
	struct xs_batch *batch = xs_batch_new(0);
	char path[XENLAYOUT_PATH_MAX];

	xenlayout_domain(d->dom.domid, "name", path);
	xs_batch_read(batch, path);
	domain_xs(d, batch, d->s->config->xenstore_timeout_ms, on_renamed);
}

void domain_on_name(struct domain *d)
{
	/* A name that changes while the start is under way is looked at when it is done. */
	if (d->state == DOMAIN_RUNNING || d->state == DOMAIN_LOST ||
		(d->state == DOMAIN_EXITED && d->r.kind != DM_KIND_FOREIGN)) {
		look_at_name(d);
	} else if (d->state != DOMAIN_FAILED) {
		domain_post(d, DOMAIN_EV_LOOK);
	}
}

void domain_on_dm_node(struct domain *d)
{
	if (d->state == DOMAIN_PROBING) {
		domain_probe(d);
	} else if (d->state == DOMAIN_UNMANAGED || d->state == DOMAIN_WAITING) {
		/* QEMU that is being made writes a dozen nodes: one look. The pid comes
		 * before or after. */
		d->retries = 0;
		domain_await_foreign(d);
	}
}

void domain_on_definitions(struct domain *d)
{
	struct definition *def = NULL;
	struct err err;

	if (d->state == DOMAIN_UNMANAGED || d->state == DOMAIN_WAITING) {
		if (defset_match(d->s->defs, d->dom.domid, d->dom.uuid, d->r.name, &def, &err) ==
				0 &&
			(def && def->kind == DEFINITION_NO_DM ? NULL : def) == d->def) {
			return; /* the same definition is the same object */
		}
	}
	domain_look_again(d);
}

void domain_look_again(struct domain *d)
{
	if (d->state != DOMAIN_LOOKING && may_look(d)) {
		domain_post(d, DOMAIN_EV_LOOK);
	}
}
