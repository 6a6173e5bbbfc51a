/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#define MESSAGE_FIELD "MESSAGE="

static enum log_level max_level = LOG_LVL_INFO;
static bool to_journal;

/* JOURNAL_STREAM is inherited; it counts only if stderr still is that very socket
 * (systemd.exec(5)). */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;
	char *end;

	if (!stream || fstat(STDERR_FILENO, &st) < 0) {
		return false;
	}
	errno = 0;
	dev = strtoull(stream, &end, 10);
	if (errno || *end != ':') {
		return false;
	}
	ino = strtoull(end + 1, &end, 10);
	return !errno && !*end && dev == st.st_dev && ino == st.st_ino;
}

void log_init(enum log_level max)
{
	max_level = max;
	to_journal = stderr_is_journal();
}

void log_set_max(enum log_level max)
{
	max_level = max;
}

int log_level_parse(const char *text, enum log_level *ret)
{
	static const struct {
		const char *name;
		enum log_level level;
	} names[] = {{"error", LOG_LVL_ERROR}, {"warning", LOG_LVL_WARNING},
		{"notice", LOG_LVL_NOTICE}, {"info", LOG_LVL_INFO}, {"debug", LOG_LVL_DEBUG}};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strcmp(text, names[i].name)) {
			*ret = names[i].level;
			return 0;
		}
	}
	return -EINVAL;
}

/* Control characters come from peers (QEMU's output, names in xenstore): none reaches a terminal.
 */
static void make_printable(char *text)
{
	for (; *text; text++) {
		unsigned char c = *text;

		if (c < 0x20 || c == 0x7f) {
			*text = c == '\n' || c == '\t' ? ' ' : '?';
		}
	}
}

/* MESSAGE with its field name in front. */
static void send_journal(enum log_level level, const struct log_domain *dom, char *message)
{
	char priority[24], domid[32], uuid[64], name[256];
	struct iovec iov[5];
	int n = 0;

#define FIELD(buf, ...)                                                                            \
	do {                                                                                       \
		snprintf(buf, sizeof(buf), __VA_ARGS__);                                           \
		iov[n++] = (struct iovec){.iov_base = buf, .iov_len = strlen(buf)};                \
	} while (0)
	iov[n++] = (struct iovec){.iov_base = message, .iov_len = strlen(message)};
	FIELD(priority, "PRIORITY=%d", (int)level);
	if (dom) {
		FIELD(domid, "XEN_DOMID=%u", dom->domid);
	}
	if (dom && dom->uuid) {
		FIELD(uuid, "XEN_DOMAIN_UUID=%s", dom->uuid);
	}
	if (dom && dom->name) {
		FIELD(name, "XEN_DOMAIN_NAME=%s", dom->name);
	}
#undef FIELD
	sd_journal_sendv(iov, n);
}

/* BUF has room for the field name and one character at least. */
static void log_text(char *buf, size_t size, enum log_level level, const struct log_domain *dom,
	const char *fmt, va_list ap)
{
	char *text = buf + strlen(MESSAGE_FIELD);
	int saved = errno, len = 0;

	size -= strlen(MESSAGE_FIELD);
	memcpy(buf, MESSAGE_FIELD, strlen(MESSAGE_FIELD));
	if (dom && dom->name) {
		len = snprintf(text, size, "d%u (%.128s): ", dom->domid, dom->name);
	} else if (dom) {
		len = snprintf(text, size, "d%u: ", dom->domid);
	}
	errno = saved; /* for %m */
	vsnprintf(text + len, size - len, fmt, ap);
	make_printable(text);
	if (to_journal) {
		send_journal(level, dom, buf);
	} else {
		fprintf(stderr, "%s\n", text);
	}
	errno = saved;
}

void log_msg(enum log_level level, const char *fmt, ...)
{
	char buf[LOG_MESSAGE_MAX];
	va_list ap;

	if (level > max_level) {
		return;
	}
	va_start(ap, fmt);
	log_text(buf, sizeof(buf), level, NULL, fmt, ap);
	va_end(ap);
}

void log_domain(enum log_level level, const struct log_domain *dom, const char *fmt, ...)
{
	char buf[LOG_MESSAGE_MAX];
	va_list ap;

	if (level > max_level) {
		return;
	}
	va_start(ap, fmt);
	log_text(buf, sizeof(buf), level, dom, fmt, ap);
	va_end(ap);
}

void log_domain_long(enum log_level level, const struct log_domain *dom, const char *fmt, ...)
{
	char *buf;
	va_list ap;

	if (level > max_level || !(buf = malloc(LOG_LONG_MAX))) {
		return;
	}
	va_start(ap, fmt);
	log_text(buf, LOG_LONG_MAX, level, dom, fmt, ap);
	va_end(ap);
	free(buf);
}
