/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Damaged definitions and configurations, the same ones in each run: the parsers must neither crash
 * nor leak (sanitizers), and whatever they refuse they must refuse with a place. What is still good
 * after the damage goes on to matching and planning.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/config.h"
#include "lib/definition.h"

#define ROUNDS 6000
#define TEXT_MAX 4096

static const char *const seeds[] = {
	"{\"match\": {\"name\": \"web-*\"}, \"kind\": \"qemu\", \"binary\": \"/bin/true\",\n"
	"\"argv\": [\"-xen-domid\", \"$DOMID\", \"-name\", \"${NAME}\", \"$$\", "
	"\"\\ud83d\\ude00\"],\n"
	"\"extra_args\": [\"-S\"], \"env\": {\"A\": \"$UUID\"}, \"on_exit\": \"crash\",\n"
	"\"limits\": {\"memory_max_mib\": 1024, \"cpu_weight\": 100, \"pids_max\": 256}}",
	"{\"match\": {\"uuid\": \"3a9726f3-6f9e-4b76-b521-824dc667beab\"}, \"kind\": \"qemu\",\n"
	"\"qemu\": {\"machine\": {\"type\": \"xenpv\"}, \"devices\": [{\"kind\": \"net\", "
	"\"type\": \"tap\", \"id\": \"n\", \"fds\": [\"@t\"], \"addr\": \"4.0\"}]},\n"
	"\"files\": {\"t\": {\"tap\": \"vif$DOMID.0-emu\", \"queues\": 2}}, \"on_exit\": "
	"\"restart\","
	"\n\"restore_from\": \"/state\", \"confinement\": {\"user\": \"1:2\", \"namespaces\": "
	"[\"net\"], \"chroot\": true, \"domid_restrict\": \"auto\"}}",
	"{\"match\": {\"domid\": 12}, \"kind\": \"stubdom-linux\", \"argv\": [\"fds=@a:@b\"],\n"
	"\"files\": {\"a\": {\"path\": \"/a\", \"mode\": \"rw\"}, \"b\": {\"listen\": "
	"\"unix:/s\"}},\n\"stubdom\": {\"kernel\": \"k\", \"cmdline\": \"$VCPUS\", \"memory_mib\": "
	"192, \"disks\": [{\"x\": null}], \"serials\": [\"pty\"]}}",
	"{\"match\": {\"name\": \"a\"}, \"libxl\": {\"config\": {\"c_info\": {\"type\": \"hvm\"}, "
	"\"b_info\": {\"device_model_stubdomain\": \"True\"}}}, \"kind\": \"stubdom-minios\"}",
	"{\"match\": {\"name\": \"a\"}, \"libxl\": {\"c_info\": {\"type\": \"hvm\", \"name\": "
	"\"a\", "
	"\"uuid\": \"x\"}, \"b_info\": {\"max_vcpus\": 4, \"avail_vcpus\": [0, 1], \"max_memkb\": "
	"65536, \"extra\": [\"-S\"], \"type.hvm\": {\"vga\": {\"kind\": \"std\"}, \"vnc\": "
	"{\"listen\": \"::1\", \"display\": 3}, \"spice\": {\"enable\": \"True\", \"port\": 6000, "
	"\"passwd\": \"p\", \"usbredirection\": 2}, \"serial_list\": [\"pty\"], \"soundhw\": "
	"\"HDA\"}}, \"disks\": [{\"pdev_path\": \"/a,b\", \"vdev\": \"hda\", \"format\": \"raw\", "
	"\"readwrite\": 1}], \"nics\": [{\"mac\": \"00:16:3e:00:00:01\"}], \"usbctrls\": "
	"[{\"version\": 3}], \"usbdevs\": [{\"type.hostdev\": {\"hostbus\": 1, \"hostaddr\": 2}}], "
	"\"pcidevs\": [{\"bus\": 3, \"vdevfn\": 40}], \"channels\": [{\"name\": \"c\", "
	"\"connection.pty\": {}}]}}",
	"{\"default_binary\": \"/q\", \"libexec_dir\": \"/a:/b\", \"quit_timeout_s\": 10,\n"
	"\"limits\": {\"pids_max\": 9}, \"events_kept\": 5000, \"starts_at_once\": 8}",
};

static const char *const tokens[] = {"{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "\\u0000",
	"\\ud800", "$", "${", "@", "null", "true", "-1", "1e999", "18446744073709551616", "\xff",
	"\xc3", "\n", "\"match\":", "\"argv\":[],", "\"kind\":", "[[[[[[[[", "{\"a\":", "//", "'",
	"$NAME", "*", "\t", "0"};

struct text {
	char bytes[TEXT_MAX];
	size_t len;
};

/* xorshift64* (Vigna 2016): the same numbers everywhere. */
static uint32_t next(uint64_t *state, uint32_t below)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (uint32_t)((*state * UINT64_C(2685821657736338717)) >> 32) % below;
}

static void replace(struct text *t, size_t at, size_t drop, const char *with, size_t with_len)
{
	if (at > t->len || drop > t->len - at || t->len - drop + with_len > TEXT_MAX) {
		return;
	}
	memmove(t->bytes + at + with_len, t->bytes + at + drop, t->len - at - drop);
	memcpy(t->bytes + at, with, with_len);
	t->len += with_len - drop;
}

static void damage(struct text *t, uint64_t *random)
{
	size_t at = next(random, (uint32_t)t->len + 1), some = next(random, 24);
	const char *token = tokens[next(random, ARRAY_SIZE(tokens))];
	char copy[24];

	switch (next(random, 6)) {
	case 0: /* another byte */
		copy[0] = (char)next(random, 256);
		replace(t, at, 1, copy, 1);
		break;
	case 1:
		replace(t, at, some, "", 0);
		break;
	case 2:
		replace(t, at, 0, token, strlen(token));
		break;
	case 3:
		replace(t, at, strlen(token), token, strlen(token));
		break;
	case 4: /* a piece from elsewhere */
		some = at + some > t->len ? t->len - at : some;
		memcpy(copy, t->bytes + at, some);
		replace(t, next(random, (uint32_t)t->len + 1), 0, copy, some);
		break;
	default: /* the end is missing */
		if (next(random, 8) == 0) {
			t->len = at;
		}
		break;
	}
}

static void assert_explained(int r, const struct err *err)
{
	assert_int_equal(r, -EINVAL);
	assert_int_equal(err->code, -EINVAL);
	assert_memory_equal(err->text, "f.json:", 7);
	assert_in_range(err->text[7], '1', '9');
	assert_non_null(strstr(err->text + 7, ": "));
}

static unsigned try_definition(const char *text, size_t len)
{
	static const struct plan_context context = {.domid = 1, .name = "n", .uuid = "u"};
	static const struct plan_config config = {
		.default_binary = "/bin/true", .libexec_dir = "/usr/libexec"};
	_cleanup_definition_ struct definition *d = NULL;
	struct plan plan = {0};
	struct err err = {0};
	uint8_t uuid[16] = {0};
	int r = definition_parse_given("f.json", text, len, &d, &err);

	if (r < 0) {
		assert_null(d);
		assert_explained(r, &err);
		return 0;
	}
	definition_matches(d, 12, uuid, "web-1--incoming");
	if (plan_build(d, &context, &config, &plan, &err) == 0) {
		assert_true(plan.argv.len > 0);
		plan_fini(&plan);
	} else {
		assert_memory_equal(err.text, "f.json:", 7);
	}
	return 1;
}

static unsigned try_config(const char *text, size_t len)
{
	struct config config;
	struct err err = {0};
	int r = config_parse(&config, "f.json", text, len, &err);

	if (r < 0) {
		assert_explained(r, &err);
		return 0;
	}
	config_fini(&config);
	return 1;
}

static void test_damaged(void **state)
{
	uint64_t random = UINT64_C(20261120);
	unsigned good = 0, rounds = 0;

	for (; rounds < ROUNDS; rounds++) {
		const char *seed = seeds[rounds % ARRAY_SIZE(seeds)];
		unsigned times = next(&random, 4);
		struct text t = {.len = strlen(seed)};
		char *exact;

		memcpy(t.bytes, seed, t.len);
		for (unsigned i = 0; i < times; i++) {
			damage(&t, &random);
		}
		/* No byte more than the text has: ASan sees whoever reads on. */
		exact = malloc(t.len ? t.len : 1);
		memcpy(exact, t.bytes, t.len);
		good += try_definition(exact, t.len) + try_config(exact, t.len);
		free(exact);
	}
	/* Both sorts must occur in numbers, or this tests nothing. */
	assert_in_range(good, ROUNDS / 10, ROUNDS * 9 / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
