/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A strict pass over a JSON text before json-c sees it. json-c 0.16 takes the last of two equal
 * keys, single quotes, comments, NaN, lone surrogates, raw control characters and numbers that do
 * not fit; here each of them is an error with its place. Nothing is built: the pass is a loop over
 * at most LIMIT_JSON_BYTES with a stack of LIMIT_JSON_DEPTH, and equal keys are found by sorting.
 * "\u0000" is refused as well, because keys and values end up as C strings.
 */
#include <stdbool.h>
#include <stddef.h>

#define JSONSCAN_PATH_MAX 192

struct jsonscan_place {
	unsigned line, column; /* from 1; columns count characters, not bytes */
};

struct jsonscan_error {
	struct jsonscan_place place;
	char path[JSONSCAN_PATH_MAX]; /* "limits.pids_max", "argv[3]"; empty at the top */
	char text[160];
};

/* 0; -EINVAL with *RET set; -ENOMEM (also with *RET set). */
int jsonscan_check(const char *text, size_t len, struct jsonscan_error *ret);

/* The same with another limit than LIMIT_JSON_BYTES, for messages that carry a file. */
int jsonscan_check_max(const char *text, size_t len, size_t max, struct jsonscan_error *ret);

/* Narrower bounds than the grammar's, for what a peer sends. Lengths are those of the raw text. */
struct jsonscan_bounds {
	unsigned depth, members; /* of one object or array */
	size_t key_bytes, string_bytes, number_bytes;
	bool no_controls; /* no escaped control characters but tab, newline and carriage return */
};
/* As jsonscan_check_max(), and -E2BIG for a well-formed text that exceeds BOUNDS. */
int jsonscan_check_bounds(const char *text, size_t len, size_t max,
	const struct jsonscan_bounds *bounds, struct jsonscan_error *ret);

/* One step of a path: a member (KEY, decoded) or, with KEY NULL, an element. */
struct jsonscan_step {
	const char *key;
	size_t index;
};

struct jsonscan_value {
	size_t where;	    /* offset of a member's key, else of the value */
	size_t offset, len; /* the value's raw text */
};

/* The value at a path; no steps: the whole. Only for a text that jsonscan_check() accepted.
 * -ENOENT when there is none. */
int jsonscan_find(const char *text, size_t len, const struct jsonscan_step *steps, size_t steps_len,
	struct jsonscan_value *ret);

/* The same as jsonscan_check_bounds(), which finds the value at STEP on its way. RET_VALUE's length
 * is 0 when there is none; after an error it means nothing. */
int jsonscan_check_find(const char *text, size_t len, size_t max,
	const struct jsonscan_bounds *bounds, const struct jsonscan_step *step,
	struct jsonscan_value *ret_value, struct jsonscan_error *ret);

struct jsonscan_place jsonscan_place_at(const char *text, size_t offset);

/* Where in the raw string RAW (with its quotes) byte DECODED of its value stands. */
size_t jsonscan_string_offset(const char *raw, size_t len, size_t decoded);

/* Appends ".KEY", or ["KEY"] when it is no plain word (unprintable bytes become "?"); "[INDEX]".
 * Cut at SIZE. */
void jsonscan_path_add_key(char *path, size_t size, const char *key, size_t len);
void jsonscan_path_add_index(char *path, size_t size, size_t index);
