/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The daemon's log: the journal with fields when stderr is connected to it (JOURNAL_STREAM),
 * otherwise one line on stderr. This is the only module below daemon/ with state of its own.
 * Peer text in a message is made printable and cut at LOG_MESSAGE_MAX bytes.
 */
#include <stdint.h>

#define LOG_MESSAGE_MAX 2048
#define LOG_LONG_MAX (128 * 1024)

enum log_level {
	LOG_LVL_ERROR = 3,
	LOG_LVL_WARNING = 4,
	LOG_LVL_NOTICE = 5,
	LOG_LVL_INFO = 6,
	LOG_LVL_DEBUG = 7
};

/* Which domain a message is about; empty or zero parts are left out. */
struct log_domain {
	uint32_t domid;
	const char *uuid; /* borrowed, may be NULL */
	const char *name; /* borrowed, may be NULL */
};

/* Looks at JOURNAL_STREAM; call once before the first message. */
void log_init(enum log_level max);
void log_set_max(enum log_level max);

/* "error", "warning", "notice", "info", "debug" -> level; -EINVAL for anything else. */
int log_level_parse(const char *text, enum log_level *ret);

void log_msg(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The same with the fields XEN_DOMID, XEN_DOMAIN_UUID, XEN_DOMAIN_NAME ("dN (name): " on stderr).
 */
void log_domain(enum log_level level, const struct log_domain *dom, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The same for what must not be cut, as a device model's arguments: up to LOG_LONG_MAX bytes. */
void log_domain_long(enum log_level level, const struct log_domain *dom, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define log_error(...) log_msg(LOG_LVL_ERROR, __VA_ARGS__)
#define log_warning(...) log_msg(LOG_LVL_WARNING, __VA_ARGS__)
#define log_notice(...) log_msg(LOG_LVL_NOTICE, __VA_ARGS__)
#define log_info(...) log_msg(LOG_LVL_INFO, __VA_ARGS__)
#define log_debug(...) log_msg(LOG_LVL_DEBUG, __VA_ARGS__)
