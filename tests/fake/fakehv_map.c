/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/fake/fakehv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define FAKEHV_MAGIC 0x78646d68u

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static void set_up(struct fakehv *hv)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&hv->mutex, &attr);
	pthread_mutexattr_destroy(&attr);
	hv->next_domid = 1;
	hv->next_unique_id = 1;
	hv->magic = FAKEHV_MAGIC;
}

struct fakehv *fakehv_map(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct fakehv *hv;

	if (fd < 0) {
		return NULL;
	}
	flock(fd, LOCK_EX); /* of two that make it, one does */
	if (ftruncate(fd, sizeof(*hv)) < 0) {
		close(fd);
		return NULL;
	}
	hv = mmap(NULL, sizeof(*hv), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (hv == MAP_FAILED) {
		close(fd);
		return NULL;
	}
	if (hv->magic != FAKEHV_MAGIC) {
		set_up(hv);
	}
	flock(fd, LOCK_UN); /* the mapping would hold it after close() */
	close(fd);
	return hv;
}

void fakehv_unmap(struct fakehv *hv)
{
	munmap(hv, sizeof(*hv));
}

void fakehv_lock(struct fakehv *hv)
{
	if (pthread_mutex_lock(&hv->mutex) == EOWNERDEAD) {
		pthread_mutex_consistent(&hv->mutex);
	}
}

void fakehv_unlock(struct fakehv *hv)
{
	pthread_mutex_unlock(&hv->mutex);
}

uint32_t fakehv_index(const struct fakehv *hv, uint32_t domid)
{
	uint32_t low = 0, high = hv->len;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (hv->domains[mid].domid < domid) {
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	return low;
}

struct fakehv_domain *fakehv_find(struct fakehv *hv, uint32_t domid)
{
	uint32_t i = fakehv_index(hv, domid);

	return i < hv->len && hv->domains[i].domid == domid ? &hv->domains[i] : NULL;
}

static uint32_t free_domid(struct fakehv *hv)
{
	do {
		if (hv->next_domid >= 0x7ff0) {
			hv->next_domid = 1;
		}
	} while (fakehv_find(hv, hv->next_domid++));
	return hv->next_domid - 1;
}

struct fakehv_domain *fakehv_insert(struct fakehv *hv, uint32_t domid, const uint8_t uuid[16])
{
	struct fakehv_domain *dom;
	uint32_t i;

	if (hv->len == FAKEHV_DOMAINS_MAX || (domid && fakehv_find(hv, domid))) {
		return NULL;
	}
	if (!domid) {
		domid = free_domid(hv);
	}
	i = fakehv_index(hv, domid);
	dom = &hv->domains[i];
	memmove(dom + 1, dom, (hv->len - i) * sizeof(*dom));
	hv->len++;
	*dom = (struct fakehv_domain){.domid = domid,
		.unique_id = hv->unique_ids ? hv->next_unique_id++ : 0,
		.paused = true,
		.hvm = true,
		.created_ns = now_ns(),
		.max_memkb = 64 * 1024,
		.vcpus = 1};
	memcpy(dom->uuid, uuid, sizeof(dom->uuid));
	return dom;
}

void fakehv_remove(struct fakehv *hv, uint32_t domid)
{
	struct fakehv_domain *dom = fakehv_find(hv, domid);

	if (dom) {
		memmove(dom, dom + 1, (&hv->domains[hv->len] - (dom + 1)) * sizeof(*dom));
		hv->len--;
	}
}

void fakehv_raise(const struct fakehv *hv)
{
	if (hv->xenstored_pid > 0) {
		kill(hv->xenstored_pid, SIGUSR1);
	}
}

uint64_t fakehv_cpu_time_ns(const struct fakehv_domain *dom)
{
	return dom->cpu_time_ns + (uint64_t)(now_ns() - dom->created_ns);
}
