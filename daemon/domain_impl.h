/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The parts of struct domain, for domain*.c only. */
#include <sys/queue.h>

#include "daemon/control.h"
#include "daemon/dmlog.h"
#include "daemon/domain.h"
#include "daemon/proxy.h"
#include "daemon/handoff.h"
#include "daemon/helperproc.h"
#include "daemon/launcher.h"
#include "daemon/loop.h"
#include "daemon/monitor.h"
#include "daemon/process.h"
#include "daemon/qmp_server.h"
#include "daemon/scope.h"
#include "daemon/store.h"
#include "lib/config.h"
#include "lib/definition.h"
#include "lib/log.h"
#include "lib/received.h"
#include "proto/record.h"
#include "proto/xenlayout.h"

#define DOMAIN_PHASES_MAX 8
#define DOMAIN_PENDING_MAX 8
#define DOMAIN_LIBXL_SOCKETS 2

struct domain_phase {
	const char *name; /* "queued", "spawned", "qmp", "ready" */
	int64_t at_ms;	  /* realtime */
};

/* What QEMU gets under NUMBER in place of what libxl gave for it. */
struct domain_libxl_fd {
	int fd, number; /* -1: nothing */
};

struct domain {
	const struct domain_services *s;
	const struct domain_ops *ops;
	void *ops_ctx;
	struct loop_deferred release;

	/* identity and what the hypervisor says */
	struct toolstack_domain dom;
	char uuid[UUID_TEXT_LEN + 1];
	bool told_dying; /* the table knows; "dom" may say so earlier, from a look of our own */
	bool gone;

	/* what xenstore says */
	bool looked, by_libxl, is_stub, announced;
	bool libxl_pv; /* of libxl's, and a PV or PVH guest */
	bool name_watched;
	int64_t name_until_ms; /* monotonic; a name is waited for until then; 0: not yet */
	bool name_final;       /* no name came in time, or the one that came stays */
	uint32_t stub_target;  /* valid with is_stub */
	uint64_t memory_kib;   /* of the guest, without video memory */
	struct domain *stub;   /* manager::domains; our stub domain */

	/* what ~/image says of a device model, ours or not */
	bool image_watched, image_names; /* it names one */
	int named_pid;			 /* 0: none, or no number */
	uint32_t named_stub;
	uint32_t foreign_stub; /* another toolstack's device model lives or lived in it; 0: none */

	enum domain_state state;
	struct loop_timer deadline;
	struct loop_timer retry; /* of the running state: a later look, poll or check */
	unsigned retries;
	int64_t entered_ms, begin_ms; /* monotonic */
	bool busy;
	enum domain_event pending[DOMAIN_PENDING_MAX];
	unsigned pending_len;

	/* what survives us: name, kind, source, reason, limits, process, log, argv, ... */
	struct record r;
	bool recorded; /* record.json exists */

	struct definition *def;
	struct domain_phase phases[DOMAIN_PHASES_MAX];
	unsigned phases_len;
	char waits_for[128]; /* what the running step waits for, for a deadline's reason */
	char warning[256];
	const char *policy; /* what on_exit did; for the exit record */
	unsigned rung;	    /* of the stop */
	/* How the next start gets its command line, where neither a handoff nor a definition has
	 * it. */
	bool repeat;		   /* as the last one, from the record */
	struct strv backend_paths; /* while that is prepared */
	struct {
		struct strv paths;   /* of passwords of this domain's framebuffers */
		uint64_t xs_request; /* 0: none in flight */
	} secrets;
	bool backends;	 /* libxl's for a PV guest's backends */
	bool is_helper;	 /* the process is still dm-launch: its end is no device model's */
	bool ended;	 /* a process was started and has ended; the exit record is due */
	bool state_seen; /* xenstore's state was "running" while probing */
	bool qmp_ok;
	bool inmigrate; /* it was found so, and ready */

	uint64_t xs_request; /* 0: none in flight */
	struct process *process;
	struct launcher *launcher;
	struct scope_job *scope_job;
	bool launch_prepared;	 /* dm-launch waits for its release */
	struct err scope_failed; /* its code is 0: it has not */
	struct monitor *monitor;
	struct qmp_server *qmp[_QMP_CLASS_MAX]; /* the sockets of its clients; NULL: none */
	LIST_HEAD(, qmp_call) qmp_calls;
	struct domain_save *save;	    /* under way */
	struct domain_migration *migration; /* likewise */
	struct domain_devices *devices;	    /* changes of its devices; NULL: none so far */
	struct dmlog *log;
	int log_fd, listen_fd;	   /* between prepare and spawn */
	size_t files_len;	   /* of its definition */
	struct received *received; /* of them, with the start that is under way; NULL: none */
	struct domain_libxl_fd libxl_fds[DOMAIN_LIBXL_SOCKETS]; /* likewise */

	/* what follows the start; "r" has of it what survives us */
	struct {
		unsigned query;	     /* the next question */
		size_t written;	     /* so many of r.nodes */
		bool waits;	     /* for an answer, of QEMU or xenstore */
		bool resumed;	     /* the first step may have been done */
		uint64_t xs_request; /* 0: none in flight */
	} follow;

	struct helperproc *asker;     /* while preparing: can its binary do what is asked of it? */
	struct helperproc *destroyer; /* on_exit destroy under way */
	struct control_call *start_call, *stop_call;
	struct handoff *handoff; /* its toolstack waits, or an earlier daemon let it wait */
	struct proxy *proxy;	 /* its QMP in another toolstack's stub domain; NULL: not ours */
};

#define DOMAIN_FOR_LOG(d)                                                                          \
	(&(const struct log_domain){                                                               \
		.domid = (d)->dom.domid, .uuid = (d)->uuid, .name = (d)->r.name})
#define domain_log(d, level, ...) log_domain(level, DOMAIN_FOR_LOG(d), __VA_ARGS__)
/* Not cut where others are. */
#define domain_log_long(d, level, ...) log_domain_long(level, DOMAIN_FOR_LOG(d), __VA_ARGS__)

/* domain.c */
void domain_set_reason(struct domain *d, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void domain_start_failed(struct domain *d, const struct err *err);
/* What status says of it is new. */
static inline void domain_changed(struct domain *d)
{
	d->ops->on_change(d->ops_ctx, d);
}
void domain_phase(struct domain *d, const char *name);
/* -errno (and logged): what is on disk is older than what is known. */
int domain_write_record(struct domain *d);
void domain_run_dir(const struct domain *d, const char *file, char *ret, size_t size);
/* Submits BATCH; the answer belongs to the state and is dropped when that ends. */
int domain_xs(struct domain *d, struct xs_batch *batch, int64_t deadline_ms, xs_done_fn done);
void domain_on_process_end(void *ctx, const struct exit_info *exit);

/* domain_tell.c */
struct json_object *domain_event_json(const struct domain *d, const char *event);
void domain_publish(const struct domain *d, const char *event);
/* The event that the change from FROM by EVENT means outside. */
void domain_announce(struct domain *d, enum domain_state from, enum domain_event event);
void domain_publish_xenstore(struct domain *d);
void domain_add_published(const struct domain *d, struct xs_batch *batch);
/* Takes back what was told, if it is still this domain's; nobody waits for it. */
void domain_unpublish_xenstore(struct domain *d);
void domain_fail_call(struct domain *d, struct control_call **slot, int code, const char *what);
void domain_answer_calls(struct domain *d);

/* domain_look.c */
void domain_look(struct domain *d);
void domain_watch_name(struct domain *d, bool on);
bool domain_name_is_final(const char *name); /* no "--incoming" that will be taken off */
void domain_take_definition(struct domain *d, struct definition *def);
/* Posts what its definition makes of it. */
void domain_decide_by_definition(struct domain *d);

/* domain_foreign.c */
/* What ~/image/device-model-pid and device-model-domid hold; NULL: nothing. */
void domain_take_image(struct domain *d, const char *pid, const char *stub);
/* At a look that knows of no device model yet. False: there is none to be found; else the event is
 * posted, or comes when xenstore has answered. */
bool domain_find_foreign(struct domain *d);
/* At a look in a state that has or had a foreign one: is there another? */
void domain_refind_foreign(struct domain *d);
/* At a look for a handoff, which starts nothing beside one that lives. False: none does. */
bool domain_find_living_foreign(struct domain *d);
bool domain_is_our_helper(pid_t pid);
/* Is PID what is taken for another toolstack's device model? */
bool domain_foreign_is(const struct domain *d, pid_t pid);
/* It was none: the domain is looked at again. */
void domain_forget_foreign(struct domain *d);
/* Looks again, a limited number of times with growing pauses. */
void domain_await_foreign(struct domain *d);
bool domain_stub_was_destroyed(const struct domain *d);
void domain_foreign_death_reason(struct domain *d);
void domain_watch_image(struct domain *d, bool on);

/* domain_start.c */
void domain_prepare(struct domain *d);
int domain_plan(struct domain *d, struct plan *ret, struct err *err);
int domain_monitor_fd(const struct domain *d); /* the monitor's number in the device model */
/* domain_launch.c */
void domain_spawn(struct domain *d);
void domain_note_cgroup(struct domain *d);
/* domain_received.c */
/* A start of DEF needs what only a caller has; the reason says so. */
bool domain_waits_for_files(struct domain *d, const struct definition *def);
/* Are FILES (may be NULL) what DEF (may be NULL) asks for? */
int domain_check_received(const struct domain *d, const struct definition *def,
	const struct received *files, struct err *err);
/* Adds to FDS those of FILES that were received. */
int domain_received_fds(const struct domain *d, const struct openfiles *files,
	struct launch_fd *fds, unsigned *len, struct err *err);
void domain_close_received(struct domain *d);
/* domain_ask.c; then domain_prepared_files() or domain_start_failed() */
void domain_ask(struct domain *d);
void domain_prepared_files(struct domain *d);
void domain_submit_before_start(struct domain *d);
/* domain_backends.c; then domain_submit_before_start() */
void domain_reset_backends(struct domain *d);
/* domain_secrets.c; then domain_prepared_secrets() or domain_start_failed() */
void domain_prepare_secrets(struct domain *d);
void domain_prepared_secrets(struct domain *d);
/* Adds what keeps the guest from reading them. */
void domain_close_secrets(const struct domain *d, struct xs_batch *batch);
/* Adds the removal of what nobody wrote a password into. */
void domain_remove_secrets(const struct domain *d, struct xs_batch *batch);
void domain_adopt_secrets(struct domain *d);
void domain_drop_secrets(struct domain *d); /* what is under way */
/* domain_old.c */
bool domain_is_old(const struct domain *d);  /* its definition asks for qemu-dm */
bool domain_has_qmp(const struct domain *d); /* what was started has a monitor of ours */
void domain_old_write(const struct domain *d, struct xs_batch *batch);
void domain_old_remove(const struct domain *d, struct xs_batch *batch);

/* domain_probe.c */
void domain_probe(struct domain *d);
void domain_ready(struct domain *d);
int domain_connect_monitor(struct domain *d);

/* domain_qmp.c */
/* Once it runs: others may use its QMP. */
void domain_qmp_open(struct domain *d);
/* A socket for clients of CLASS, beside dm/G/qmp, which the class admin has. One that comes before
 * the device model runs waits. -EEXIST: the class has one elsewhere. */
int domain_qmp_serve(struct domain *d, enum qmp_class class, const char *path, struct err *err);
/* With FD, which listens at PATH already; it is taken over, also by a failure. */
int domain_qmp_serve_fd(
	struct domain *d, enum qmp_class class, const char *path, int fd, struct err *err);
/* Whoever waits for an answer is told, all connections end. What listens goes on listening. */
void domain_drop_monitor(struct domain *d);
/* Says why nothing can be asked of its device model: -ESRCH. */
int domain_no_qmp(const struct domain *d, struct err *err);
/* As domain_qmp(), for CLASS; with THEN (a literal; NULL: none) it gets the answer of that, which
 * is sent when COMMAND has been done. */
int domain_qmp_then(struct domain *d, enum qmp_class class, const char *command,
	struct json_object *arguments, const char *then, struct control_call *call,
	struct err *err);
/* domain_save.c: a save under way has failed. */
void domain_save_drop(struct domain *d);
/* And that ends as well. */
void domain_qmp_close(struct domain *d);
/* Where clients of CLASS are served; NULL: nowhere now. */
const char *domain_qmp_path(const struct domain *d, enum qmp_class class);
void domain_qmp_quarantined(void *ctx, const struct err *err, int64_t ms);
void domain_qmp_event(void *ctx, const char *name, struct json_object *data);
void domain_qmp_audit(void *ctx, int pid, const struct qmpmux_audit *audit);
/* For show; NULL: no session. */
struct json_object *domain_qmp_json(const struct domain *d);
void domain_write_state(struct domain *d);

/* domain_migrate*.c */
int domain_migrate_busy(const struct domain *d, struct err *err); /* -EBUSY: one is under way */
/* Whoever waits gets CODE and WHY; nothing more is done, and the record stays as it is. */
void domain_migrate_end(struct domain *d, int code, const char *why);
/* The device model ends, and one that is under way with it. */
void domain_migrate_drop(struct domain *d);
/* The monitor is ready (again), and it runs. */
void domain_migrate_connected(struct domain *d);
/* The machine runs again: it is none that was migrated away any more. */
void domain_migrate_resumed(struct domain *d);
void domain_migrate_forget(struct domain *d);
/* For show and status; NULL: nothing. */
struct json_object *domain_migrate_json(const struct domain *d);
const char *domain_migrate_word(const struct domain *d);

/* domain_device.c */
/* A start: DEVICES are those of its command line's description; NULL: there is none. */
void domain_device_begin(struct domain *d, struct json_object *devices);
/* It runs, or its session is there again: what is unfinished goes on. */
void domain_device_connected(struct domain *d);
void domain_device_unplugged(void *ctx, const char *name, struct json_object *data);
/* The session ends, and with it what is under way; the record stays. */
void domain_device_drop(struct domain *d);

/* domain_libxl.c: the sockets of libxl and libxenstat. */
/* While preparing: we listen at libxl's paths; changes r.argv, fills libxl_fds. */
void domain_libxl_take(struct domain *d);
int domain_libxl_fd(const struct domain *d, int number); /* -1: what was given */
void domain_libxl_close_fds(struct domain *d);
/* Takes them back from QEMU after a restart of the daemon. */
void domain_libxl_resume(struct domain *d);
/* The daemon stops: they are QEMU's again. */
void domain_libxl_hand_back(struct domain *d);
/* Whoever's they are; only while the number is still this domain's. */
void domain_libxl_remove(struct domain *d);

/* domain_follow.c */
/* In the log, as an event, and in show until the next start. */
void domain_warn(struct domain *d, const char *text);
void domain_follow(struct domain *d);		/* begins, or goes on after a restart */
void domain_follow_connected(struct domain *d); /* the monitor is ready again, or lost for good */
void domain_follow_cancel(struct domain *d);	/* the device model ends: nothing more is done */
void domain_follow_reset(struct domain *d);	/* a new start begins */
/* Adds the removal of what was written, as far as it is unchanged. */
void domain_follow_remove(struct domain *d, struct xs_batch *batch);

/* domain_end.c */
void domain_stop_ladder(struct domain *d);
void domain_escalate(struct domain *d);
int64_t domain_rung_ms(const struct domain *d);
/* Why it is exited, when nobody asked for its end. */
void domain_death_reason(struct domain *d);
void domain_classify(struct domain *d);
void domain_policy(struct domain *d);
/* domain_restart.c */
/* Can what ended be started again as it was? -errno with a sentence. */
int domain_may_repeat(const struct domain *d, struct err *why);
/* Before the start: what is needed to repeat it. */
void domain_note_steps(struct domain *d);
void domain_note_repeat(struct domain *d, const struct strv *env);
int domain_repeat_plan(struct domain *d, struct plan *ret, struct err *err);
/* Of another toolstack's that ended nothing but its command line is known. */
void domain_forget_surroundings(struct domain *d);
/* After an end that is no toolstack's doing, or a restart that failed: is it to be started again?
 * Counts. Where on_exit says so and it can't be, the reason says why. */
bool domain_restart_decide(struct domain *d);
int64_t domain_restart_delay_ms(const struct domain *d);
/* domain_handoff.c; all but the first two do nothing without a handoff */
void domain_decide_handoff(struct domain *d);
/* What a definition (NULL: none) says of a command line that is not its own. */
void domain_take_for_libxl(struct domain *d, struct definition *def, const char *source);
#define DOMAIN_SOURCE_HANDOFF "handoff"
#define DOMAIN_SOURCE_START "start" /* asked for by hand, for a guest of libxl's */
bool domain_handoff_is_source(const struct domain *d);
/* What is to be said of it. */
void domain_handoff_prepare(struct domain *d);
void domain_handoff_advance(struct domain *d);
void domain_handoff_ended(struct domain *d, const struct exit_info *exit);
void domain_handoff_fail(struct domain *d, int code, const char *what);
void domain_handoff_detach(struct domain *d);
void domain_handoff_adopt(struct domain *d);
/* xenstore's state must wait for libxl. */
bool domain_handoff_holds_state(const struct domain *d);
/* Of a handoff that is there. */
char *domain_handoff_log(const struct domain *d); /* caller frees; NULL: none */
int domain_handoff_first_fd(const struct domain *d);
/* domain_proxy.c; but for the first they do nothing without a proxy */
/* Takes P over, of an earlier daemon. */
void domain_proxy_begin_again(struct domain *d, struct proxy *p);
void domain_proxy_end(struct domain *d); /* the guest goes */
/* The daemon ends: the session closes, what a later one goes by stays. */
void domain_proxy_detach(struct domain *d);
/* domain_proxy_adopt.c: takes up what an earlier daemon left for D. */
void domain_proxy_adopt(struct domain *d);
/* Those of a proxy that nobody serves. */
void domain_proxy_remove_sockets(const struct domain_services *s, const struct proxy_record *r);
/* domain_clean.c */
/* Writes the exit record if one is due. */
void domain_note_exit(struct domain *d);
void domain_clean(struct domain *d);
void domain_abort(struct domain *d);
