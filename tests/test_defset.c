/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/definition.h"
#include "lib/limits.h"
#include "lib/parse.h"

#define UUID "3a9726f3-6f9e-4b76-b521-824dc667beab"

/* Two directories below a temporary one, and what the last load reported. */
struct place {
	char root[64], etc[80], run[80];
	struct defset *set;
	unsigned reports;
	struct err last;
	char last_path[256], all[4096];
};

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	if (flag != FTW_SL) { /* chmod follows links, one of them to /dev/null */
		chmod(path, 0700);
	}
	return remove(path);
}

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	strcpy(p->root, "/tmp/xendmd-defset-XXXXXX");
	assert_non_null(mkdtemp(p->root));
	snprintf(p->etc, sizeof(p->etc), "%s/etc", p->root);
	snprintf(p->run, sizeof(p->run), "%s/run", p->root);
	assert_int_equal(mkdir(p->etc, 0700), 0);
	assert_int_equal(mkdir(p->run, 0700), 0);
	assert_int_equal(defset_new(&p->set, p->etc, p->run), 0);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;

	defset_free(p->set);
	nftw(p->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(p);
	return 0;
}

static void put(const char *dir, const char *name, const char *text, size_t len)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

/* MATCH: the members of "match". */
static void define(const char *dir, const char *name, const char *match)
{
	char text[512];

	snprintf(text, sizeof(text), "{\"match\": {%s}, \"kind\": \"none\"}", match);
	put(dir, name, text, strlen(text));
}

static void on_bad(void *ctx, const char *path, const struct err *err)
{
	struct place *p = ctx;
	size_t at = strlen(p->all);

	p->reports++;
	p->last = *err;
	snprintf(p->last_path, sizeof(p->last_path), "%s", path);
	snprintf(p->all + at, sizeof(p->all) - at, "%d %s\n", err->code,
		err->text + strlen(p->root));
}

static void load(struct place *p)
{
	p->reports = 0;
	p->all[0] = '\0';
	defset_load(p->set, on_bad, p);
}

/* The file's name (behind the root) of what matches, "" for nothing. */
static const char *matched(struct place *p, uint32_t domid, const char *uuid, const char *name)
{
	struct definition *d = NULL;
	struct err err = {0};
	uint8_t bytes[16];
	int r;

	assert_int_equal(parse_uuid(uuid, bytes), 0);
	r = defset_match(p->set, domid, bytes, name, &d, &err);
	if (r < 0) {
		assert_int_equal(r, -EEXIST);
		p->last = err;
		return "twice";
	}
	return d ? definition_path(d) + strlen(p->root) : "";
}

#define OTHER "00000000-0000-4000-8000-000000000001"

static void test_ranks(void **state)
{
	struct place *p = *state;

	define(p->etc, "glob.json", "\"name\": \"web-*\"");
	load(p);
	assert_string_equal(matched(p, 5, UUID, "web-1"), "/etc/glob.json");
	define(p->etc, "name.json", "\"name\": \"web-1\"");
	load(p);
	assert_string_equal(matched(p, 5, UUID, "web-1"), "/etc/name.json");
	/* the rank comes before the directory */
	define(p->run, "glob.json", "\"name\": \"web-?\"");
	load(p);
	assert_string_equal(matched(p, 5, UUID, "web-1"), "/etc/name.json");
	assert_string_equal(matched(p, 5, UUID, "web-2"), "/run/glob.json");
	define(p->etc, "uuid.json", "\"uuid\": \"" UUID "\"");
	load(p);
	assert_string_equal(matched(p, 5, UUID, "web-1"), "/etc/uuid.json");
	assert_string_equal(matched(p, 5, OTHER, "web-1"), "/etc/name.json");
	define(p->etc, "domid.json", "\"domid\": 5");
	load(p);
	assert_string_equal(matched(p, 5, UUID, "web-1"), "/etc/domid.json");
	assert_string_equal(matched(p, 6, UUID, "web-1"), "/etc/uuid.json");
	assert_string_equal(matched(p, 6, OTHER, "db"), "");
	/* without a name only number and uuid count */
	assert_string_equal(matched(p, 6, UUID, NULL), "/etc/uuid.json");
	assert_string_equal(matched(p, 6, OTHER, NULL), "");
	assert_int_equal(p->reports, 0);
	assert_int_equal(defset_count(p->set, NULL), 5);
}

static void test_run_before_etc(void **state)
{
	struct place *p = *state;
	static const char *const matches[] = {
		"\"domid\": 5", "\"uuid\": \"" UUID "\"", "\"name\": \"a\"", "\"name\": \"a*\""};

	for (size_t i = 0; i < ARRAY_SIZE(matches); i++) {
		define(p->etc, "x.json", matches[i]);
		define(p->run, "y.json", matches[i]);
		load(p);
		assert_string_equal(matched(p, 5, UUID, "a"), "/run/y.json");
		/* two in /etc do not matter where /run has one */
		define(p->etc, "z.json", matches[i]);
		load(p);
		assert_string_equal(matched(p, 5, UUID, "a"), "/run/y.json");
		define(p->run, "w.json", matches[i]);
		load(p);
		assert_string_equal(matched(p, 5, UUID, "a"), "twice");
		assert_non_null(strstr(p->last.text, "two definitions match domain 5 equally: "));
		assert_non_null(strstr(p->last.text, "/run/w.json and "));
		assert_non_null(strstr(p->last.text, "/run/y.json"));
		define(p->etc, "z.json", "\"domid\": 900");
		define(p->run, "w.json", "\"domid\": 901");
		load(p);
	}
}

static void test_two_globs(void **state)
{
	struct place *p = *state;

	define(p->etc, "a.json", "\"name\": \"web*\"");
	define(p->etc, "b.json", "\"name\": \"*-1\"");
	load(p);
	assert_string_equal(matched(p, 5, UUID, "web-2"), "/etc/a.json");
	assert_string_equal(matched(p, 5, UUID, "db-1"), "/etc/b.json");
	assert_string_equal(matched(p, 5, UUID, "web-1"), "twice");
	assert_non_null(strstr(p->last.text, "/etc/a.json and "));
	assert_non_null(strstr(p->last.text, "/etc/b.json"));
}

static void test_names(void **state)
{
	struct place *p = *state;
	char name[LIMIT_NAME_BYTES + 32];

	define(p->etc, "a.json", "\"name\": \"web\"");
	define(p->etc, "b.json", "\"name\": \"d[bc]\\\\*?\"");
	load(p);
	assert_string_equal(matched(p, 5, UUID, "web--incoming"), "/etc/a.json");
	assert_string_equal(matched(p, 5, UUID, "web--incoming--incoming"), "");
	assert_string_equal(matched(p, 5, UUID, "--incoming"), "");
	assert_string_equal(matched(p, 5, UUID, "web-incoming"), "");
	assert_string_equal(matched(p, 5, UUID, "WEB"), "");
	assert_string_equal(matched(p, 5, UUID, ""), "");
	assert_string_equal(matched(p, 5, UUID, "db*1"), "/etc/b.json");
	assert_string_equal(matched(p, 5, UUID, "dc*1--incoming"), "/etc/b.json");
	assert_string_equal(matched(p, 5, UUID, "dbx1"), "");
	assert_string_equal(matched(p, 5, UUID, "da*1"), "");
	define(p->etc, "c.json", "\"name\": \"*\"");
	load(p);
	memset(name, 'n', sizeof(name));
	name[LIMIT_NAME_BYTES] = '\0';
	assert_string_equal(matched(p, 5, UUID, name), "/etc/c.json");
	name[LIMIT_NAME_BYTES] = 'n';
	name[LIMIT_NAME_BYTES + 1] = '\0';
	assert_string_equal(matched(p, 5, UUID, name), "");
	strcpy(name + LIMIT_NAME_BYTES, "--incoming");
	assert_string_equal(matched(p, 5, UUID, name), "/etc/c.json");
}

/* One of each kind of bad file beside a good one. */
static void make_bad_files(struct place *p)
{
	char path[256], *huge = malloc(LIMIT_JSON_BYTES + 1);

	memset(huge, ' ', LIMIT_JSON_BYTES + 1);
	put(p->etc, "a-huge.json", huge, LIMIT_JSON_BYTES + 1);
	free(huge);
	snprintf(path, sizeof(path), "%s/b-dir.json", p->etc);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/c-fifo.json", p->etc);
	assert_int_equal(mkfifo(path, 0600), 0);
	snprintf(path, sizeof(path), "%s/d-link.json", p->etc);
	assert_int_equal(symlink("/nonexistent/x", path), 0);
	put(p->etc, "e-empty.json", "", 0);
	put(p->etc, "f-utf8.json", "{\"\xff\": 1}", 9);
	put(p->etc, "g-nul.json", "{}\0", 3);
	put(p->etc, "h-key.json", "{\n\n\"colour\": 1}", 15);
	snprintf(path, sizeof(path), "%s/i-device.json", p->etc);
	assert_int_equal(symlink("/dev/null", path), 0);
	snprintf(path, sizeof(path), "%s/j-loop.json", p->etc);
	assert_int_equal(symlink("j-loop.json", path), 0);
	/* not looked at */
	put(p->etc, "k.json.bak", "{", 1);
	put(p->etc, ".l.json", "{", 1);
	put(p->etc, ".json", "{", 1);
	put(p->etc, "json", "{", 1);
}

static void test_bad_files(void **state)
{
	struct place *p = *state;
	unsigned bad;

	make_bad_files(p);
	define(p->etc, "good.json", "\"name\": \"a\"");
	load(p);
	assert_string_equal(p->all,
		"-27 /etc/a-huge.json: has 1048577 bytes; at most 1048576 are read\n"
		"-21 /etc/b-dir.json: is a directory\n"
		"-22 /etc/c-fifo.json: is not a regular file\n"
		"-67 /etc/d-link.json: is a link to \"/nonexistent/x\", which does not exist\n"
		"-22 /etc/e-empty.json:1: column 1: the text ends where a value should stand\n"
		"-22 /etc/f-utf8.json:1: column 3: invalid UTF-8\n"
		"-22 /etc/g-nul.json:1: column 3: byte 0x00 where the end should stand\n"
		"-22 /etc/h-key.json:3: colour: unknown key\n"
		"-22 /etc/i-device.json: is not a regular file\n"
		"-40 /etc/j-loop.json: cannot be opened: Too many levels of symbolic links\n");
	assert_int_equal(defset_count(p->set, &bad), 1);
	assert_int_equal(bad, 10);
	assert_string_equal(matched(p, 5, UUID, "a"), "/etc/good.json");
}

/* As somebody whom permissions bind: root reads everything. */
static int load_unreadable(struct place *p)
{
	unsigned bad;

	if (geteuid() == 0 &&
		(chown(p->root, 65534, 65534) < 0 || chown(p->etc, 65534, 65534) < 0 ||
			setgid(65534) < 0 || setuid(65534) < 0)) {
		return 1;
	}
	load(p);
	if (defset_count(p->set, &bad) != 1 || bad != 1 || p->last.code != -EACCES) {
		return 2;
	}
	if (!strstr(p->last.text, "/etc/a.json: cannot be opened: Permission denied")) {
		return 3;
	}
	chmod(p->etc, 0);
	load(p);
	return defset_count(p->set, &bad) == 0 && bad == 1 &&
			       strstr(p->last.text, "/etc: Permission denied")
		       ? 0
		       : 4;
}

static void test_unreadable(void **state)
{
	struct place *p = *state;
	char path[256];
	int status;
	pid_t pid;

	define(p->etc, "a.json", "\"name\": \"a\"");
	define(p->etc, "b.json", "\"name\": \"b\"");
	snprintf(path, sizeof(path), "%s/a.json", p->etc);
	assert_int_equal(chmod(path, 0), 0);
	snprintf(path, sizeof(path), "%s/b.json", p->etc);
	assert_int_equal(chmod(path, 0644), 0);
	chmod(p->etc, 0755);
	chmod(p->run, 0755);
	chmod(p->root, 0755);
	pid = fork();
	if (pid == 0) {
		_exit(load_unreadable(p));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_reload(void **state)
{
	struct place *p = *state;
	_cleanup_definition_ struct definition *kept = NULL;
	uint8_t uuid[16] = {0};
	char path[256];

	/* nothing yet: an empty set */
	assert_string_equal(matched(p, 5, UUID, "a"), "");
	define(p->etc, "a.json", "\"name\": \"a\"");
	load(p);
	assert_int_equal(defset_match(p->set, 5, uuid, "a", &kept, NULL), 0);
	definition_ref(kept);
	put(p->etc, "a.json", "{", 1);
	load(p);
	assert_int_equal(p->reports, 1);
	assert_string_equal(matched(p, 5, UUID, "a"), "");
	assert_string_equal(kept->match_name, "a");
	snprintf(path, sizeof(path), "%s/a.json", p->etc);
	unlink(path);
	load(p);
	assert_int_equal(p->reports, 0);
	/* a directory that is not there is empty */
	rmdir(p->etc);
	load(p);
	assert_int_equal(p->reports, 0);
	put(p->root, "etc", "", 0);
	load(p);
	assert_int_equal(p->reports, 1);
	assert_non_null(strstr(p->last.text, "/etc: Not a directory"));
	defset_load(p->set, NULL, NULL);
}

static struct definition *match_name(struct place *p, const char *name)
{
	const uint8_t uuid[16] = {0};
	struct definition *d = NULL;

	assert_int_equal(defset_match(p->set, 5, uuid, name, &d, NULL), 0);
	return d;
}

/* What did not change is the same object; what changed is seen, however soon after a load, and with
 * as many bytes as before. */
static void test_unchanged(void **state)
{
	_cleanup_definition_ struct definition *kept = NULL;
	struct place *p = *state;

	for (char c = 'b'; c <= 'y'; c++) {
		const char match[] = {'"', 'n', 'a', 'm', 'e', '"', ':', '"', c, '"', 0};
		const char name[] = {c, 0}, earlier[] = {(char)(c - 1), 0};

		define(p->etc, "new.json", match);
		load(p);
		assert_non_null(match_name(p, name));
		assert_null(match_name(p, earlier));
	}
	define(p->etc, "old.json", "\"name\": \"a\"");
	poll(NULL, 0, 3500); /* older than the resolution of a file system's times */
	load(p);
	kept = definition_ref(match_name(p, "a"));
	load(p);
	assert_ptr_equal(match_name(p, "a"), kept);
	define(p->etc, "old.json", "\"name\": \"b\"");
	load(p);
	assert_null(match_name(p, "a"));
	assert_ptr_not_equal(match_name(p, "b"), kept);
	assert_string_equal(kept->match_name, "a");
}

static void test_many(void **state)
{
	struct place *p = *state;
	char match[64], name[32], want[64];
	unsigned bad;

	for (unsigned i = 1; i <= 300; i++) {
		snprintf(match, sizeof(match), "\"name\": \"vm%u\"", i);
		snprintf(name, sizeof(name), "n%u.json", i);
		define(p->etc, name, match);
		snprintf(match, sizeof(match), "\"domid\": %u", i * 3);
		snprintf(name, sizeof(name), "d%u.json", i);
		define(p->run, name, match);
	}
	load(p);
	assert_int_equal(defset_count(p->set, &bad), 600);
	assert_int_equal(bad, 0);
	for (unsigned i = 1; i <= 300; i++) {
		snprintf(name, sizeof(name), "vm%u", i);
		snprintf(want, sizeof(want), "/etc/n%u.json", i);
		assert_string_equal(matched(p, i * 3 + 1, UUID, name), want);
		snprintf(want, sizeof(want), "/run/d%u.json", i);
		assert_string_equal(matched(p, i * 3, UUID, name), want);
	}
	assert_string_equal(matched(p, 1, UUID, "vm301"), "");
}

/* More files than are read: one report for the directory, and the others work. */
static void test_too_many(void **state)
{
	struct place *p = *state;
	char name[32];
	unsigned bad;

	for (unsigned i = 0; i <= LIMIT_DEFINITION_FILES; i++) {
		snprintf(name, sizeof(name), "%u.json", i);
		define(p->etc, name, "\"name\": \"a*\"");
	}
	load(p);
	assert_int_equal(defset_count(p->set, &bad), LIMIT_DEFINITION_FILES);
	assert_int_equal(bad, 1);
	assert_string_equal(
		p->all, "-105 /etc: more than 8192 definitions, the others are not read\n");
	assert_string_equal(matched(p, 5, UUID, "a"), "twice");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_ranks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_run_before_etc, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_globs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unreadable, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reload, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unchanged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_many, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
