/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xsctl read PATH | write PATH VALUE | rm PATH | ls PATH | perms PATH | allow PATH DOMID: what the
 * shell tests need of xenstore, without the package xenstore-utils. Permissions are printed as
 * "n0,r5", which is what "allow PATH 5" makes them. Uses XENSTORED_PATH. An absent node: exit
 * status 1, silent.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xenstore.h>

static int list(struct xs_handle *xs, const char *path)
{
	unsigned n = 0;
	char **names = xs_directory(xs, XBT_NULL, path, &n);

	for (unsigned i = 0; names && i < n; i++) {
		puts(names[i]);
	}
	free(names);
	return names ? 0 : 1;
}

static int print(struct xs_handle *xs, const char *path)
{
	unsigned len = 0;
	char *value = xs_read(xs, XBT_NULL, path, &len);

	if (value) {
		printf("%.*s\n", (int)len, value);
	}
	free(value);
	return value ? 0 : 1;
}

static int print_perms(struct xs_handle *xs, const char *path)
{
	static const char letters[] = "nwrb"; /* by XS_PERM_READ and XS_PERM_WRITE */
	unsigned n = 0;
	struct xs_permissions *perms = xs_get_permissions(xs, XBT_NULL, path, &n);

	for (unsigned i = 0; perms && i < n; i++) {
		bool r = perms[i].perms & XS_PERM_READ, w = perms[i].perms & XS_PERM_WRITE;

		printf("%s%c%u", i ? "," : "", letters[2 * r + w], perms[i].id);
	}
	if (perms) {
		putchar('\n');
	}
	free(perms);
	return perms ? 0 : 1;
}

static int allow(struct xs_handle *xs, const char *path, unsigned reader)
{
	struct xs_permissions perms[] = {
		{.id = 0, .perms = XS_PERM_NONE}, {.id = reader, .perms = XS_PERM_READ}};

	return xs_set_permissions(xs, XBT_NULL, path, perms, 2) ? 0 : 1;
}

static int run(struct xs_handle *xs, int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "read")) {
		return print(xs, argv[2]);
	}
	if (argc == 3 && !strcmp(argv[1], "ls")) {
		return list(xs, argv[2]);
	}
	if (argc == 3 && !strcmp(argv[1], "perms")) {
		return print_perms(xs, argv[2]);
	}
	if (argc == 3 && !strcmp(argv[1], "rm")) {
		return xs_rm(xs, XBT_NULL, argv[2]) ? 0 : 1;
	}
	if (argc == 4 && !strcmp(argv[1], "write")) {
		return xs_write(xs, XBT_NULL, argv[2], argv[3], strlen(argv[3])) ? 0 : 1;
	}
	if (argc == 4 && !strcmp(argv[1], "allow")) {
		return allow(xs, argv[2], strtoul(argv[3], NULL, 10));
	}
	fprintf(stderr, "usage: xsctl read|ls|perms|rm PATH, xsctl write PATH VALUE, "
			"xsctl allow PATH DOMID\n");
	return 2;
}

int main(int argc, char **argv)
{
	struct xs_handle *xs = xs_open(0);
	int r;

	if (!xs) {
		fprintf(stderr, "xsctl: xenstore: %s\n", strerror(errno));
		return 3;
	}
	r = run(xs, argc, argv);
	xs_close(xs);
	return r;
}
