/*
 * SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * vchan-direct STUB XS-PATH COMMAND COUNT: a QMP client at the ring itself, with nobody in between
 * and nothing looked at: what no proxy can be faster than. Prints round trips and processor time in
 * milliseconds as qmp-client.py does. Only while nobody else is connected.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <libxenvchan.h>

#define REPLY_BYTES (1 << 20)

struct client {
	struct libxenvchan *vchan;
	char data[REPLY_BYTES];
	size_t len;
	unsigned long wakes; /* times that there was nothing to read */
};

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

static double cpu_ms(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
	       (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

static void say(struct client *c, const char *text)
{
	size_t len = strlen(text);

	if (libxenvchan_write(c->vchan, text, len) != (int)len)
		errx(1, "the ring does not take %zu bytes", len);
}

/* One more line; the bytes of it. */
static size_t next_line(struct client *c)
{
	int n;

	c->len = 0;
	while (!c->len || c->data[c->len - 1] != '\n') {
		n = libxenvchan_read(c->vchan, c->data + c->len, sizeof(c->data) - 1 - c->len);
		if (n < 0 || c->len + n >= sizeof(c->data) - 1)
			errx(1, "closed, or too much");
		c->len += n;
		if (n == 0) {
			c->wakes++;
			if (libxenvchan_wait(c->vchan) < 0)
				err(1, "wait");
		}
	}
	c->data[c->len] = '\0';
	return c->len;
}

/* Events and what an earlier session left are passed over. */
static size_t answer(struct client *c, const char *id)
{
	size_t len;

	do {
		len = next_line(c);
	} while (!strstr(c->data, id));
	return len;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void report(double *times, int count, size_t bytes, double cpu, unsigned long wakes)
{
	qsort(times, count, sizeof(*times), compare);
	printf("{\"n\": %d, \"median\": %.3f, \"p99\": %.3f, \"bytes\": %zu, \"cpu\": %.1f, "
	       "\"wakes\": "
	       "%.2f}\n",
		count, times[count / 2], times[(int)(count * 0.99)], bytes, cpu * 1000 / count,
		(double)wakes / count);
}

static void measure(struct client *c, const char *command, int count)
{
	double *times = calloc(count, sizeof(*times)), cpu = cpu_ms(), begun;
	char text[128], id[32];
	size_t bytes = 0;

	if (!times)
		err(1, "calloc");
	c->wakes = 0;
	for (int i = 0; i < count; i++) {
		snprintf(id, sizeof(id), "\"id\": %d", 1000000 + i);
		snprintf(text, sizeof(text), "{\"execute\": \"%s\", %s}\n", command, id);
		begun = now_ms();
		say(c, text);
		bytes = answer(c, id);
		times[i] = now_ms() - begun;
	}
	report(times, count, bytes, cpu_ms() - cpu, c->wakes);
	free(times);
}

int main(int argc, char **argv)
{
	static struct client c;

	if (argc != 5)
		errx(2, "usage: vchan-direct STUB XS-PATH COMMAND COUNT");
	c.vchan = libxenvchan_client_init(NULL, atoi(argv[1]), argv[2]);
	if (!c.vchan)
		err(1, "%s", argv[2]);
	c.vchan->blocking = 0;
	answer(&c, "\"QMP\""); /* what is sent before the server looks is lost */
	say(&c, "{\"execute\": \"qmp_capabilities\", \"id\": 1}\n");
	answer(&c, "\"id\": 1");
	measure(&c, argv[3], atoi(argv[4]));
	libxenvchan_close(c.vchan);
	return 0;
}
