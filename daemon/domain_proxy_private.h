/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Between the parts of daemon/domain_proxy; each for a domain with a proxy. _store asks xenstore
 * and comes back with domain_proxy_checked() or domain_proxy_advance().
 */
#include <stdbool.h>

#include "daemon/domain_impl.h"

/* domain_proxy.c */
/* The next step, unless xenstore is being asked. */
void domain_proxy_advance(struct domain *d);
/* WHY: NULL, or that this is no guest with its stub domain. */
void domain_proxy_checked(struct domain *d, const struct err *why);
/* Ends it, answers its call, takes away what it has made; d->proxy is NULL then. ERR is logged. */
void domain_proxy_stop(struct domain *d, const struct err *err);
/* Both domains live, and the stub domain is the one that was asked for. */
bool domain_proxy_stub_lives(const struct domain *d);

/* domain_proxy_store.c; nothing else may be in flight */
void domain_proxy_check(struct domain *d);
void domain_proxy_tell(struct domain *d);
void domain_proxy_name(struct domain *d);
/* The node in which libxl leaves the helper's pid. */
void domain_proxy_watch_node(struct domain *d, bool on);

/* domain_proxy_serve.c */
/* On failure domain_proxy_stop() takes away what there is. */
int domain_proxy_serve(struct domain *d, struct err *err);
/* A failure is logged: it is there in an older form. */
void domain_proxy_rewrite_record(struct domain *d);
void domain_proxy_remove_record(const struct domain *d);
