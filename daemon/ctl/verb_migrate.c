/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* dmctl migrate. Files and sockets are opened here: the daemon opens nothing for its clients. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "proto/migration.h"
#include "daemon/ctl/client.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/openfd.h"
#include "daemon/ctl/print.h"
#include "daemon/ctl/text.h"

struct target {
	int fd;		  /* -1: none */
	const char *made; /* a file that was made for this; NULL: none */
	char wire[LIMIT_MIGRATION_COMMAND_BYTES + 16];
};

static int fail(const char *path)
{
	return ctl_fail(CTL_FAILED, "\"%s\": %s", path, strerror(errno));
}

static int open_file(const char *path, bool incoming, struct target *ret)
{
	bool is_new = !incoming && access(path, F_OK) < 0;

	ret->fd =
		open(path, (incoming ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC) | O_CLOEXEC, 0600);
	if (ret->fd < 0) {
		return fail(path);
	}
	ret->made = is_new ? path : NULL;
	return CTL_DONE;
}

/* The first who connects is who sends. */
static int accept_at(const char *path, int *ret)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	mode_t mask;
	int r;

	if (strlen(path) >= sizeof(address.sun_path)) {
		return ctl_fail(CTL_FAILED, "\"%s\": %s", path, strerror(ENAMETOOLONG));
	}
	memcpy(address.sun_path, path, strlen(path));
	mask = umask(0077);
	r = fd < 0 ? -1 : bind(fd, (struct sockaddr *)&address, sizeof(address));
	umask(mask);
	if (r < 0 || listen(fd, 1) < 0) {
		return fail(path);
	}
	*ret = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	r = *ret < 0 ? fail(path) : CTL_DONE;
	unlink(path);
	return r;
}

static int open_target(const char *text, bool incoming, struct target *ret)
{
	struct migration_target target;
	struct err err;

	ret->fd = -1;
	snprintf(ret->wire, sizeof(ret->wire), "fd");
	if (migration_target_parse(text, &target, &err) < 0) {
		return ctl_fail(CTL_USAGE, "%s", err.text);
	}
	switch (target.via) {
	case MIGRATION_FD:
		return *target.value ? openfd_open(target.value, &ret->fd)
				     : ctl_fail(CTL_USAGE, "target \"fd\": say fd:NUMBER");
	case MIGRATION_FILE:
		return open_file(target.value, incoming, ret);
	case MIGRATION_UNIX:
		return incoming ? accept_at(target.value, &ret->fd)
				: openfd_connect(target.value, &ret->fd);
	case MIGRATION_EXEC:
		break;
	}
	if (strlen(text) >= sizeof(ret->wire)) {
		return ctl_fail(CTL_USAGE, "target: the command has more than %d bytes",
			LIMIT_MIGRATION_COMMAND_BYTES);
	}
	snprintf(ret->wire, sizeof(ret->wire), "%s", text);
	return CTL_DONE;
}

static int parse_all(const struct strv *list,
	int (*parse)(const char *text, struct json_object *into, struct err *err),
	struct json_object *parameters, const char *key)
{
	struct json_object *object = json_object_new_object();
	struct err err;

	json_object_object_add(parameters, key, object);
	STRV_FOREACH (item, list) {
		if (parse(item, object, &err) < 0) {
			return ctl_fail(CTL_USAGE, "%s", err.text);
		}
	}
	return CTL_DONE;
}

static int make_parameters(const struct ctl_options *options, struct json_object *parameters)
{
	int r = parse_all(
		&options->capabilities, migration_capability_parse, parameters, "capabilities");

	if (r == CTL_DONE) {
		r = parse_all(
			&options->parameters, migration_parameter_parse, parameters, "parameters");
	}
	json_object_object_add(parameters, "domain", json_object_new_string(options->args[0]));
	if (options->detach) {
		json_object_object_add(parameters, "detach", json_object_new_boolean(true));
	}
	return r;
}

static void put_number(struct json_object *json, const char *key, const char *format, int64_t unit)
{
	struct json_object *value;

	if (json_object_object_get_ex(json, key, &value)) {
		printf(format, json_object_get_int64(value) / unit);
	}
}

/* "active, 12 MiB sent, 52 of 64 MiB left" */
static void tell(struct json_object *migration)
{
	const char *status = ctl_member(migration, "status");
	const char *reason = ctl_member(migration, "reason");

	text_put(stdout, status ? status : "?");
	put_number(migration, "transferred", ", %" PRId64 " KiB sent", 1024);
	put_number(migration, "remaining", ", %" PRId64 " KiB left", 1024);
	put_number(migration, "total", " of %" PRId64 " KiB", 1024);
	put_number(migration, "total_ms", ", %" PRId64 " ms", 1);
	put_number(migration, "downtime_ms", ", down for %" PRId64 " ms", 1);
	if (reason) {
		fputs(": ", stdout);
		text_put(stdout, reason);
	}
	putchar('\n');
	fflush(stdout);
}

static void on_progress(void *ctx, struct json_object *parameters)
{
	const struct ctl_options *options = ctx;

	if (options->json) {
		print_json_line(parameters);
		fflush(stdout);
	} else {
		tell(json_object_object_get(parameters, "migration"));
	}
}

static int begin(const struct ctl_options *options)
{
	struct json_object *parameters = json_object_new_object();
	struct target target = {.fd = -1};
	int r = make_parameters(options, parameters);

	if (r == CTL_DONE) {
		r = open_target(options->args[1], options->incoming, &target);
	}
	if (r != CTL_DONE) {
		json_object_put(parameters);
		return r;
	}
	json_object_object_add(parameters, "target", json_object_new_string(target.wire));
	r = ctl_stream_with_fds(options, options->incoming ? "MigrateIncoming" : "Migrate",
		parameters, &target.fd, target.fd >= 0, on_progress, (void *)options);
	if (r != CTL_DONE && r != CTL_UNREACHABLE && target.made) {
		unlink(target.made);
	}
	close_p(&target.fd);
	return r;
}

static struct json_object *domain_only(const struct ctl_options *options)
{
	struct json_object *parameters = json_object_new_object();

	json_object_object_add(parameters, "domain", json_object_new_string(options->args[0]));
	return parameters;
}

static int show_status(const struct ctl_options *options)
{
	_cleanup_json_ struct json_object *reply = NULL, *json = NULL;
	struct json_object *parameters = domain_only(options);
	struct migration_progress progress;
	struct err err;
	int r;

	json_object_object_add(parameters, "what", json_object_new_string("migrate"));
	r = ctl_call(options, "Query", parameters, CTL_NO_TIMEOUT, &reply);
	if (r != CTL_DONE) {
		return r;
	}
	if (migration_progress_read(json_object_object_get(reply, "return"), &progress, &err) < 0) {
		return ctl_fail(CTL_FAILED, "%s", err.text);
	}
	json = migration_progress_json(&progress);
	if (options->json) {
		print_json(json);
	} else {
		tell(json);
	}
	return CTL_DONE;
}

int verb_migrate(const struct ctl_options *options)
{
	bool with_target = !options->cancel && !options->status;

	if (options->cancel + options->status + options->incoming > 1 ||
		(options->args_len == 2) != with_target) {
		return ctl_fail(CTL_USAGE,
			"migrate takes DOMAIN TARGET, --incoming DOMAIN TARGET, --cancel DOMAIN or "
			"--status DOMAIN");
	}
	if (options->cancel) {
		return ctl_call(
			options, "MigrateCancel", domain_only(options), CTL_NO_TIMEOUT, NULL);
	}
	return options->status ? show_status(options) : begin(options);
}
