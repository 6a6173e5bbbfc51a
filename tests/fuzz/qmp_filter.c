/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The filter: the first byte chooses class and peer; up to a newline the input is a client's
 * command, behind it a device model's answer to it. What passes keeps the bounds, in ASCII.
 */
#include <errno.h>
#include <string.h>

#include "lib/limits.h"
#include "proto/qmpfilter.h"
#include "tests/fuzz/fuzz.h"

static void check_text(char *text)
{
	size_t len = text ? strlen(text) : 0;

	CHECK(len > 2 && !strcmp(text + len - 2, "\r\n"));
	for (size_t i = 0; i < len - 2; i++) {
		CHECK(text[i] >= 0x20 && text[i] < 0x7f);
	}
	free(text);
}

static void check_answer(
	const struct qmpfilter *f, const struct qmp_command *command, const char *line, size_t len)
{
	struct json_object *passed = NULL;
	struct qmpfilter_result why;
	struct qmp_message message;
	struct qmp_seen seen;
	struct err err;

	if (qmp_parse(line, len, command->flags & QMP_HMP, &message, &err) < 0) {
		return;
	}
	if (message.kind == QMP_RETURN &&
		qmpfilter_return(f, command, message.body, &passed, &why) == QMP_PASS) {
		check_text(qmp_return_text(passed, NULL));
		qmp_seen_take(&seen, message.body);
		CHECK(seen.len <= QMP_SEEN_MAX);
	} else if (message.kind == QMP_ERROR) {
		qmpfilter_error(f, command, message.error_class, message.desc, &why);
		CHECK(strlen(why.text) < LIMIT_QMP_DESC_BYTES);
		check_text(qmp_error_text(why.error_class, why.text, "7"));
	} else if (message.kind == QMP_EVENT && qmpfilter_event(f, message.name)) {
		check_text(qmp_text(message.json));
	}
	json_object_put(passed);
	qmp_message_fini(&message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 1, *end;
	struct qmpfilter f = {0};
	struct qmpfilter_result result;
	struct qmp_request request;
	enum qmp_verdict verdict;
	struct err err;

	if (size < 1) {
		return 0;
	}
	f.class = data[0] % _QMP_CLASS_MAX;
	f.peer = data[0] & 4 ? QMP_PEER_VCHAN : QMP_PEER_DOM0;
	end = memchr(text, '\n', size - 1);
	end = end ? end : text + size - 1;
	if (qmp_request_parse(text, end - text, &request, &err) == 0) {
		verdict = qmpfilter_request(&f, &request, data[0] & 8, &result);
		if (verdict == QMP_REFUSE) {
			CHECK(!strcmp(result.error_class, "GenericError") && *result.text);
		} else if (f.class == QMP_CLASS_MONITOR) {
			CHECK(result.command->flags & QMP_READS);
		}
		if (verdict == QMP_PASS && end < text + size - 1) {
			check_answer(&f, result.command, end + 1, text + size - 1 - (end + 1));
		}
	}
	qmp_request_fini(&request);
	return 0;
}
