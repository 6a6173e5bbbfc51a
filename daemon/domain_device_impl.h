/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Shared by domain_device*.c: changes of a running machine's devices, one at a time. A change is a
 * row of QMP commands that holds the session's lease; what it does next is in the record before it
 * is done, so that what an earlier daemon or a lost answer left is either finished or undone.
 */
#include "daemon/domain_impl.h"
#include "proto/devicelist.h"

enum device_job_kind {
	DEVICE_JOB_ADD,
	DEVICE_JOB_REMOVE,
	DEVICE_JOB_RESUME, /* of what was cut off, or what the guest let go of by itself */
};

struct device_job {
	TAILQ_ENTRY(device_job) next; /* domain_devices::jobs */
	enum device_job_kind kind;
	char *id;
	struct json_object *entry; /* owned; from its beginning on it is in the record as well */
	struct control_call *call; /* NULL: nobody waits */
	int64_t timeout_s;
	int *fds; /* owned; in the order in which the steps count them */
	size_t fds_len;
	size_t at;	      /* the step under way */
	bool unsure;	      /* nobody knows whether the last of the steps was done */
	bool waits_for_guest; /* its sequence has ended meanwhile */
	bool let_go;	      /* the guest did, before QEMU answered */
	struct err failed;    /* code 0: it has not */
	char left[256];	      /* what could not be undone */
};

struct domain_devices {
	struct domain *d;
	TAILQ_HEAD(, device_job) jobs; /* that wait */
	unsigned jobs_len;
	struct device_job *now; /* NULL: none */
	bool beginning;		/* a job is; what ends meanwhile begins no other */
	bool unsent;		/* the command that is answered was never sent */
	void (*reply)(struct domain_devices *v, struct json_object *body, const struct err *err);
	struct loop_timer deadline; /* for the guest to let go */
	struct loop_timer again;    /* to look at what is unfinished */
	unsigned tries;
};

/* What an answer says of the command. */
enum device_answer {
	DEVICE_DONE,
	DEVICE_REFUSED, /* by QEMU, or it never got there: nothing was done */
	DEVICE_UNKNOWN, /* there was no answer */
};
enum device_answer device_answer(const struct domain_devices *v, const struct err *err);

typedef void (*device_reply_fn)(
	struct domain_devices *v, struct json_object *body, const struct err *err);

/* domain_device_run.c */
/* One command of the job; REPLY comes later, or at once with v->unsent. */
void device_ask(struct domain_devices *v, const char *command, struct json_object *arguments,
	int fd_index, device_reply_fn reply);
/* The devices that have names; then device_is_listed(). */
void device_look(struct domain_devices *v, device_reply_fn reply);
bool device_is_listed(struct json_object *body, const char *id);
/* Undoes the steps below TOP, the last first, and ends the job. STATE: undoing or cleaning. */
void device_unwind(struct domain_devices *v, enum device_state state, size_t top);
/* The record follows. -errno, and the job has failed with it. */
int device_note(struct domain_devices *v, struct device_job *job);

/* domain_device_add.c, _remove.c: begin a job. */
void device_add_begin(struct domain_devices *v);
void device_remove_begin(struct domain_devices *v);
void device_resume_begin(struct domain_devices *v);
/* QEMU says so of the device that the job waits for. */
void device_remove_gone(struct domain_devices *v);
void device_remove_kept(struct domain_devices *v, const char *why);

/* domain_device.c */
/* NULL: out of memory. */
struct device_job *device_job_new(enum device_job_kind kind, const char *id);
struct device_job *device_job_free(struct device_job *job); /* returns NULL */
/* JOB is taken over, and may have ended when this returns. */
void device_job_enqueue(struct domain_devices *v, struct device_job *job);
struct domain_devices *domain_devices(struct domain *d); /* NULL: out of memory */
struct hotplug_context;
void device_context(struct domain *d, struct hotplug_context *ret);
/* Adds to what is in r.devices. -ENOBUFS. */
int device_list_add(struct domain *d, struct json_object *entry, struct err *err);
/* What it made is not there any more; nor is the entry. */
void device_list_drop(struct domain *d, struct json_object *entry);
void device_fail(struct device_job *job, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* EVENT tells of ENTRY; REASON may be NULL. */
void device_tell(
	struct domain *d, const char *event, struct json_object *entry, const char *reason);
/* The job is done with: its call is answered, the next one begins. RESULT (taken over) may be
 * NULL. */
void device_job_end(struct domain_devices *v, struct json_object *result);
/* Looks at what is unfinished after a while. */
void device_again(struct domain_devices *v);
