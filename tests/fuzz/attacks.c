/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every attack of tests/fake/evil.c as an input of a fuzz target, so that none is missing there and
 * each is cut and bent as well. With a folder as its argument it writes them there, NAME and
 * NAME-vchan, for libFuzzer to begin with.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "tests/fake/evil.h"
#include "tests/fuzz/fuzz.h"

/* Of one without end, or larger: over the bound of a message (LIMIT_QMP_LINE_BYTES). */
#define ATTACK_BYTES (300 * 1024)
#define FRAME_PORTIONS 63

/* What it says when command ID is asked. MARK_NULS: a NUL as "\x02". */
static void add_said(FILE *in, const struct evil_attack *attack, int64_t id, bool mark_nuls)
{
	static struct evil evil;
	size_t n = 1, said = 0;
	char text[4096];

	evil_begin(&evil, attack, id);
	while (n > 0 && said < ATTACK_BYTES) {
		n = evil_say(&evil, text, sizeof(text));
		said += n;
		for (size_t i = 0; i < n; i++) {
			fputc(mark_nuls && !text[i] ? 2 : text[i], in);
		}
	}
}

static void step(FILE *in, unsigned char what, const char *text)
{
	fputc(what, in);
	fputs(text, in);
	fputc(0, in);
}

/* The steps of qmp_mux.c: a session, a client that asks, what comes, and what is asked next. */
static void add_for_mux(FILE *in, const struct evil_attack *attack, bool vchan)
{
	fputc(vchan, in);
	step(in, 1, ""); /* it greets */
	step(in, 2, "");
	if (vchan) {
		step(in, 14, ""); /* its version */
	}
	step(in, 0x92, ""); /* a client */
	step(in, 0x80, "{\"execute\":\"qmp_capabilities\"}");
	step(in, 0x80, "{\"execute\":\"" EVIL_TRIGGER "\",\"id\":1}");
	fputc(0x40 | 0x20 | (attack->portion ? 0x10 : 0), in);
	add_said(in, attack, vchan ? 3 : 2, true);
	fputc(0, in);
	step(in, 0x34, ""); /* 9 s go by */
	step(in, 0x80, "{\"execute\":\"query-status\",\"id\":2}");
	step(in, 2, "");
}

static void add_for_frame(FILE *in, const struct evil_attack *attack)
{
	fputc(1 | (attack->portion ? 0 : FRAME_PORTIONS << 2), in);
	add_said(in, attack, 2, false);
}

static void add_for_filter(FILE *in, const struct evil_attack *attack, bool vchan)
{
	fputc((vchan ? 4 : 0) | 8, in);
	fputs("{\"execute\":\"" EVIL_TRIGGER "\"}\n", in);
	add_said(in, attack, 2, false);
}

static char *input(const struct evil_attack *attack, bool vchan, size_t *ret_size)
{
	char *data = NULL;
	FILE *in = open_memstream(&data, ret_size);

	CHECK(in);
	if (!strcmp(FUZZ_TARGET, "qmp_mux")) {
		add_for_mux(in, attack, vchan);
	} else if (!strcmp(FUZZ_TARGET, "qmp_frame")) {
		add_for_frame(in, attack);
	} else {
		add_for_filter(in, attack, vchan);
	}
	CHECK(fclose(in) == 0);
	return data;
}

static void write_to(const char *dir, const char *name, bool vchan, const char *data, size_t size)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s%s", dir, name, vchan ? "-vchan" : "");
	f = fopen(path, "wb");
	CHECK(f && fwrite(data, 1, size, f) == size && fclose(f) == 0);
}

int main(int argc, char **argv)
{
	int inputs = 0;

	for (const struct evil_attack *a = evil_attacks; a->name; a++) {
		for (int vchan = 0; vchan < 2; vchan++) {
			size_t size;
			_cleanup_free_ char *data = input(a, vchan, &size);

			if (argc == 2) {
				write_to(argv[1], a->name, vchan, data, size);
			} else {
				fuzz_variants((uint8_t *)data, size);
			}
			inputs++;
		}
	}
	printf("%d inputs\n", inputs);
	return 0;
}
