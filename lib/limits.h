/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

/*
 * Every bound that keeps a peer from growing us, with its reason. Those that an administrator may
 * change are the defaults of xendmd.json's keys; the others are fixed.
 */
#define LIMIT_JSON_BYTES                                                                           \
	(1024 * 1024)		/* a definition or configuration file; libxl's largest are 30 KiB */
#define LIMIT_JSON_DEPTH 32	/* libxl's configurations nest 7 deep */
#define LIMIT_JSON_VALUES 32768 /* json-c needs 1.5 KiB for an empty object: 50 MiB */
#define LIMIT_DEFINITION_FILES 8192 /* in one directory */
#define LIMIT_NAME_BYTES 255	    /* a domain's name, also part of a file name */
#define LIMIT_ARGV_ITEMS 2048
#define LIMIT_ARGV_BYTES (512 * 1024)	 /* well below ARG_MAX */
#define LIMIT_ARG_BYTES (128 * 1024 - 1) /* execve's MAX_ARG_STRLEN without the NUL */
#define LIMIT_XS_VALUE_BYTES 4096	 /* XENSTORE_PAYLOAD_MAX */
#define LIMIT_XS_TRANSACTION_TRIES 16	 /* EAGAIN that long means somebody keeps the tree busy */
#define LIMIT_XS_PENDING 16384		 /* requests queued to the xenstore thread */
#define LIMIT_XS_DEADLINE_MS 5000	 /* an answer later than this counts as none */
#define LIMIT_QMP_CHARDEVS 1024		 /* in one answer; QEMU has one for each port */
#define LIMIT_SERIALS 64		 /* of one guest that xenstore tells of */
#define LIMIT_VNC_HOST_BYTES 64		 /* an IPv6 address with its interface */
#define LIMIT_PTYS 128			 /* of one process that are looked at */
#define LIMIT_PROC_FDS 4096		 /* of one process that are looked at */
#define LIMIT_HEAP_KEPT_BYTES                                                                      \
	(4 * 1024 * 1024) /* free at its end, before the kernel gets it back */

/* QMP (docs/qmp.md). Of the device model: */
#define LIMIT_QMP_LINE_BYTES (256 * 1024)     /* a message; the largest but the schema is 33 kB */
#define LIMIT_QMP_IDLE_LINE_BYTES (64 * 1024) /* while nothing was asked */
#define LIMIT_QMP_SCHEMA_BYTES (960 * 1000)   /* query-qmp-schema; libxl dies at 1.04 MB */
#define LIMIT_QMP_DEPTH 16		      /* QEMU nests 7 deep; libxl with json-c takes 32 */
#define LIMIT_QMP_MEMBERS 4096		      /* of one object or array */
#define LIMIT_QMP_KEY_BYTES 64
#define LIMIT_QMP_STRING_BYTES 4096
#define LIMIT_QMP_HMP_BYTES (64 * 1024) /* what human-monitor-command prints */
#define LIMIT_QMP_NUMBER_BYTES 32
#define LIMIT_QMP_DESC_BYTES 512
#define LIMIT_QMP_TYPE_BYTES 72		 /* a CPU type: 64 characters and "-cpu" */
#define LIMIT_QMP_TURN_BYTES (16 * 1024) /* read at once, 1.6 ms; then the others' turn */
#define LIMIT_QMP_TOMBSTONES 4		 /* commands given up on whose replies may still come */
#define LIMIT_QMP_VIOLATIONS 16 /* messages of a connection that are dropped before it is */
#define LIMIT_QMP_EXPIRIES 3	/* deadlines in a row, then a peer behind vchan is dropped */
/* Messages that nobody asked for: more of them and nothing is read for a while. */
#define LIMIT_QMP_UNASKED_BYTES (1024 * 1024)
#define LIMIT_QMP_UNASKED_BYTES_PER_S (256 * 1024)
#define LIMIT_QMP_UNASKED_MESSAGE_BYTES 256 /* one costs so much more than its length */
#define LIMIT_QMP_PAUSE_MS 100
/* Events passed on, to clients and into dmctl events; what is above is dropped. */
#define LIMIT_QMP_EVENT_BURST 32
#define LIMIT_QMP_EVENTS_PER_S 10
#define LIMIT_QMP_TOLD_BURST 16
#define LIMIT_QMP_TOLD_PER_S 1
/* Of a client: */
#define LIMIT_QMP_REQUEST_BYTES (64 * 1024)
#define LIMIT_QMP_ID_BYTES 256
#define LIMIT_QMP_TOLD_REFUSALS 16 /* commands whose refusal is logged, once each */
#define LIMIT_QMP_CLIENTS 32	   /* of one domain */
#define LIMIT_QMP_CLIENTS_ALL 1024 /* of the host */
#define LIMIT_QMP_CALLS 64	   /* of one domain: our own and those of the control socket */
#define LIMIT_QMP_CLIENT_OUT_BYTES (1024 * 1024) /* unread replies; more and it is dropped */
#define LIMIT_QMP_GARBAGE 64 /* texts that are no commands; then it is dropped */
/* Time, in milliseconds. */
#define LIMIT_QMP_COMMAND_MS 8000 /* below libxl's 10 s, from the request on */
#define LIMIT_QMP_SLOW_COMMAND_MS 9000
#define LIMIT_QMP_HMP_MS 30000
#define LIMIT_QMP_LONG_COMMAND_MS 120000 /* saving, dumping */
#define LIMIT_QMP_LEASE_MS 15000	 /* idle time after which a sequence counts as ended */
#define LIMIT_QMP_GREETING_MS 10000 /* a client waits so long for the device model's first one */
#define LIMIT_QMP_HALF_LINE_MS 5000 /* for the rest of a line from behind vchan */
#define LIMIT_QMP_RECONNECT_MS 300  /* doubled with each failure, up to: */
#define LIMIT_QMP_RECONNECT_MAX_MS 30000
#define LIMIT_QMP_STEADY_MS 10000 /* a session that held so long: the pauses begin small again */
#define LIMIT_QMP_ABSENT_MS 30000 /* no server for so long: a device model without QMP */
/* Finding the beginning of a session over vchan, where old bytes may come first. */
#define LIMIT_QMP_SYNC_BYTES (256 * 1024)
#define LIMIT_QMP_SYNC_MS 10000
#define LIMIT_QMP_SYNC_GREETING_MS 1000 /* then it is asked without one */
#define LIMIT_QMP_SYNC_AGAIN_MS 2000	/* the question may be lost */
#define LIMIT_QMP_BEAT_AGAIN_MS 10000	/* a heartbeat after one that was not answered */
#define LIMIT_QMP_SYNC_QUESTIONS 16	/* in answer to greetings */

#define LIMIT_BALLOON_MIB (INT64_C(1) << 42) /* bytes are QEMU's unit, a signed number */

/* Migration (daemon/domain_migrate.c). */
#define LIMIT_MIGRATION_OPTIONS 64	/* capabilities, and parameters, of one; QEMU has some 25 */
#define LIMIT_MIGRATION_NAME_BYTES 64	/* of one of them */
#define LIMIT_MIGRATION_TEXT_BYTES 1024 /* of a parameter's text: a host, a credential's id */
#define LIMIT_MIGRATION_WORD_BYTES 32	/* QEMU's word for what it does; 19 is the longest */
#define LIMIT_MIGRATION_COMMAND_BYTES 4096 /* of a target that is a command */
#define LIMIT_MIGRATION_POLL_MS 100	   /* between the first two questions; doubled up to: */
#define LIMIT_MIGRATION_POLL_MAX_MS 1000
#define LIMIT_MIGRATION_TRIES 10 /* of a question or an undo that goes wrong, in a row */

/* A vchan (docs/security.md). */
#define LIMIT_VCHAN_RING_ORDER 14 /* 16 KiB each; servers offer 1 and 2 KiB */
#define LIMIT_VCHAN_STALL_MS 5000 /* for the peer to take a byte */
/* Events that bring less than so many bytes: so many at once and so many a second; then the event
 * channel stays masked for a while. */
#define LIMIT_VCHAN_WAKE_BYTES 16
#define LIMIT_VCHAN_WAKES 512
#define LIMIT_VCHAN_WAKES_PER_S 100
#define LIMIT_VCHAN_PAUSE_MS 100
/* While there is no server: changes of its node, and the time between two looks. */
#define LIMIT_VCHAN_FIRES 64
#define LIMIT_VCHAN_FIRES_PER_S 1
#define LIMIT_VCHAN_RETRY_MS 250

#define LIMIT_CONTROL_CLIENTS 64
#define LIMIT_CONTROL_FDS 253	   /* with one call; what the kernel passes at once (SCM_MAX_FD) */
#define LIMIT_RECEIVED_FILES 64	   /* of one start; a queue of a tap each */
#define LIMIT_CONTROL_ROOT_SHARE 8 /* one place in so many is kept for root */
#define LIMIT_CONTROL_MESSAGE_BYTES                                                                \
	(2 * 1024 * 1024)			    /* a definition of LIMIT_JSON_BYTES, escaped */
#define LIMIT_CONTROL_QUEUE_BYTES (8 * 1024 * 1024) /* unread replies of one client */
/* A message that stays half sent, or replies that stay unread, for so long end their client. */
#define LIMIT_CONTROL_IDLE_MS 30000
#define LIMIT_CONTROL_QUEUE_SOFT_BYTES                                                             \
	(256 * 1024) /* with so much unread no further call of that client begins */
#define LIMIT_CONTROL_READ_BYTES (64 * 1024) /* one client, one turn */
#define LIMIT_CONTROL_CALLS_PER_TURN 16	     /* of one client */
#define LIMIT_ACCEPTS_PER_TURN 16	     /* of one listening socket */
#define LIMIT_ACCEPT_PAUSE_MS 1000	     /* after descriptors ran out */
#define LIMIT_CONTROL_WATCH_MS 100	     /* between two lists to one watcher */
#define LIMIT_LOG_REPLY_BYTES (1024 * 1024)  /* of a log, in one reply */
#define LIMIT_LOG_LINE_BYTES (16 * 1024)     /* longer lines of a log are told in pieces */
#define LIMIT_LOG_SCAN_BYTES (4096 * 1024)   /* how far back the first line is looked for */
#define LIMIT_EVENTS_KEPT 4096
#define LIMIT_EXITS_KEPT 1000
#define LIMIT_LOG_TAIL_BYTES 4096 /* of a device model's log, in reasons and exit records */
#define LIMIT_LOG_REPLY_LINES 10000
#define LIMIT_STARTS_AT_ONCE 8 /* device models between spawn and ready; the others queue */
/* on_exit "restart": so often in a row, with pauses that double; a device model that has run for
 * the window begins a new row. */
#define LIMIT_RESTARTS 5
#define LIMIT_BACKENDS 256 /* of one guest, whose QEMU is started again */
#define LIMIT_RESTART_DELAY_MS 1000
#define LIMIT_RESTART_DELAY_MAX_MS 60000
#define LIMIT_RESTART_WINDOW_S 600
#define LIMIT_DMASK_KEPT 32 /* device model binaries of which it is known what they can */
#define LIMIT_RECORD_BYTES (1024 * 1024)
#define LIMIT_FOLLOW_WARNINGS                                                                      \
	16 /* of what follows a start; each is logged and an event as well                         \
	    */

/* Devices of a running machine. */
#define LIMIT_DEVICES 256		 /* of one domain, in its record */
#define LIMIT_DEVICE_BYTES (16 * 1024)	 /* of one device's description */
#define LIMIT_DEVICES_BYTES (512 * 1024) /* of all that is recorded of them */
#define LIMIT_DEVICE_WAITING 16		 /* changes that wait for the one under way */
#define LIMIT_DEVICE_STEP_MS 120000	 /* one command: memory that is allocated, a reconnection */
#define LIMIT_DEVICE_REMOVE_S 600	 /* a guest may be given so long to let go, and is given: */
#define LIMIT_DEVICE_REMOVE_DEFAULT_S 30
/* What QEMU did not answer to is tried again, with pauses that double. */
#define LIMIT_DEVICE_AGAIN_MS 2000
#define LIMIT_DEVICE_AGAIN_MAX_MS 60000

/* A run directory, in which a device model may leave what it likes. */
#define LIMIT_REMOVE_DEPTH 8
#define LIMIT_REMOVE_ENTRIES 1024 /* in one turn of the loop: 5 ms on a tmpfs */

/* Processes and logs. */
#define LIMIT_EXEC_LOOKS 50	  /* at /proc of a program just executed, 1 ms apart */
#define LIMIT_HELPER_EXIT_MS 2000 /* from a helper's closed socket to its end */
#define LIMIT_HELPER_STDERR_BYTES 4096
#define LIMIT_LOG_CHECK_MS 100	/* logs that grow are looked at no more often than this */
#define LIMIT_LOG_TRIM_MS 20000 /* a trim that takes longer is given up */
/* What a trim leaves at most: it has to be copied. */
#define LIMIT_LOG_KEEP_BYTES (4 * 1024 * 1024)
/* An idle connection to systemd is closed after it: systemd tells one of every unit. */
#define LIMIT_BUS_LINGER_MS 1000
#define LIMIT_BUS_RETRY_MS 200
#define LIMIT_SCOPE_STOP_MS 5000
