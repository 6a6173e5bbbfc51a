/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attacks below QMP: the shared page, the event channel, the node in xenstore. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lab/peer/peer.h"

#define STORM_EVENTS 1000 /* a turn */

static volatile struct vchan_interface *page(struct peer *p)
{
	return p->vchan ? p->vchan->ring : NULL;
}

static void kick(struct peer *p)
{
	if (p->vchan) {
		xenevtchn_notify(p->vchan->event, p->vchan->event_port);
	}
}

static void serve_again(struct peer *p)
{
	peer_stop(p);
	peer_serve(p, 0, 0);
}

/* More in the ring than it holds, in both. */
static void indices(struct peer *p)
{
	if (page(p)) {
		page(p)->right.prod = page(p)->right.cons + 0x80000000u;
		page(p)->left.cons = page(p)->left.prod + 5;
		kick(p);
	}
}

static void indices_at_random(struct peer *p)
{
	if (page(p)) {
		page(p)->right.prod = page(p)->right.cons + rand() % 4096;
		page(p)->right.cons = rand();
		page(p)->left.prod = rand();
		page(p)->left.cons = page(p)->left.prod - rand() % 2048;
		kick(p);
	}
}

/* 1 MiB a direction: 513 pages for dom0 to map. */
static void orders_20(struct peer *p)
{
	peer_stop(p);
	peer_serve(p, 1024 * 1024, 1024 * 1024);
}

static void announce(struct peer *p, const char *node, const char *value)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/%s", p->path, node);
	xs_write(p->xs, XBT_NULL, path, value, strlen(value));
}

/* What the page says of orders when the next client looks. */
static void orders_forged(struct peer *p)
{
	if (page(p)) {
		page(p)->left_order = 99;
		page(p)->right_order = 0xffff;
		page(p)->srv_live = 0;
		kick(p);
		page(p)->srv_live = 1;
	}
}

static void live_flaps(struct peer *p)
{
	static const uint8_t values[] = {0, 1, 2, 1, 255, 1, 3, 1};

	if (page(p)) {
		page(p)->srv_live = values[p->ring_turns++ % sizeof(values)];
		kick(p);
	}
}

static void event_storm(struct peer *p)
{
	for (int i = 0; i < STORM_EVENTS; i++) {
		kick(p);
	}
	peer_talk(p);
}

/* Every notification bit set as well: each read and write of the other side is an event for us. */
static void notify_storm(struct peer *p)
{
	if (page(p)) {
		page(p)->srv_notify = 0xff;
		page(p)->cli_notify = 0xff;
	}
	event_storm(p);
}

static void rewrite_ref(struct peer *p)
{
	static const char *const values[] = {
		"8", "0", "-1", "4294967295", "99999999999999", "x", "", "1048576"};
	unsigned turn = p->ring_turns++;

	announce(p, turn % 3 ? "ring-ref" : "event-channel",
		values[turn % (sizeof(values) / sizeof(*values))]);
}

static void node_gone(struct peer *p)
{
	xs_rm(p->xs, XBT_NULL, p->path);
}

static void deaf(struct peer *p)
{
	p->deaf = true;
}

static void mute(struct peer *p)
{
	p->mute = true;
}

/* Without a pause between the end of one server and the begin of the next. */
static void reconnects(struct peer *p)
{
	serve_again(p);
	peer_talk(p);
}

/* The server goes, the node stays: as of one that was killed. */
static void dead_server(struct peer *p)
{
	char ref[16] = "8", port[16] = "9";

	peer_stop(p);
	announce(p, "ring-ref", ref);
	announce(p, "event-channel", port);
}

#define BENT "bent the rings"

const struct peer_ring_attack peer_ring_attacks[] = {
	{"ring-indices", 8000, "error", BENT, indices, NULL, serve_again},
	{"ring-indices-random", 8000, "any", BENT, NULL, indices_at_random, serve_again},
	{"ring-orders-20", 8000, "any", "offers rings", orders_20, peer_talk, serve_again},
	{"ring-orders-forged", 8000, "any", NULL, NULL, orders_forged, serve_again},
	{"live-flaps", 8000, "any", NULL, NULL, live_flaps, serve_again},
	{"event-storm", 8000, "fine", "", NULL, event_storm, NULL},
	{"notify-storm", 8000, "any", NULL, NULL, notify_storm, serve_again},
	{"ring-ref-rewritten", 8000, "late", "", NULL, rewrite_ref, serve_again},
	{"node-gone", 8000, "fine", "", node_gone, NULL, serve_again},
	{"reads-nothing", 20000, "late", NULL, deaf, NULL, serve_again},
	{"says-nothing", 20000, "late", NULL, mute, peer_talk, serve_again},
	{"reconnects", 8000, "any", NULL, NULL, reconnects, serve_again},
	{"dead-server", 8000, "any", NULL, dead_server, NULL, serve_again},
	{"restart", 0, "any", NULL, serve_again, NULL, NULL},
	{NULL},
};

const struct peer_ring_attack *peer_ring_find(const char *name)
{
	for (const struct peer_ring_attack *a = peer_ring_attacks; a->name; a++) {
		if (!strcmp(a->name, name)) {
			return a;
		}
	}
	return NULL;
}
