/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/optread.h"
#include "lib/qemuopt.h"
#include "tests/qemuopt_reader.h"

#define SWITCH "(switch)"

static void test_find(void **state)
{
	static const struct {
		const char *text, *key, *value; /* NULL: not there */
	} cases[] = {
		{"socket,id=a,path=/x", "path", "/x"},
		{"socket,id=a,path=/x", "id", "a"},
		{"socket,id=a,path=/x", "backend", "socket"},
		{"socket", "backend", "socket"},
		{"backend=socket,id=a", "backend", "socket"},
		{"id=a,socket", "backend", NULL},
		{"id=a,socket", "socket", SWITCH},
		{"socket,path=/a,,b,id=c", "path", "/a,b"},
		{"socket,path=/a,,b,id=c", "id", "c"},
		{"socket,path=/a,,,id=c", "path", "/a,"},
		{"socket,path=,,id=c", "path", ",id=c"},
		{"socket,path=,,id=c", "id", NULL},
		{"socket,path=,id=c", "path", ""},
		{"socket,path=/a=b,id=c", "path", "/a=b"},
		{"socket,path=x,,path=y", "path", "x,path=y"},
		{"socket,path=x,path=y", "path", "y"},
		{"socket,xpath=/x", "path", NULL},
		{"socket,pathx=/x", "path", NULL},
		{"socket,server,nowait,id=a", "server", SWITCH},
		{"socket,server,nowait,id=a", "wait", SWITCH},
		{"socket,server,nowait,id=a", "id", "a"},
		{"soc,,ket,id=a", "backend", "soc,ket"},
		{"soc,,ket,id=a", "id", "a"},
		{",id=a", "backend", ""},
		{",id=a", "id", "a"},
		{"socket,", "id", NULL},
		{"socket,=x", "", "x"},
		{"", "backend", NULL},
		{"socket,id=a,", "id", "a"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct optread_value value = {0};
		bool found = optread_find(cases[i].text, "backend", cases[i].key, &value);
		_cleanup_free_ char *text = found ? optread_text(&value) : NULL;

		assert_int_equal(found, cases[i].value != NULL);
		if (found && strcmp(cases[i].value, SWITCH)) {
			assert_string_equal(text, cases[i].value);
		} else {
			assert_null(text);
		}
	}
}

static void test_replace(void **state)
{
	static const struct {
		const char *text, *by, *result;
	} cases[] = {
		{"socket,id=a,path=/x,server=on", "/y", "socket,id=a,path=/y,server=on"},
		{"socket,id=a,path=/x", "/y,z", "socket,id=a,path=/y,,z"},
		{"socket,path=/x,,y,id=a", "/z", "socket,path=/z,id=a"},
		{"socket,path=/x,path=/y,server,nowait", "/z",
			"socket,path=/x,path=/z,server,nowait"},
		{"socket,path=,id=a", ",", "socket,path=,,,id=a"},
		{"socket,path=/x", "", "socket,path="},
		{"socket,path=/x,id=p,,path=/no", "/y", "socket,path=/y,id=p,,path=/no"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *result = NULL;
		struct optread_value value;

		assert_true(optread_find(cases[i].text, "backend", "path", &value));
		result = optread_replace(cases[i].text, &value, cases[i].by);
		assert_string_equal(result, cases[i].result);
	}
}

/* What lib/qemuopt writes is read as QEMU reads it, whatever the values are. */
static void test_reads_what_is_written(void **state)
{
	uint64_t seed = 4;

	for (int round = 0; round < 2000; round++) {
		char values[3][VALUE_MAX];
		struct vmdesc desc = {0};
		struct qemuopt_style style = {0};
		_cleanup_(strv_fini) struct strv argv = {0};
		struct err err;

		for (int i = 0; i < 3; i++) {
			make_value(&seed, values[i]);
		}
		vmdesc_list(&desc, "-chardev", "backend", "%s", values[0]);
		vmdesc_set(&desc, "id", "%s", values[1]);
		vmdesc_set(&desc, "path", "%s", values[2]);
		assert_int_equal(qemuopt_print(&desc, &style, &argv, &err), 0);
		for (int i = 0; i < 3; i++) {
			static const char *const keys[] = {"backend", "id", "path"};
			struct optread_value value;
			_cleanup_free_ char *text = NULL;

			assert_true(optread_find(argv.items[1], "backend", keys[i], &value));
			text = optread_text(&value);
			assert_string_equal(text, values[i]);
		}
		vmdesc_fini(&desc);
	}
}

static void fill(struct strv *argv, const char *words)
{
	_cleanup_free_ char *copy = strdup(words);
	char *rest = copy, *word;

	while ((word = strsep(&rest, " "))) {
		strv_add(argv, word);
	}
}

static void test_socket(void **state)
{
	static const struct {
		const char *argv;
		const char *path; /* NULL: none */
		int fd;		  /* -1: none */
	} cases[] = {
		{"q -chardev socket,id=a,path=/x,server=on", "/x", -1},
		{"q --chardev socket,server,nowait,path=/x,id=a", "/x", -1},
		{"q -chardev socket,id=a,fd=7,server=on", NULL, 7},
		{"q -chardev backend=socket,id=a,path=/x,,y", "/x,y", -1},
		{"q -chardev pty,id=a,path=/x", NULL, -1},
		{"q -chardev socket,id=b,path=/x", NULL, -1},
		{"q -chardev socket,id=b,path=,,id=a", NULL, -1},
		{"q -chardev socket,id=b,path=/b -chardev socket,id=a,path=/a", "/a", -1},
		{"q -chardev socket,id=a,path=/x,fd=3", NULL, -1},
		{"q -chardev socket,id=a,host=h,port=1", NULL, -1},
		{"q -chardev socket,id=a,fd=x", NULL, -1},
		{"q -chardev socket,id=a,fd=-1", NULL, -1},
		{"q -chardev socket,id=a,fd=99999999999", NULL, -1},
		{"q -chardev socket,id=a,fd", NULL, -1},
		{"q -name socket,id=a,path=/x", NULL, -1},
		{"q socket,id=a,path=/x", NULL, -1},
		{"q -chardev", NULL, -1},
		{"-chardev socket,id=a,path=/x", NULL, -1}, /* the program's name */
		{"q", NULL, -1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(strv_fini) struct strv argv = {0};
		_cleanup_(optread_socket_fini) struct optread_socket socket;
		bool there = cases[i].path || cases[i].fd >= 0;

		fill(&argv, cases[i].argv);
		assert_int_equal(optread_socket(&argv, "a", &socket), there ? 0 : -2);
		assert_int_equal(socket.fd, cases[i].fd);
		if (cases[i].path) {
			assert_string_equal(socket.path, cases[i].path);
		} else {
			assert_null(socket.path);
		}
	}
}

static void test_set_socket_path(void **state)
{
	static const struct {
		const char *argv, *result; /* NULL: refused, and nothing changes */
	} cases[] = {
		{"q -chardev socket,id=a,path=/x,server=on -S",
			"q -chardev socket,id=a,path=/n,,w,server=on -S"},
		{"q -chardev socket,id=b,path=/x -chardev socket,path=/y,id=a,nowait",
			"q -chardev socket,id=b,path=/x -chardev socket,path=/n,,w,id=a,nowait"},
		{"q -chardev socket,id=a,fd=3", NULL},
		{"q -chardev socket,id=b,path=/x", NULL},
		{"q", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(strv_fini) struct strv argv = {0}, expected = {0};

		fill(&argv, cases[i].argv);
		fill(&expected, cases[i].result ? cases[i].result : cases[i].argv);
		assert_int_equal(
			optread_set_socket_path(&argv, "a", "/n,w"), cases[i].result ? 0 : -2);
		assert_int_equal(argv.len, expected.len);
		for (size_t j = 0; j < argv.len; j++) {
			assert_string_equal(argv.items[j], expected.items[j]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_replace),
		cmocka_unit_test(test_reads_what_is_written),
		cmocka_unit_test(test_socket),
		cmocka_unit_test(test_set_socket_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
