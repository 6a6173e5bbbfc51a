/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the three sources of lib/xs share; nobody else includes it. */
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "lib/err.h"
#include "lib/xs.h"

enum xs_op_kind {
	XS_OP_READ,
	XS_OP_LIST,
	XS_OP_WRITE,
	XS_OP_WRITE_IF_ABSENT,
	XS_OP_MKDIR,
	XS_OP_RM,
	XS_OP_RM_IF_EQUALS,
	XS_OP_REQUIRE,
	XS_OP_REQUIRE_EXISTS,
	XS_OP_SET_PERMS,
};

struct xs_op {
	enum xs_op_kind kind;
	char *path;
	char *arg; /* value to write or to compare with */
	uint32_t reader;
	/* the answer */
	int status;
	char *value;
	char **list; /* one block, names behind the pointers */
	size_t list_len;
};

struct xs_results {
	struct xs_op *ops;
	unsigned len;
};

struct xs_batch {
	unsigned flags;
	int error; /* of an append, sticky */
	unsigned cap;
	struct xs_results ops;
};

/* Forgets the answers: the batch runs once more. */
void xs_batch_reset(struct xs_batch *batch);
/* Absolute, of allowed characters and length; "@name" only where SPECIAL. 0, -EINVAL. */
int xs_path_check(const char *path, bool special);

/* A vchan: libxenvchan asks xenstore by itself, and waits. */
struct xs_connect {
	uint32_t domid;
	char *path;
	struct vchan *vchan; /* the answer, until somebody takes it */
	struct err err;	     /* or why not */
};
struct xs_connect *xs_connect_new(uint32_t domid, const char *path);
struct xs_connect *xs_connect_free(struct xs_connect *k);
/* Asks whether a server is announced. */
struct xs_batch *xs_connect_batch(const char *path);
/* The thread's. 0 or -errno. */
int xs_connect_run(struct xs_connect *k);
/* Why the request ended with STATUS. Borrowed. */
const struct err *xs_connect_err(struct xs_connect *k, int status);

enum xs_event_kind { XS_EVENT_WATCH, XS_EVENT_UP, XS_EVENT_DOWN, XS_EVENT_JOB_OVER };
struct xs_event {
	TAILQ_ENTRY(xs_event) entry; /* xs_worker::events */
	enum xs_event_kind kind;
	char **watch; /* libxenstore's: path, token */
	struct xs_job *job;
};
TAILQ_HEAD(xs_events, xs_event);

struct xs_job {
	TAILQ_ENTRY(xs_job) entry; /* xs_worker::todo or late, or the thread's own */
	struct xs_event over;	   /* needs no memory when it is told */
	uint64_t id;
	int64_t deadline_ms; /* CLOCK_MONOTONIC */
	struct xs_batch *batch;
	struct xs_connect *connect; /* once the batch went well; owned, may be NULL */
	bool queued;		    /* in todo */
	unsigned breaks;	    /* connections that went away under it */
	int status;
};
TAILQ_HEAD(xs_jobs, xs_job);

/* Closes a vchan that nobody took. */
struct xs_job *xs_job_free(struct xs_job *job);

struct xs_watch_entry {
	LIST_ENTRY(xs_watch_entry) entry;	 /* xs_worker::watches */
	TAILQ_ENTRY(xs_watch_entry) dirty_entry; /* xs_worker::dirty */
	bool wanted;				 /* by the link */
	bool armed; /* in the server, on the present connection; only the thread writes it */
	bool dirty; /* in xs_worker::dirty */
	char *path;
	char *token;
};

#define XS_WATCH_BUCKETS 512

/*
 * What link and thread share, all under LOCK but the descriptors and the path, which don't change.
 * Whoever leaves last frees it: the link when it could join the thread, else the thread.
 */
struct xs_worker {
	pthread_mutex_t lock;
	int wake_fd;  /* eventfd: the thread has something to do */
	int ready_fd; /* eventfd: the link has something to deliver */
	char *server; /* path of the socket (or xenbus device) */
	bool quit;
	bool busy;     /* the thread is inside libxenstore and may stay there for long */
	bool orphaned; /* the link is gone, the thread frees this */
	struct xs_jobs todo;
	struct xs_jobs late; /* their vchans came when nobody waited any more: to be freed */
	TAILQ_HEAD(, xs_watch_entry) dirty;		       /* to be told to the server */
	LIST_HEAD(, xs_watch_entry) watches[XS_WATCH_BUCKETS]; /* by token */
	struct xs_events events; /* in the order in which they came about */
	unsigned events_len;	 /* without jobs, which have a limit of their own */
};

int xs_worker_new(struct xs_worker **ret);
struct xs_worker *xs_worker_free(struct xs_worker *w);
/* The thread; ARG is the worker. */
void *xs_worker_main(void *arg);
void xs_worker_wake(struct xs_worker *w);
/* And its job. */
void xs_event_free(struct xs_event *event);

/* With the lock held. */
unsigned xs_watch_bucket(const char *token);
void xs_watch_mark_dirty(struct xs_worker *w, struct xs_watch_entry *watch);

/* What the thread alone has: xs_conn.c. */
struct xs_handle;
struct xs_conn {
	struct xs_handle *request, *watch;
	int watch_fd; /* the library's */
	int lifeline;
	bool up;
	bool lost;	  /* a call found the connection broken */
	bool unsent;	  /* with lost: the request that found it can't have been carried out */
	bool doubtful;	  /* the library may have closed it: not to be used for another batch */
	int64_t retry_ms; /* not up: when to try again */
	int backoff_ms;
};

/* False when nobody listens. May wait while a stopped xenstored's backlog is full. */
bool xs_conn_open(struct xs_conn *c, const char *server);
void xs_conn_close(struct xs_conn *c);
/* Runs a job, as long as it takes. True when the job is over, false when it must wait for a new
 * connection. */
bool xs_conn_run(struct xs_conn *c, struct xs_job *job);

int64_t xs_now_ms(void);
