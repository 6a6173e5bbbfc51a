/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the daemon tells dm-launch: JSON in a sealed memory file, and the few messages on the
 * socketpair (SOCK_SEQPACKET, so that a message comes whole or not at all). Pure.
 *
 * Keys that the reader does not know are refused, because leaving out what was asked for (a limit,
 * later a confinement) would be worse than not starting. Strings are UTF-8, as definitions are.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/openfile.h"
#include "lib/strv.h"

#define LAUNCHSPEC_VERSION 1
#define LAUNCHSPEC_BYTES_MAX (8 * 1024 * 1024) /* LIMIT_ARGV_BYTES twice, each byte as \u00xx */
#define LAUNCHSPEC_FDS_MAX 256
#define LAUNCHSPEC_FD_MAX 4095 /* highest target number */
#define LAUNCHSPEC_RLIMITS_MAX 16

struct launchspec_fd {
	int from, to;
};
struct launchspec_rlimit {
	int resource;
	uint64_t value; /* soft and hard; UINT64_MAX: unlimited */
};

struct launchspec {
	char *binary; /* absolute */
	struct strv argv, env;
	struct launchspec_fd *fds;
	unsigned fds_len;
	/* Opened by dm-launch, which may wait for them: descriptors from OPENFILE_FIRST_FD on.
	 * Those that were received are among FDS as well. */
	struct openfiles files;
	struct launchspec_rlimit *rlimits;
	unsigned rlimits_len;
	int oom_score_adj;
	char *directory;	  /* absolute; NULL: "/" */
	bool own_mounts, own_ipc; /* namespaces of its own */
	bool ignore_xfsz;	  /* SIGXFSZ: a file that reaches RLIMIT_FSIZE is no end */
};

void launchspec_fini(struct launchspec *spec);

/* Caller frees RET (NUL-terminated, LEN without it). -EINVAL, -E2BIG, -EILSEQ, -ENOMEM. */
int launchspec_encode(const struct launchspec *spec, char **ret, size_t *ret_len, struct err *err);
/* RET is empty on entry. Each number and size is checked. */
int launchspec_decode(const char *text, size_t len, struct launchspec *ret, struct err *err);

/* Messages from dm-launch: "P" when it is prepared, or "E<errno> <step>". To it: "R", go. */
#define LAUNCH_MSG_MAX 512
#define LAUNCH_MSG_PREPARED 'P'
#define LAUNCH_MSG_ERROR 'E'
#define LAUNCH_MSG_RELEASE 'R'
#define LAUNCH_EXIT_FAILED 127

/* The text of an error message into BUF; its length. CODE is negative. */
size_t launch_msg_format_error(int code, const char *step, char buf[LAUNCH_MSG_MAX]);
/* 0 when MSG is "prepared"; a negative errno with ERR holding "STEP: reason" when it reports an
 * error; -EBADMSG with ERR for anything else. */
int launch_msg_parse(const char *msg, size_t len, struct err *err);
