/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is told of a domain, and to whom: events, xenstore, clients that wait for an answer. */
#include "daemon/domain_impl.h"

#include <errno.h>
#include <string.h>

#include "daemon/events.h"
#include "lib/cleanup.h"

#define LATE_UNPUBLISH_MS (60 * 60 * 1000)
#define LATE_PUBLISH_MS 60000 /* a state told later than this is told by the next one */

void domain_unpublish_xenstore(struct domain *d)
{
	struct xs_batch *batch = xs_batch_new(XS_BATCH_TRANSACTION);
	char path[XENLAYOUT_PATH_MAX];

	xenlayout_xendmd(d->dom.domid, "uuid", path);
	xs_batch_require(batch, path, d->uuid);
	xenlayout_xendmd(d->dom.domid, NULL, path);
	xs_batch_rm(batch, path);
	store_submit_detached(d->s->store, batch, LATE_UNPUBLISH_MS, "state of a domain");
}

void domain_add_published(const struct domain *d, struct xs_batch *batch)
{
	char path[XENLAYOUT_PATH_MAX];

	xenlayout_xendmd(d->dom.domid, "uuid", path);
	xs_batch_write(batch, path, d->uuid);
	xenlayout_xendmd(d->dom.domid, "kind", path);
	xs_batch_write(batch, path, dm_kind_name(d->r.kind));
	xenlayout_xendmd(d->dom.domid, "reason", path);
	xs_batch_write(batch, path, d->r.reason ? d->r.reason : "");
	xenlayout_xendmd(d->dom.domid, "state", path);
	xs_batch_write(batch, path, dm_state_name(d->r.state));
}

/* Told to toolstacks that wait without us: contract section 6. */
void domain_publish_xenstore(struct domain *d)
{
	struct xs_batch *batch;

	if (d->state == DOMAIN_UNMANAGED && !d->is_stub) {
		domain_unpublish_xenstore(d); /* what was told while a definition spoke of it */
		return;
	}
	/* A start tells with what it writes itself: a toolstack waits for that. While an end is
	 * looked into, the mark has to be as the end found it. */
	if (d->r.kind == DM_KIND_UNKNOWN || !d->r.source || d->state == DOMAIN_PREPARING ||
		d->state == DOMAIN_ENDING || d->state == DOMAIN_CLEANING_GONE ||
		d->state == DOMAIN_LEAVING || d->state == DOMAIN_GONE) {
		return;
	}
	batch = xs_batch_new(XS_BATCH_TRANSACTION);
	if (!batch) {
		return;
	}
	domain_add_published(d, batch);
	store_submit_detached(d->s->store, batch, LATE_PUBLISH_MS, "state of a domain");
}

struct json_object *domain_event_json(const struct domain *d, const char *event)
{
	struct json_object *json = json_object_new_object();

	if (!json) {
		return NULL;
	}
	json_object_object_add(json, "event", json_object_new_string(event));
	json_object_object_add(json, "domid", json_object_new_int(d->dom.domid));
	json_object_object_add(json, "uuid", json_object_new_string(d->uuid));
	json_object_object_add(json, "name", d->r.name ? json_object_new_string(d->r.name) : NULL);
	return json;
}

static void add_details(const struct domain *d, struct json_object *json)
{
	if (dm_kind_name(d->r.kind)) {
		json_object_object_add(
			json, "kind", json_object_new_string(dm_kind_name(d->r.kind)));
	}
	if (d->is_stub) {
		json_object_object_add(json, "target", json_object_new_int(d->stub_target));
	}
	if (d->r.process.pid) {
		json_object_object_add(json, "pid", json_object_new_int(d->r.process.pid));
	}
	if (d->r.start_ms >= 0 && d->state == DOMAIN_RUNNING) {
		json_object_object_add(json, "start_ms", json_object_new_int64(d->r.start_ms));
	}
	if (d->r.reason) {
		json_object_object_add(json, "reason", json_object_new_string(d->r.reason));
	}
	if (d->ended) {
		json_object_object_add(json, "exit", exit_info_to_json(&d->r.exit));
	}
}

void domain_publish(const struct domain *d, const char *event)
{
	struct json_object *json;

	/* A stub domain is no guest; but the death of the QEMU that serves it is news. */
	if (d->is_stub && strcmp(event, "device-model-exited")) {
		return;
	}
	json = domain_event_json(d, event);
	if (json) {
		add_details(d, json);
		events_publish(d->s->events, json);
	}
}

/* What the change from FROM by EVENT to the present state is called outside; NULL: nothing. */
static const char *event_name_of(
	const struct domain *d, enum domain_state from, enum domain_event event)
{
	switch (d->state) {
	case DOMAIN_PREPARING:
		return "device-model-starting";
	case DOMAIN_PROBING:
		return event == DOMAIN_EV_ADOPT_STARTING ? "device-model-adopted" : NULL;
	case DOMAIN_RUNNING:
		return event == DOMAIN_EV_READY ? "device-model-running" : "device-model-adopted";
	case DOMAIN_FOREIGN:
		return event == DOMAIN_EV_FOUND_FOREIGN ? "device-model-running" : NULL;
	case DOMAIN_BACKOFF:
		return event == DOMAIN_EV_CLEANED_RETRY ? "device-model-failed" : NULL;
	case DOMAIN_EXITED:
		return event == DOMAIN_EV_CLEANED_GIVE_UP ? "device-model-exited" : NULL;
	case DOMAIN_LOST:
		return "device-model-lost";
	case DOMAIN_FAILED:
		return event == DOMAIN_EV_ADOPT_FAILED ? NULL : "device-model-failed";
	case DOMAIN_ENDED:
		return "device-model-stopped";
	case DOMAIN_CLEANING_RESTART:
		return "device-model-exited";
	case DOMAIN_CLEANING_EXITED:
		return from == DOMAIN_ENDING || from == DOMAIN_ENDED ? "device-model-exited"
		       : from == DOMAIN_STOPPING_EXITED		     ? "device-model-stopped"
								     : NULL;
	case DOMAIN_CLEANING_GONE:
		return from == DOMAIN_STOPPING_GONE || from == DOMAIN_ENDING ||
				       from == DOMAIN_FOREIGN
			       ? "device-model-stopped"
			       : NULL;
	default:
		return NULL;
	}
}

void domain_announce(struct domain *d, enum domain_state from, enum domain_event event)
{
	const char *name = from != d->state ? event_name_of(d, from, event) : NULL;

	if (!d->announced && (d->looked || d->state != DOMAIN_LOOKING)) {
		d->announced = true;
		domain_publish(d, "domain-appeared");
	}
	if (name) {
		domain_publish(d, name);
	}
	if (d->state == DOMAIN_GONE) {
		domain_publish(d, "domain-gone");
	}
}

static void complete_call(struct control_call **slot)
{
	if (*slot) {
		control_complete(TAKE_PTR(*slot), NULL);
	}
}

void domain_fail_call(struct domain *d, struct control_call **slot, int code, const char *what)
{
	struct err err;

	if (*slot) {
		err_set(&err, code, "domain %u: %s", d->dom.domid,
			d->r.reason ? d->r.reason : what);
		control_fail(TAKE_PTR(*slot), &err);
	}
}

void domain_answer_calls(struct domain *d)
{
	switch (d->state) {
	case DOMAIN_RUNNING:
		complete_call(&d->start_call);
		break;
	case DOMAIN_FOREIGN:
		domain_handoff_fail(d, -EALREADY, "it has a device model");
		break;
	case DOMAIN_FAILED:
		domain_handoff_fail(d, -EIO, "the start failed");
		domain_fail_call(d, &d->start_call, -EIO, "the start failed");
		complete_call(&d->stop_call);
		break;
	case DOMAIN_EXITED:
		domain_handoff_fail(d, -ECANCELED, "stopped");
		domain_fail_call(d, &d->start_call, -ECANCELED, "stopped");
		complete_call(&d->stop_call);
		break;
	case DOMAIN_LEAVING:
		domain_handoff_fail(d, -ENOENT, "the domain went away");
		domain_fail_call(d, &d->start_call, -ENOENT, "the domain went away");
		complete_call(&d->stop_call);
		break;
	default:
		break;
	}
}
