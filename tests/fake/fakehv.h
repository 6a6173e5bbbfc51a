/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A hypervisor in a file: what the twin of lib/toolstack (toolstack.c), the command `fakehv` and
 * tests share. The file, named by XENDMD_FAKE_HV, is mapped by all of them; a robust process-shared
 * mutex in it orders them, so that a process killed in the middle stops nobody. Domains are an
 * array in ascending order of their numbers.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define FAKEHV_ENV "XENDMD_FAKE_HV"
#define FAKEHV_DOMAINS_MAX 8192

struct fakehv_domain {
	uint32_t domid;
	uint8_t uuid[16];
	uint64_t unique_id;
	bool dying, shutdown, paused, hvm, as_libxl;
	unsigned shutdown_reason;
	uint64_t cpu_time_ns; /* at CREATED_NS; runs with the clock from there on */
	int64_t created_ns;   /* CLOCK_MONOTONIC */
	uint64_t max_memkb;
	unsigned vcpus;
	unsigned pause_calls, crash_calls; /* made through the twin */
};

struct fakehv {
	uint32_t magic;
	uint32_t next_domid;
	uint64_t next_unique_id;
	pthread_mutex_t mutex;
	int xenstored_pid; /* gets SIGUSR1 for VIRQ_DOM_EXC: fires @releaseDomain; 0 for none */
	bool unique_ids;   /* as Xen 4.20 with libxenmanage */
	int list_error;	   /* errno that toolstack_list() and _get() end with; 0 for none */
	int destroy_again; /* so many toolstack_destroy() calls end with EAGAIN */
	uint64_t list_calls, get_calls, pause_calls, crash_calls, destroy_calls;
	uint32_t len;
	struct fakehv_domain domains[FAKEHV_DOMAINS_MAX];
};

/* Maps the file, making it first if need be. NULL and errno when it can't. */
struct fakehv *fakehv_map(const char *path);
void fakehv_unmap(struct fakehv *hv);
void fakehv_lock(struct fakehv *hv);
void fakehv_unlock(struct fakehv *hv);

/* The rest with the lock held. */

/* Index of the first domain with this number or a higher one. */
uint32_t fakehv_index(const struct fakehv *hv, uint32_t domid);
/* NULL when there is none. */
struct fakehv_domain *fakehv_find(struct fakehv *hv, uint32_t domid);
/* DOMID 0 takes the next number. Paused, HVM, one vcpu. NULL when full or the number is taken. */
struct fakehv_domain *fakehv_insert(struct fakehv *hv, uint32_t domid, const uint8_t uuid[16]);
void fakehv_remove(struct fakehv *hv, uint32_t domid);
/* What the hypervisor does when a domain shuts down or is dying. */
void fakehv_raise(const struct fakehv *hv);
uint64_t fakehv_cpu_time_ns(const struct fakehv_domain *dom);
