/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where the rings lie in the file that stands for the granted pages. */
#include <stddef.h>

#include "tests/fake/fakevchan.h"

#define FAKEVCHAN_PAGE 4096

static inline size_t fakevchan_behind(unsigned order)
{
	return order >= 12 ? (size_t)1 << order : 0;
}

static inline size_t fakevchan_size(unsigned left, unsigned right)
{
	return FAKEVCHAN_PAGE + fakevchan_behind(left) + fakevchan_behind(right);
}

/* As in the original: the order says where in the page. */
static inline unsigned char *fakevchan_left(struct vchan_interface *page, unsigned left)
{
	return (unsigned char *)page + (left >= 12 ? FAKEVCHAN_PAGE : (size_t)1 << left);
}

static inline unsigned char *fakevchan_right(
	struct vchan_interface *page, unsigned left, unsigned right)
{
	return (unsigned char *)page +
	       (right >= 12 ? FAKEVCHAN_PAGE + fakevchan_behind(left) : (size_t)1 << right);
}
