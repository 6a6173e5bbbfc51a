/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What proves that a process is the one that was noted: proc(5). Pure reads, no waiting. */
#include <stddef.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/strv.h"

struct proc_id {
	pid_t pid;
	uint64_t start_ticks; /* field 22 of /proc/PID/stat, clock ticks since boot */
	uint64_t exe_dev,
		exe_ino;    /* of /proc/PID/exe: an upgrade makes its name read "(deleted)" */
	uint64_t argv_hash; /* strv_hash() of /proc/PID/cmdline */
};

/* -ESRCH, -EACCES, -EBADMSG, -E2BIG (command line). A zombie is -ESRCH. Right after an execve() the
 * kernel shows an empty command line for a moment: argv_hash is HASH_FNV_START then. */
int procinfo_read(pid_t pid, struct proc_id *ret);
/* Pure part of it: the text of /proc/PID/stat. -EBADMSG. */
int procinfo_parse_stat(const char *text, char *ret_state, uint64_t *ret_start_ticks);
/* The command line, at most LIMIT_ARGV_BYTES (-E2BIG). RET is empty on entry, the caller's after.
 */
int procinfo_cmdline(pid_t pid, struct strv *ret);
/* A pidfd of the process if all of ID fits, read after the pidfd was opened so that the number
 * can't change hands between. -ESRCH: no such process; -ESTALE: another one. */
int procinfo_open(const struct proc_id *id, int *ret_pidfd);
/* What /proc/PID/NAME ("exe", "fd/2") points at, cut to SIZE; a file that is gone has " (deleted)"
 * behind its name. -ESRCH, -EACCES. */
int procinfo_link(pid_t pid, const char *name, char *ret, size_t size);
/* How long ago the process started, in milliseconds, as exact as the kernel's clock ticks are. */
int64_t procinfo_age_ms(const struct proc_id *id);
/* "/proc/sys/kernel/random/boot_id": start_ticks compare only within one boot. */
int procinfo_boot_id(char ret[37]);
/* The numbers N of the /dev/pts/N whose master the process has open, at most MAX; how many, or
 * -ESRCH, -EACCES. Of a process with more than LIMIT_PROC_FDS descriptors only those are seen. */
int procinfo_ptys(pid_t pid, unsigned *ret, size_t max);
