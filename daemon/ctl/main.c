/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/config.h"
#include "lib/limits.h"
#include "lib/parse.h"
#include "lib/readfile.h"
#include "daemon/ctl/ctl.h"

/*
 * dmctl(1). Verbs stand in one table with the options each of them takes; the options' own table is
 * filtered by it, so that an option out of place is a usage error.
 */
static const struct verb {
	const char *name;
	const char *allowed;	/* of the options below, by their letters */
	int args_min, args_max; /* -1: any number */
	const char *synopsis, *help;
	int (*fn)(const struct ctl_options *options);
} verbs[] = {
	{"status", "jw", 0, 1, "[DOMAIN] [--json] [--watch]", "all domains and their device models",
		verb_status},
	{"show", "j", 1, 1, "DOMAIN [--json]", "all that is known of one", verb_show},
	{"events", "jfs", 0, 0, "[--follow] [--since SEQ] [--json]", "what happened", verb_events},
	{"logs", "fn", 1, 1, "DOMAIN [--follow] [--lines N]", "the device model's log", verb_logs},
	{"start", "jdP", 1, 1, "DOMAIN [--definition FILE] [--fd NAME=PATH-OR-NUMBER]...",
		"start a device model", verb_start},
	{"stop", "jF", 1, 1, "DOMAIN [--force]", "end a device model", verb_stop},
	{"qmp", "j", 2, 3, "DOMAIN COMMAND [ARGUMENTS-JSON]", "one QMP command", verb_qmp},
	{"save", "j", 2, 2, "DOMAIN FILE", "the device model's state into a file", verb_save},
	{"migrate", "jCATXUI", 1, 2,
		"DOMAIN TARGET [--capability NAME=on|off]... [--parameter NAME=VALUE]... "
		"[--detach] "
		"[--json] | --incoming DOMAIN TARGET ... | --cancel DOMAIN | --status DOMAIN",
		"a machine of QEMU's own to another place, or from there", verb_migrate},
	{"balloon", "j", 2, 2, "DOMAIN MIB", "the size that the guest is to have", verb_balloon},
	{"query", "j", 2, 2, "DOMAIN WHAT", "a question that changes nothing", verb_query},
	{"device", "jPQ", 2, 3,
		"add DOMAIN FILE [--fd NAME=PATH] | remove DOMAIN ID [--timeout S] | list DOMAIN "
		"[--json]",
		"devices of a running machine", verb_device},
	{"restart", "j", 1, 1, "DOMAIN", "replace a device model, with its state", verb_restart},
	{"render", "jLDS", 1, 1, "[--as-libxl] [--domid N] [--stubdom-id N] [--json] FILE",
		"the command line a definition gives", verb_render},
	{"check", "j", 1, -1, "FILE...", "validate definitions or xendmd.json", verb_check},
	{"reload", "j", 0, 0, "", "read configuration and definitions again", verb_reload},
	{"version", "j", 0, 0, "", "of dmctl and daemon", verb_version},
};

static const struct option all_options[] = {
	{"json", no_argument, NULL, 'j'},
	{"watch", no_argument, NULL, 'w'},
	{"follow", no_argument, NULL, 'f'},
	{"force", no_argument, NULL, 'F'},
	{"as-libxl", no_argument, NULL, 'L'},
	{"since", required_argument, NULL, 's'},
	{"lines", required_argument, NULL, 'n'},
	{"definition", required_argument, NULL, 'd'},
	{"fd", required_argument, NULL, 'P'},
	{"capability", required_argument, NULL, 'C'},
	{"parameter", required_argument, NULL, 'A'},
	{"detach", no_argument, NULL, 'T'},
	{"cancel", no_argument, NULL, 'X'},
	{"status", no_argument, NULL, 'U'},
	{"incoming", no_argument, NULL, 'I'},
	{"timeout", required_argument, NULL, 'Q'},
	{"domid", required_argument, NULL, 'D'},
	{"stubdom-id", required_argument, NULL, 'S'},
	{"help", no_argument, NULL, 'h'},
};

int ctl_fail(int status, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("dmctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return status;
}

const char *ctl_member(struct json_object *object, const char *name)
{
	struct json_object *value = json_object_object_get(object, name);

	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

int ctl_read_file(const char *path, char **ret, size_t *ret_len)
{
	struct err err = {0};
	int r = readfile_any(path, LIMIT_JSON_BYTES, ret, ret_len, &err);

	return r < 0 ? ctl_fail(CTL_FAILED, "%s: %s", path, err.text) : CTL_DONE;
}

static void print_help(FILE *out)
{
	fputs("usage: dmctl [--socket PATH] VERB ...\n\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		fprintf(out, "  %s %s\n      %s\n", verbs[i].name, verbs[i].synopsis,
			verbs[i].help);
	}
	fputs("\nDOMAIN is a number, a name or a uuid. See dmctl(1).\n", out);
}

static int verb_usage(const struct verb *verb)
{
	fprintf(stderr, "usage: dmctl [--socket PATH] %s %s\n", verb->name, verb->synopsis);
	return CTL_USAGE;
}

static int number_option(const struct verb *verb, const char *name, uint64_t max, uint64_t *ret)
{
	if (parse_u64(optarg, max, ret) < 0) {
		ctl_fail(
			CTL_USAGE, "--%s takes a number up to %llu", name, (unsigned long long)max);
		return verb_usage(verb);
	}
	return CTL_DONE;
}

/* One of several NAME=VALUE. */
static int list_option(const struct verb *verb, const char *name, struct strv *list)
{
	const char *equals = strchr(optarg, '=');

	if (!equals || equals == optarg || !equals[1]) {
		ctl_fail(CTL_USAGE, "--%s takes NAME=VALUE", name);
		return verb_usage(verb);
	}
	strv_add(list, optarg);
	return strv_status(list) < 0 ? ctl_fail(CTL_FAILED, "out of memory") : CTL_DONE;
}

/* What an option without a value sets; NULL: it has one. */
static bool *switch_of(int letter, struct ctl_options *o)
{
	const struct {
		int letter;
		bool *value;
	} switches[] = {
		{'j', &o->json},
		{'w', &o->watch},
		{'f', &o->follow},
		{'F', &o->force},
		{'L', &o->as_libxl},
		{'T', &o->detach},
		{'X', &o->cancel},
		{'U', &o->status},
		{'I', &o->incoming},
	};

	for (size_t i = 0; i < ARRAY_SIZE(switches); i++) {
		if (switches[i].letter == letter) {
			return switches[i].value;
		}
	}
	return NULL;
}

static int take_option(const struct verb *verb, int letter, struct ctl_options *o)
{
	uint64_t number = 0;
	int r = CTL_DONE;

	if (switch_of(letter, o)) {
		*switch_of(letter, o) = true;
		return CTL_DONE;
	}
	switch (letter) {
	case 'd':
		o->definition = optarg;
		return CTL_DONE;
	case 'P':
		return list_option(verb, "fd", &o->fds);
	case 'C':
		return list_option(verb, "capability", &o->capabilities);
	case 'A':
		return list_option(verb, "parameter", &o->parameters);
	case 's':
		o->has_since = true;
		return number_option(verb, "since", INT64_MAX, &o->since);
	case 'n':
		o->has_lines = true;
		return number_option(verb, "lines", LIMIT_LOG_REPLY_LINES, &o->lines);
	case 'Q':
		o->has_timeout = true;
		return number_option(verb, "timeout", LIMIT_DEVICE_REMOVE_S, &o->timeout);
	case 'D':
		r = number_option(verb, "domid", DOMID_FIRST_RESERVED - 1, &number);
		o->domid = number;
		return r;
	case 'S':
		r = number_option(verb, "stubdom-id", DOMID_FIRST_RESERVED - 1, &number);
		o->stubdom_id = number;
		return r;
	default:
		return verb_usage(verb);
	}
}

static int parse_verb(const struct verb *verb, int argc, char **argv, struct ctl_options *o)
{
	struct option options[ARRAY_SIZE(all_options) + 1] = {0};
	unsigned len = 0;
	int letter, r;

	for (size_t i = 0; i < ARRAY_SIZE(all_options); i++) {
		if (all_options[i].val == 'h' || strchr(verb->allowed, all_options[i].val)) {
			options[len++] = all_options[i];
		}
	}
	optind = 0; /* a second pass; 0 starts GNU getopt anew */
	while ((letter = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (letter == 'h') {
			printf("usage: dmctl [--socket PATH] %s %s\n", verb->name, verb->synopsis);
			return -1;
		}
		r = take_option(verb, letter, o);
		if (r != CTL_DONE) {
			return r;
		}
	}
	o->args = argv + optind;
	o->args_len = argc - optind;
	if (o->args_len < verb->args_min || (verb->args_max >= 0 && o->args_len > verb->args_max)) {
		return verb_usage(verb);
	}
	return CTL_DONE;
}

static int run_verb(int argc, char **argv, struct ctl_options *o)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		int r;

		if (strcmp(verbs[i].name, argv[0])) {
			continue;
		}
		r = parse_verb(&verbs[i], argc, argv, o);
		if (r != CTL_DONE) {
			return r < 0 ? CTL_DONE : r;
		}
		return verbs[i].fn(o);
	}
	ctl_fail(CTL_USAGE, "no verb \"%s\"; dmctl --help lists them", argv[0]);
	return CTL_USAGE;
}

static char *default_socket(void)
{
	struct paths paths;
	char *path = NULL;

	paths_init(&paths);
	return asprintf(&path, "%s/control", paths.run_dir) < 0 ? NULL : path;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"socket", required_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'V'}, {0}};
	_cleanup_free_ char *socket = default_socket();
	struct ctl_options o = {.socket = socket ? socket : ""};
	int letter, status;

	setlocale(LC_CTYPE, "C.UTF-8"); /* for wcwidth(); what is printed is UTF-8 always */
	while ((letter = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
		switch (letter) {
		case 's':
			o.socket = optarg;
			break;
		case 'h':
			print_help(stdout);
			return CTL_DONE;
		case 'V':
			return verb_version(&o);
		default:
			print_help(stderr);
			return CTL_USAGE;
		}
	}
	if (optind == argc) {
		print_help(stderr);
		return CTL_USAGE;
	}
	status = run_verb(argc - optind, argv + optind, &o);
	strv_fini(&o.fds);
	strv_fini(&o.capabilities);
	strv_fini(&o.parameters);
	if (fflush(stdout) == EOF || ferror(stdout)) {
		return ctl_fail(CTL_FAILED, "writing the output: %s", strerror(errno));
	}
	return status;
}
