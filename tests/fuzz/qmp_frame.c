/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The framer: the first byte says which side, how large the portions and the bound are; the rest is
 * the stream. Whatever comes: no message is longer than the bound, the memory held is bounded.
 */
#include <errno.h>
#include <string.h>

#include "lib/limits.h"
#include "proto/qmp.h"
#include "proto/qmpframe.h"
#include "tests/fuzz/fuzz.h"

static void parse(const struct qmpframe *f, const char *text, size_t len)
{
	struct qmp_request request;
	struct qmp_message message;
	struct err err;

	if (!f->lines) {
		if (qmp_request_parse(text, len, &request, &err) == 0) {
			CHECK(request.command);
		}
		CHECK(request.id_len <= LIMIT_QMP_ID_BYTES);
		qmp_request_fini(&request);
	} else if (qmp_parse(text, len, len % 2, &message, &err) == 0) {
		qmp_message_fini(&message);
	} else {
		for (const char *p = err.text; *p; p++) {
			CHECK((unsigned char)*p >= 0x20);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct qmpframe f = {0};
	size_t portion, len;
	const char *text;
	int r = 0;

	if (size < 1) {
		return 0;
	}
	f.lines = data[0] & 1;
	f.max = data[0] & 2 ? 16 : 4096;
	portion = 1 + (data[0] >> 2);
	for (size_t at = 1; at < size && r != -EMSGSIZE; at += portion) {
		size_t n = size - at < portion ? size - at : portion;

		if (qmpframe_feed(&f, (const char *)data + at, n) < 0) {
			break;
		}
		while ((r = qmpframe_next(&f, &text, &len)) != 0 && r != -EMSGSIZE) {
			CHECK(r == 1 || (r == -EBADMSG && !f.lines));
			if (r == 1) {
				CHECK(len <= f.max);
				parse(&f, text, len);
			}
		}
		CHECK(r != 0 || qmpframe_held(&f) <= f.max);
	}
	qmpframe_fini(&f);
	return 0;
}
