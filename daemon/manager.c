/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns all domains. A number may stand for two of them for a while: one that is gone and still
 * being cleaned, and its successor. The successor waits with its start until the other is done,
 * because run directory, sockets and xenstore nodes go by the number.
 */
#include "daemon/manager_impl.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/defwatch.h"
#include "daemon/dmlog.h"
#include "daemon/dmask.h"
#include "daemon/events.h"
#include "daemon/exits.h"
#include "daemon/scope.h"
#include "daemon/store.h"
#include "lib/cleanup.h"
#include "lib/fsutil.h"
#include "lib/log.h"
#include "proto/qmppolicy.h"

#define ORPHANS_MS 1000

static void changed(struct manager *m)
{
	if (m->control) {
		control_list_changed(m->control);
	}
	if (m->on_change) {
		m->on_change(m->change_ctx);
	}
}

struct manager_entry *manager_find(struct manager *m, uint32_t domid)
{
	struct manager_entry *entry, *found = NULL;

	LIST_FOREACH (entry, &m->buckets[domid % MANAGER_BUCKETS], link) {
		if (domain_domid(entry->d) == domid && (!found || !domain_is_going(entry->d))) {
			found = entry;
		}
	}
	return found;
}

static struct manager_entry *find_exact(struct manager *m, uint32_t domid, const uint8_t uuid[16])
{
	struct manager_entry *entry;

	LIST_FOREACH (entry, &m->buckets[domid % MANAGER_BUCKETS], link) {
		if (domain_domid(entry->d) == domid && !domain_is_going(entry->d) &&
			!memcmp(domain_uuid(entry->d), uuid, 16)) {
			return entry;
		}
	}
	return NULL;
}

static struct manager_entry *entry_of(struct manager *m, const struct domain *d)
{
	struct manager_entry *entry;

	LIST_FOREACH (entry, &m->buckets[domain_domid(d) % MANAGER_BUCKETS], link) {
		if (entry->d == d) {
			return entry;
		}
	}
	return NULL;
}

static bool has_predecessor(struct manager *m, const struct manager_entry *successor)
{
	struct manager_entry *entry;

	LIST_FOREACH (entry, &m->buckets[domain_domid(successor->d) % MANAGER_BUCKETS], link) {
		if (entry != successor && domain_domid(entry->d) == domain_domid(successor->d) &&
			domain_is_going(entry->d)) {
			return true;
		}
	}
	return false;
}

static void grant_slots(struct manager *m)
{
	struct manager_entry *entry, *next;

	for (entry = TAILQ_FIRST(&m->queue); entry && m->starting < m->config.starts_at_once;
		entry = next) {
		next = TAILQ_NEXT(entry, wait);
		if (has_predecessor(m, entry)) {
			continue;
		}
		TAILQ_REMOVE(&m->queue, entry, wait);
		entry->queued = false;
		entry->starting = true;
		m->starting++;
		domain_post(entry->d, DOMAIN_EV_SLOT);
		/* The list may have changed altogether; it is short and this ends. */
		next = TAILQ_FIRST(&m->queue);
	}
}

static void on_queue(void *ctx, struct domain *d)
{
	struct manager *m = ctx;
	struct manager_entry *entry = entry_of(m, d);

	if (entry && !entry->queued) {
		entry->queued = true;
		TAILQ_INSERT_TAIL(&m->queue, entry, wait);
	}
	grant_slots(m);
}

static void on_unqueue(void *ctx, struct domain *d)
{
	struct manager *m = ctx;
	struct manager_entry *entry = entry_of(m, d);

	if (entry && entry->queued) {
		entry->queued = false;
		TAILQ_REMOVE(&m->queue, entry, wait);
	}
}

/* A start that was taken up from an earlier daemon never had a slot. */
static void free_slot(struct manager *m, struct manager_entry *entry)
{
	if (entry && entry->starting) {
		entry->starting = false;
		m->starting--;
	}
}

static void on_change(void *ctx, struct domain *d)
{
	changed(ctx);
}

static void on_slot_free(void *ctx, struct domain *d)
{
	struct manager *m = ctx;

	free_slot(m, entry_of(m, d));
	changed(m);
	grant_slots(m);
}

static void on_stub(void *ctx, struct domain *d, uint32_t target)
{
	struct manager *m = ctx;
	struct manager_entry *guest = manager_find(m, target);

	if (guest) {
		domain_set_stub(guest->d, d);
	}
}

static void on_guest(void *ctx, struct domain *d, uint32_t stub)
{
	struct manager_entry *entry = manager_find(ctx, stub);

	if (entry && domain_is_stub(entry->d)) {
		domain_set_stub(d, entry->d);
	} else if (entry) {
		domain_look_again(entry->d);
	}
}

static void forget_stub(struct manager *m, struct domain *stub)
{
	struct manager_entry *entry;

	if (!domain_is_stub(stub)) {
		return;
	}
	TAILQ_FOREACH (entry, &m->all, order) {
		domain_forget_stub(entry->d, stub);
	}
}

static void on_forget(void *ctx, struct domain *d)
{
	struct manager *m = ctx;
	struct manager_entry *entry = entry_of(m, d);

	on_unqueue(m, d);
	forget_stub(m, d);
	free_slot(m, entry);
	if (entry) {
		LIST_REMOVE(entry, link);
		TAILQ_REMOVE(&m->all, entry, order);
		free(entry);
		m->count--;
	}
	changed(m);
	grant_slots(m);
}

static const struct domain_ops domain_ops = {
	.on_queue = on_queue,
	.on_unqueue = on_unqueue,
	.on_slot_free = on_slot_free,
	.on_change = on_change,
	.on_stub = on_stub,
	.on_guest = on_guest,
	.on_forget = on_forget,
};

static struct domain *add_domain(struct manager *m, const struct toolstack_domain *dom)
{
	struct manager_entry *entry = calloc(1, sizeof(*entry));

	if (entry) {
		entry->d = domain_new(&m->s, &domain_ops, m, dom);
	}
	if (!entry || !entry->d) {
		free(entry);
		log_error("domain %u: out of memory", dom->domid);
		return NULL;
	}
	LIST_INSERT_HEAD(&m->buckets[dom->domid % MANAGER_BUCKETS], entry, link);
	TAILQ_INSERT_TAIL(&m->all, entry, order);
	m->count++;
	return entry->d;
}

static void begin_or_adopt(struct manager *m, struct domain *d, struct manager_record *record)
{
	if (record) {
		domain_adopt(d, &record->record);
		manager_record_free(record);
	} else {
		domain_begin(d);
	}
	changed(m);
}

static void on_appeared(void *ctx, const struct toolstack_domain *dom)
{
	struct manager *m = ctx;
	struct domain *d = add_domain(m, dom);

	if (d) {
		begin_or_adopt(m, d, manager_claim_record(m, dom));
		manager_give_handoff(m, d);
		manager_give_proxies(m);
	}
}

static void on_update(void *ctx, const struct toolstack_domain *dom)
{
	struct manager_entry *entry = find_exact(ctx, dom->domid, dom->uuid);

	manager_tell_proxies(ctx, dom);
	if (entry) {
		domain_update(entry->d, dom);
	}
}

static void on_gone(void *ctx, uint32_t domid, const uint8_t uuid[16])
{
	struct manager_entry *entry = find_exact(ctx, domid, uuid);

	if (entry) {
		domain_post(entry->d, DOMAIN_EV_GONE);
	}
}

static const struct watcher_ops watcher_ops = {
	.on_appeared = on_appeared,
	.on_shutdown = on_update,
	.on_resumed = on_update,
	.on_dying = on_update,
	.on_gone = on_gone,
};

/* Records whose domain went away while nobody watched: what they name is cleaned like any other.
 * Again until the watcher has told of the others: a domain may go before it is ever seen. */
static void adopt_orphans(void *arg)
{
	struct manager *m = arg;
	struct manager_record *record, *next;
	struct toolstack_domain dom;
	struct domain *d;

	for (record = LIST_FIRST(&m->records); record; record = next) {
		next = LIST_NEXT(record, link);
		if (!manager_record_is_orphan(m, &record->record)) {
			continue; /* the watcher will tell */
		}
		dom = (struct toolstack_domain){.domid = record->record.domid, .dying = true};
		memcpy(dom.uuid, record->record.uuid, sizeof(dom.uuid));
		LIST_REMOVE(record, link);
		d = add_domain(m, &dom);
		if (d) {
			begin_or_adopt(m, d, record);
			domain_post(d, DOMAIN_EV_GONE);
		}
	}
	if (!LIST_EMPTY(&m->records)) {
		loop_timer_start(m->s.loop, &m->orphans, ORPHANS_MS, adopt_orphans, m);
	}
}

void manager_counts(const struct manager *m, unsigned *ret_domains, unsigned *ret_running)
{
	struct manager_entry *entry;

	*ret_domains = *ret_running = 0;
	TAILQ_FOREACH (entry, &m->all, order) {
		*ret_domains += !domain_is_stub(entry->d);
		*ret_running += domain_state(entry->d) == DOMAIN_RUNNING;
	}
}

void manager_on_change(struct manager *m, void (*fn)(void *ctx),
	void (*reloading)(void *ctx, bool begins), void *ctx)
{
	m->on_change = fn;
	m->on_reloading = reloading;
	m->change_ctx = ctx;
}

static int make_directories(struct manager *m, struct err *err)
{
	char path[PATH_MAX];
	int r = fsutil_mkdir(m->paths.run_dir, 0755, err);

	for (unsigned i = 0; r == 0 && i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", m->paths.run_dir, i ? "domains.d" : "dm");
		r = fsutil_mkdir(path, 0755, err);
	}
	/* Exit records and event numbers are worth having, not worth refusing to run for. */
	if (mkdir(m->paths.state_dir, 0755) < 0 && errno != EEXIST) {
		log_warning("mkdir \"%s\": %m", m->paths.state_dir);
	}
	return r;
}

void manager_look(struct manager *m)
{
	struct manager_entry *entry;

	watcher_look(m->watcher, WATCHER_ALL);
	TAILQ_FOREACH (entry, &m->all, order) {
		domain_look_again(entry->d);
	}
}

static void on_definitions_changed(void *ctx)
{
	struct manager *m = ctx;
	struct manager_entry *entry;

	log_info("definitions changed");
	manager_load_definitions(m, NULL);
	TAILQ_FOREACH (entry, &m->all, order) {
		domain_on_definitions(entry->d);
	}
}

static int open_services(struct manager *m, struct err *err)
{
	char etc[PATH_MAX], run[PATH_MAX], helper[PATH_MAX];
	const char *const dirs[] = {etc, run};
	int r;

	snprintf(etc, sizeof(etc), "%s/domains.d", m->paths.conf_dir);
	snprintf(run, sizeof(run), "%s/domains.d", m->paths.run_dir);
	m->s.qmp_total = &m->qmp_total;
	r = qmp_policy_load(&m->qmp_policy, m->paths.conf_dir, NULL, err);
	if (r < 0) {
		return r;
	}
	m->s.qmp_policy = m->qmp_policy;
	r = toolstack_open(&m->s.ts);
	if (r < 0) {
		return err_set_errno(err, r, "hypervisor (is this a Xen control domain?)");
	}
	if ((r = scope_bus_new(&m->s.bus, m->s.loop)) < 0 ||
		(r = dmlog_set_new(&m->s.logs, m->s.loop)) < 0 ||
		(r = events_new(&m->s.events, m->paths.state_dir, m->config.events_kept)) < 0 ||
		(r = (m->s.dmask = dmask_new()) ? 0 : -ENOMEM) < 0 ||
		(r = exits_new(&m->s.exits, m->paths.state_dir, m->config.exits_kept)) < 0 ||
		(r = defset_new(&m->s.defs, etc, run)) < 0 ||
		(r = defwatch_new(&m->defwatch, m->s.loop, dirs, on_definitions_changed, m)) < 0 ||
		(r = watcher_new(&m->watcher, m->s.loop, m->s.ts, &watcher_ops, m)) < 0 ||
		(r = store_new(&m->s.store, m->s.loop, &manager_xs_ops, m)) < 0) {
		return err_set_errno(err, r, "start-up");
	}
	if (events_store_error(m->s.events, err) < 0) {
		log_warning("%s", err->text);
	}
	snprintf(helper, sizeof(helper), "%s/log-trim", m->paths.helper_dir);
	r = dmlog_set_use_helper(m->s.logs, helper);
	return r < 0 ? err_set_errno(err, r, "start-up") : 0;
}

static int begin(struct manager *m, int control_fd, struct err *err)
{
	char path[PATH_MAX];
	int r;

	/* First of all: a second daemon ends here, before it has touched anything of the first. */
	snprintf(path, sizeof(path), "%s/control", m->paths.run_dir);
	r = control_new(&m->control, m->s.loop, m->s.events, control_fd, path, &m->config,
		&manager_backend, m, err);
	if (r < 0) {
		return r;
	}
	manager_load_definitions(m, NULL);
	r = manager_load_records(m, err);
	if (r < 0) {
		return r;
	}
	adopt_orphans(m);
	watcher_look(m->watcher, WATCHER_ALL);
	r = manager_watch_xenstore(m);
	return r < 0 ? err_set_errno(err, r, "xenstore watches") : 0;
}

int manager_new(struct manager **ret, const struct manager_params *params, struct err *err)
{
	struct manager *m = calloc(1, sizeof(*m));
	int control_fd = params->control_fd;
	int r;

	if (!m) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	TAILQ_INIT(&m->all);
	TAILQ_INIT(&m->queue);
	TAILQ_INIT(&m->handoffs);
	TAILQ_INIT(&m->proxies);
	paths_init(&m->paths);
	m->config = *params->config;
	*params->config = (struct config){0};
	m->config_path = strdup(params->config_path);
	m->s.loop = params->loop;
	m->s.config = &m->config;
	m->s.paths = &m->paths;
	r = m->config_path ? make_directories(m, err) : err_set(err, -ENOMEM, "out of memory");
	if (r == 0) {
		r = open_services(m, err);
	}
	if (r == 0) {
		r = begin(m, TAKE_FD(control_fd), err);
	}
	if (r < 0) {
		close_p(&control_fd);
		manager_free(m);
		return r;
	}
	*ret = m;
	return 0;
}

static void free_domains(struct manager *m)
{
	struct manager_entry *entry;

	while ((entry = TAILQ_FIRST(&m->all))) {
		TAILQ_REMOVE(&m->all, entry, order);
		domain_detach(entry->d);
		free(entry);
	}
}

struct manager *manager_free(struct manager *m)
{
	if (!m) {
		return NULL;
	}
	m->on_change = NULL;
	loop_timer_stop(&m->orphans);
	manager_drop_handoffs(m);
	manager_drop_proxies(m);
	free_domains(m);
	manager_free_records(m);
	if (m->control) {
		control_free(m->control);
	}
	if (m->s.store) {
		store_free(m->s.store);
	}
	if (m->watcher) {
		watcher_free(m->watcher);
	}
	defwatch_free(m->defwatch);
	if (m->s.defs) {
		defset_free(m->s.defs);
	}
	m->s.dmask = dmask_free(m->s.dmask);
	if (m->s.exits) {
		exits_free(m->s.exits);
	}
	if (m->s.events) {
		events_free(m->s.events);
	}
	if (m->s.logs) {
		dmlog_set_free(m->s.logs);
	}
	if (m->s.bus) {
		scope_bus_free(m->s.bus);
	}
	if (m->s.ts) {
		toolstack_close(m->s.ts);
	}
	qmp_policy_free(m->qmp_policy);
	config_fini(&m->config);
	free(m->config_path);
	free(m);
	return NULL;
}
