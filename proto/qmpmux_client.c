/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One client: greeting, capabilities, its requests one after the other. What can be answered here
 * is answered here; the rest waits its turn in the queue.
 */
#include "proto/qmpmux.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/hash.h"
#include "lib/json.h"
#include "proto/qmpmux_private.h"

#define GENERIC "GenericError"
#define NOT_FOUND "CommandNotFound"

static void request_fini(struct qmpmux_request *r)
{
	free(r->id);
	json_object_put(r->arguments);
	*r = (struct qmpmux_request){0};
}

static void detach(struct qmpmux_client *c)
{
	struct qmpmux *m = c->m;

	if (c->queued) {
		TAILQ_REMOVE(&m->queue, c, wait);
	}
	if (m->flight == c && c->own && m->tombstones_len < LIMIT_QMP_TOMBSTONES) {
		mux_bury_flight(m); /* the daemon's next one (quit) does not wait for it */
	} else if (m->flight == c) {
		m->flight = NULL; /* its answer still comes and goes nowhere */
	}
	if (m->lease == c) {
		m->lease = NULL;
	}
	TAILQ_REMOVE(&m->clients, c, entry);
	m->clients_len--;
	m->calls_len -= c->fn != NULL;
	request_fini(&c->request);
	qmpframe_fini(&c->in);
}

struct qmpmux_client *qmpmux_client_free(struct qmpmux_client *c, int64_t now)
{
	struct qmpmux *m = c ? c->m : NULL;

	if (c) {
		detach(c);
		free(c);
		mux_dispatch(m, now); /* a lease may have ended */
	}
	return NULL;
}

static void reply_text(struct qmpmux_client *c, char *text)
{
	if (text && !c->m->shut) {
		c->m->ops->reply(c->m->ctx, c->ctx, text, strlen(text));
	}
	free(text);
}

/* Refusals are logged once for each command and class, what changes something always (R4). */
static bool is_audited(struct qmpmux *m, const struct qmpmux_client *c, const char *refused)
{
	const struct qmpmux_request *r = &c->request;
	uint64_t hash;

	if (c->own || m->shut) {
		return false;
	}
	if (!refused) {
		return !(r->command->flags & QMP_READS) || r->command->flags & QMP_LOGGED;
	}
	hash = hash_fnv(HASH_FNV_START + c->class, r->name, strlen(r->name));
	for (unsigned i = 0; i < m->told_refusals_len; i++) {
		if (m->told_refusals[i] == hash) {
			return false;
		}
	}
	if (m->told_refusals_len == LIMIT_QMP_TOLD_REFUSALS) {
		return false;
	}
	m->told_refusals[m->told_refusals_len++] = hash;
	return true;
}

static void audit(struct qmpmux_client *c, const char *refused, const char *error, int64_t now)
{
	const struct qmpmux_request *r = &c->request;

	if (r->command && is_audited(c->m, c, refused)) {
		c->m->ops->audit(c->m->ctx, c->fn ? NULL : c->ctx,
			&(struct qmpmux_audit){.class = c->class,
				.command = r->name,
				.refused = refused,
				.error = error,
				.digest = r->digest,
				.ms = now - r->begun});
	}
}

/* A call is done with its answer. */
static void call_done(struct qmpmux_client *c, struct json_object *body, const struct err *err)
{
	qmpmux_reply_fn fn = c->fn;
	void *ctx = c->ctx;
	bool shut = c->m->shut;

	detach(c);
	free(c);
	if (!shut) {
		fn(ctx, body, err);
	}
}

static void go_on_later(struct qmpmux_client *c, int64_t now)
{
	c->busy = false;
	request_fini(&c->request);
	client_go_on(c, now);
}

void client_return(struct qmpmux_client *c, struct json_object *body, int64_t now)
{

	audit(c, NULL, NULL, now);
	if (c->fn) {
		call_done(c, body, NULL);
		return;
	}
	reply_text(c, qmp_return_text(body, c->request.id));
	go_on_later(c, now);
}

static void end_with_error(
	struct qmpmux_client *c, int code, const char *error_class, const char *text, int64_t now)
{
	struct err err;

	if (c->queued) {
		TAILQ_REMOVE(&c->m->queue, c, wait);
		c->queued = false;
	}
	if (c->fn) {
		/* The daemon knows who it is. */
		text += c->own && !strncmp(text, "xendmd: ", 8) ? 8 : 0;
		err_set(&err, code, "%s%.480s",
			code == -EREMOTEIO || code == -EOPNOTSUPP ? "QMP: " : "", text);
		call_done(c, NULL, &err);
		return;
	}
	reply_text(c, qmp_error_text(error_class, text, c->request.id));
	go_on_later(c, now);
}

void client_error(
	struct qmpmux_client *c, int code, const char *error_class, const char *text, int64_t now)
{
	audit(c, NULL, text, now);
	end_with_error(c, code, error_class, text, now);
}

void client_greet(struct qmpmux_client *c)
{

	/* Without a version (0.0.0) only to be told why there is nothing. */
	if (!c->greeted && !c->over && !c->fn && (c->m->has_version || qmpmux_is_refused(c->m))) {
		c->greeted = true;
		reply_text(c, qmp_greeting_text(&c->m->version));
	}
}

/* S1: capabilities are the client's own; there is none to enable. */
static void answer_capabilities(struct qmpmux_client *c, struct json_object *arguments, int64_t now)
{
	_cleanup_json_ struct json_object *empty = json_object_new_object();
	struct json_object *enable = NULL;

	json_object_object_get_ex(arguments, "enable", &enable);
	if (c->negotiated) {
		end_with_error(c, -EPERM, NOT_FOUND,
			"xendmd: capabilities were negotiated before; nothing was done", now);
	} else if (enable && (!json_object_is_type(enable, json_type_array) ||
				     json_object_array_length(enable) > 0)) {
		end_with_error(
			c, -EPERM, GENERIC, "xendmd: there are no capabilities to enable", now);
	} else {

		c->negotiated = true;
		reply_text(c, qmp_return_text(empty, c->request.id));
		go_on_later(c, now);
	}
}

static uint64_t digest_of(const struct qmp_command *command, struct json_object *arguments)
{
	const char *text;

	if (!arguments || command->flags & QMP_SECRET) {
		return 0;
	}
	text = json_object_to_json_string_ext(arguments, JSON_C_TO_STRING_PLAIN);
	return text ? hash_fnv(HASH_FNV_START, text, strlen(text)) : 0;
}

static void enqueue(struct qmpmux_client *c, int64_t now)
{
	struct qmpmux *m = c->m;

	c->queued = true;
	if (c->own) {
		TAILQ_INSERT_HEAD(&m->queue, c, wait);
	} else {
		TAILQ_INSERT_TAIL(&m->queue, c, wait);
	}
	mux_dispatch(m, now);
}

static void take_request(struct qmpmux_client *c, const struct qmp_request *request,
	const struct qmp_command *command, int64_t now)
{
	struct qmpmux_request *r = &c->request;

	r->command = command;
	r->arguments = json_object_get(request->arguments);
	r->digest = digest_of(command, request->arguments);
	r->with_fd = command->flags & QMP_WITH_FD && c->has_fd;
	r->deadline = now + (c->own		     ? c->m->answer_ms
				    : c->deadline_ms ? c->deadline_ms
						     : command->deadline_ms);
	if (qmpmux_is_refused(c->m)) {
		client_error(c, -ENOTCONN, GENERIC, c->m->refusal, now);
		return;
	}
	enqueue(c, now);
}

static void refused(struct qmpmux_client *c, const struct qmpfilter_result *why, int64_t now)
{
	c->m->counts.refused++;
	c->request.command = why->command;
	audit(c, why->text, NULL, now);
	end_with_error(c, -EPERM, why->error_class, why->text, now);
}

static void begin_request(struct qmpmux_client *c, const struct qmp_request *request, int64_t now)
{
	const struct qmpfilter filter = mux_filter(c->m, c->class);
	struct qmpfilter_result result;
	enum qmp_verdict verdict = qmpfilter_request(&filter, request, c->has_fd, &result);

	snprintf(c->request.name, sizeof(c->request.name), "%s", request->command);
	if (verdict == QMP_ANSWER) {
		answer_capabilities(c, request->arguments, now);
	} else if (!c->negotiated) {
		end_with_error(c, -EPERM, NOT_FOUND,
			"xendmd: the first command has to be qmp_capabilities", now);
	} else if (verdict == QMP_REFUSE) {
		refused(c, &result, now);
	} else {
		take_request(c, request, result.command, now);
	}
}

static void count_garbage(struct qmpmux_client *c)
{
	if (++c->garbage >= LIMIT_QMP_GARBAGE) {
		c->over = true;
	}
}

/* The text around it is no string: no function of strings may look at it. */
static char *copy_id(const struct qmp_request *request)
{
	char *copy = malloc(request->id_len + 1);

	if (copy) {
		memcpy(copy, request->id, request->id_len);
		copy[request->id_len] = '\0';
	}
	return copy;
}

static void begin_message(struct qmpmux_client *c, const char *text, size_t len, int64_t now)
{
	struct qmp_request request;
	struct err err;
	int r = qmp_request_parse(text, len, &request, &err);

	c->busy = true;
	c->request = (struct qmpmux_request){.begun = now};
	if (request.id) {
		c->request.id = copy_id(&request);
	}
	if (r < 0 || (request.id && !c->request.id)) {
		count_garbage(c);
		end_with_error(c, -EINVAL, GENERIC, r < 0 ? err.text : "out of memory", now);
	} else {
		begin_request(c, &request, now);
	}
	qmp_request_fini(&request);
}

static void not_an_object(struct qmpmux_client *c, int64_t now)
{

	count_garbage(c);
	reply_text(c, qmp_error_text(GENERIC, "xendmd: that is no QMP command", NULL));
}

/* Ended by a request that waits, or by the end of what was sent. Requests that are answered at once
 * come back to here; GOING_ON keeps that from nesting. */
void client_go_on(struct qmpmux_client *c, int64_t now)
{
	const char *text;
	size_t len;
	int r = 1;

	if (c->going_on) {
		return;
	}
	c->going_on = true;
	while (r != 0 && c->greeted && !c->busy && !c->over && !c->m->shut) {
		r = qmpframe_next(&c->in, &text, &len);
		if (r == -EMSGSIZE) {
			reply_text(c,
				qmp_error_text(GENERIC, "xendmd: the command is too large", NULL));
			c->over = true;
		} else if (r < 0) {
			not_an_object(c, now);
		} else if (r > 0) {
			begin_message(c, text, len, now);
		}
	}
	c->going_on = false;
	if (c->m->shut || c->busy) {
		return;
	}
	if (c->over || (c->eof && c->greeted)) {
		c->over = true;
		c->m->ops->over(c->m->ctx, c->ctx);
	} else {
		c->m->ops->resume(c->m->ctx, c->ctx);
	}
}

static int client_add(struct qmpmux *m, enum qmp_class class, void *ctx, struct qmpmux_client **ret)
{
	struct qmpmux_client *c = calloc(1, sizeof(*c));

	if (!c) {
		return -ENOMEM;
	}
	*c = (struct qmpmux_client){
		.m = m, .class = class, .ctx = ctx, .in = {.max = LIMIT_QMP_REQUEST_BYTES}};
	TAILQ_INSERT_TAIL(&m->clients, c, entry);
	m->clients_len++;
	*ret = c;
	return 0;
}

int qmpmux_client_new(
	struct qmpmux *m, enum qmp_class class, void *ctx, int64_t now, struct qmpmux_client **ret)
{
	int r = client_add(m, class, ctx, ret);

	if (r == 0) {
		(*ret)->greet_by = now + LIMIT_QMP_GREETING_MS;
		client_greet(*ret);
	}
	return r;
}

bool qmpmux_client_wants(const struct qmpmux_client *c)
{
	return c->greeted && !c->busy && !c->over && !c->eof;
}

int qmpmux_client_feed(struct qmpmux_client *c, const char *data, size_t len, int64_t now)
{
	int r = qmpframe_feed(&c->in, data, len);

	if (r < 0) {
		return r;
	}
	client_go_on(c, now);
	return 0;
}

void qmpmux_client_eof(struct qmpmux_client *c, int64_t now)
{
	c->eof = true;
	client_go_on(c, now);
}

void qmpmux_client_set_fd(struct qmpmux_client *c, bool has)
{
	c->has_fd = has;
}

/* The same path as a client's bytes: a call's arguments are no better. */
static int begin_call(struct qmpmux_client *c, const char *text, int64_t now, struct err *err)
{
	struct qmpfilter filter = mux_filter(c->m, c->class);
	struct qmpfilter_result result;
	struct qmp_request request;
	int r;

	if (c->own) { /* nobody takes from the daemon what it needs */
		filter.policy = NULL;
	}

	if (strlen(text) > LIMIT_QMP_REQUEST_BYTES) {
		return err_set(err, -E2BIG, "the arguments are too large");
	}
	r = qmp_request_parse(text, strlen(text), &request, err);
	if (r < 0) {
		return r;
	}
	c->request = (struct qmpmux_request){.begun = now};
	snprintf(c->request.name, sizeof(c->request.name), "%s", request.command);
	if (qmpfilter_request(&filter, &request, c->has_fd, &result) == QMP_PASS) {
		take_request(c, &request, result.command, now);
	} else {
		c->m->counts.refused++;
		c->request.command = result.command;
		audit(c, result.text, NULL, now);
		r = err_set(err, -EPERM, "%.480s",
			*result.text ? result.text : "xendmd: negotiates capabilities itself");
	}
	qmp_request_fini(&request);
	return r;
}

int qmpmux_call(struct qmpmux *m, const struct qmpmux_call *call, int64_t now,
	struct qmpmux_client **ret, struct err *err)
{
	_cleanup_free_ char *text = qmp_command(call->command, call->arguments, 0);
	struct qmpmux_client *c;
	int r;

	if (qmpmux_is_refused(m)) {
		return err_set(err, -ENOTCONN, "%s", m->refusal);
	}
	if (m->calls_len >= LIMIT_QMP_CALLS) {
		return err_set(err, -EBUSY, "too many QMP commands wait already");
	}
	if (!text || client_add(m, call->class, call->ctx, &c) < 0) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	m->calls_len++;
	c->fn = call->fn;
	c->own = call->own;
	c->sequence = call->sequence;
	c->deadline_ms = call->deadline_ms;
	c->take_fd = call->take_fd;
	c->has_fd = call->take_fd != NULL;
	c->busy = true;
	r = begin_call(c, text, now, err);
	if (r < 0) {
		detach(c);
		free(c);
	} else if (ret) {
		*ret = c;
	}
	return r;
}
