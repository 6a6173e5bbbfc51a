/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/definition.h"
#include "lib/limits.h"

/* A member list behind a match and a kind, for cases that are about something else. */
#define QEMU(rest) "{\"match\": {\"name\": \"a\"}, \"kind\": \"qemu\"" rest "}"
#define ARGV(rest) "{\"match\": {\"name\": \"a\"}, \"kind\": \"qemu\",\n\"argv\": [" rest "]}"
#define STUB(rest)                                                                                 \
	"{\"match\": {\"name\": \"a\"}, \"kind\": \"stubdom-linux\", \"argv\": [],\n"              \
	"\"stubdom\": {" rest "}}"
#define HOST(rest) QEMU(",\n\"confinement\": {" rest "}")
#define LIMITS(rest) QEMU(",\n\"limits\": {" rest "}")
#define FILES(rest) QEMU(", \"extra_args\": [\"fd=@f\"],\n\"files\": {" rest "}")
#define LIBXL(kind, type, b_info)                                                                  \
	"{\"match\": {\"name\": \"a\"}, \"kind\": \"" kind                                         \
	"\", \"libxl\": {\"c_info\": {\"type\": \"" type "\"}, \"b_info\":\n{" b_info "}}}"
#define ONE_SOURCE "; at most one of \"libxl\", \"qemu\" and \"argv\" is possible"
#define ONE_FORM                                                                                   \
	"must have exactly one of \"path\", \"tap\", \"macvtap\", \"dev\", \"listen\" and "        \
	"\"received\""

static const struct bad {
	const char *text, *error;
} bad[] = {
	/* what is no JSON */
	{"", "d.json:1: column 1: the text ends where a value should stand"},
	{"[]", "d.json:1: the file must hold one JSON object"},
	{"\n\n\"x\"", "d.json:3: the file must hold one JSON object"},
	{"{\"match\": {\"name\": \"a\"},\n \"kind\": \"qemu\",\n \"kind\": \"none\"}",
		"d.json:3: kind: column 2: the key stands twice, first in line 2"},
	{QEMU(",\n\"env\": {\"A\": \"\xff\"}"), "d.json:2: env.A: column 15: invalid UTF-8"},
	{QEMU(",\n\"env\": {\"A\": \"\\u0000\"}"),
		"d.json:2: env.A: column 15: a NUL character is not allowed in a string"},
	/* the object */
	{"{}", "d.json:1: match: is missing"},
	{"\n{\"match\": {\"name\": \"a\"}}",
		"d.json:2: kind: is missing; only beside \"libxl\" it may be left out"},
	{QEMU(",\n\"colour\": 1"), "d.json:2: colour: unknown key"},
	{QEMU(",\n\"a.b\": 1"), "d.json:2: [\"a.b\"]: unknown key"},
	/* match */
	{"{\"match\": 1}", "d.json:1: match: must be an object, is a whole number"},
	{"{\"match\": {}}",
		"d.json:1: match: must have exactly one of \"name\", \"uuid\" and \"domid\""},
	{"{\"match\":\n{\"name\": \"a\", \"domid\": 1}}",
		"d.json:1: match: must have exactly one of \"name\", \"uuid\" and \"domid\""},
	{"{\"match\": {\n\"nam\": \"a\"}}", "d.json:2: match.nam: unknown key"},
	{"{\"match\": {\"name\": \"\"}}", "d.json:1: match.name: must not be empty"},
	{"{\"match\": {\"name\": null}}", "d.json:1: match.name: must be a string, is null"},
	{"{\"match\": {\"name\": [\"a\"]}}", "d.json:1: match.name: must be a string, is an array"},
	{"{\"match\": {\"uuid\": \"1234\"}}", "d.json:1: match.uuid: must be a uuid, is \"1234\""},
	{"{\"match\": {\"domid\": 0}}", "d.json:1: match.domid: must be from 1 to 32751, is 0"},
	{"{\"match\": {\"domid\": -1}}", "d.json:1: match.domid: must be from 1 to 32751, is -1"},
	{"{\"match\": {\"domid\": 32752}}",
		"d.json:1: match.domid: must be from 1 to 32751, is 32752"},
	{"{\"match\": {\"domid\": 18446744073709551615}}",
		"d.json:1: match.domid: must be from 1 to 32751, is 18446744073709551615"},
	{"{\"match\": {\"domid\": \"1\"}}",
		"d.json:1: match.domid: must be a whole number, is a string"},
	{"{\"match\": {\"domid\": 1.0}}",
		"d.json:1: match.domid: must be a whole number, is a number with a fraction"},
	/* a value cannot reach the terminal, nor make a line of its own */
	{"{\"match\": {\"uuid\": \"a\\u001b[2J\\nb\\tc\\u009b\"}}",
		"d.json:1: match.uuid: must be a uuid, is \"a?[2J?b?c??\""},
	/* kind and source */
	{"{\"match\": {\"name\": \"a\"},\n\"kind\": \"xen\"}",
		"d.json:2: kind: must be \"qemu\", \"stubdom-linux\", \"stubdom-minios\" or "
		"\"none\", "
		"is \"xen\""},
	{QEMU(",\n\"libxl\": {}, \"argv\": []"), "d.json:2: argv: beside \"libxl\"" ONE_SOURCE},
	{QEMU(",\n\"argv\": [],\n\"qemu\": {}"), "d.json:2: argv: beside \"qemu\"" ONE_SOURCE},
	{QEMU(",\n\"libxl\": {},\n\"qemu\": {}"), "d.json:3: qemu: beside \"libxl\"" ONE_SOURCE},
	{QEMU(",\n\"libxl\": []"), "d.json:2: libxl: must be an object, is an array"},
	{QEMU(",\n\"qemu\": \"\""), "d.json:2: qemu: must be an object, is a string"},
	{QEMU(",\n\"argv\": {}"), "d.json:2: argv: must be an array, is an object"},
	{QEMU(",\n\"libxl\": {}"), "d.json:2: libxl.c_info: is missing: this is no libxl "
				   "configuration (\"xl create -n\", \"xl list -l\")"},
	{LIBXL("qemu", "hvm", "\"device_model_stubdomain\": \"True\""),
		"d.json:2: libxl.b_info.device_model_stubdomain: gives the kind "
		"\"stubdom-minios\", but \"kind\" is \"qemu\""},
	{LIBXL("stubdom-linux", "hvm",
		 "\"device_model_version\": \"qemu_xen_traditional\", "
		 "\"device_model_stubdomain\": \"True\""),
		"d.json:2: libxl.b_info.device_model_version: gives the kind \"stubdom-minios\", "
		"but \"kind\" is \"stubdom-linux\""},
	{LIBXL("stubdom-linux", "hvm", ""),
		"d.json:1: libxl.b_info: gives the kind \"qemu\", but \"kind\" is "
		"\"stubdom-linux\""},
	{LIBXL("stubdom-minios", "pv", ""), "d.json:1: libxl.c_info.type: gives the kind \"none\", "
					    "but \"kind\" is \"stubdom-minios\""},
	/* argv, extra_args, env, binary */
	{ARGV("\"a\",\n1"), "d.json:3: argv[1]: must be a string, is a whole number"},
	{ARGV("\"-name\", \"$NAMES\""),
		"d.json:2: argv[1]: unknown placeholder \"$NAMES\" at column 20"},
	{ARGV("\"\xc3\xa4\\u00e4\\n$X\""),
		"d.json:2: argv[0]: unknown placeholder \"$X\" at column 20"},
	{ARGV("\"$\""),
		"d.json:2: argv[0]: \"$\" without a name (a dollar is \"$$\") at column 11"},
	{ARGV("\"a${NAME\""), "d.json:2: argv[0]: \"${\" without a name and \"}\" at column 12"},
	{ARGV("\"${}\""), "d.json:2: argv[0]: \"${\" without a name and \"}\" at column 11"},
	{QEMU(",\n\"extra_args\": \"-S\""), "d.json:2: extra_args: must be an array, is a string"},
	{QEMU(",\n\"extra_args\": [\"$x\"]"),
		"d.json:2: extra_args[0]: unknown placeholder \"$x\" at column 17"},
	{QEMU(",\n\"env\": [\"A=B\"]"), "d.json:2: env: must be an object, is an array"},
	{QEMU(",\n\"env\": {\"A\": 1}"), "d.json:2: env.A: must be a string, is a whole number"},
	{QEMU(",\n\"env\": {\"A=B\": \"\"}"),
		"d.json:2: env[\"A=B\"]: a variable's name is not empty and has no \"=\""},
	{QEMU(",\n\"env\": {\"\": \"\"}"),
		"d.json:2: env[\"\"]: a variable's name is not empty and has no \"=\""},
	{QEMU(",\n\"env\": {\"A\": \"$HOME\"}"),
		"d.json:2: env.A: unknown placeholder \"$HOME\" at column 15"},
	{QEMU(",\n\"binary\": \"bin/qemu\""),
		"d.json:2: binary: must begin with \"/\" or be a bare file name, is \"bin/qemu\""},
	{QEMU(",\n\"binary\": \"\""), "d.json:2: binary: must not be empty"},
	{"{\"match\": {\"name\": \"a\"}, \"kind\": \"stubdom-minios\",\n\"binary\": \"q\"}",
		"d.json:2: binary: not possible beside \"kind\": \"stubdom-minios\""},
	/* files */
	{QEMU(",\n\"files\": []"), "d.json:2: files: must be an object, is an array"},
	{FILES("\"f\": 1"), "d.json:2: files.f: must be an object, is a whole number"},
	{FILES("\"f\": {}"), "d.json:2: files.f: " ONE_FORM},
	{FILES("\"f\": {\"path\": \"/a\", \"tap\": \"t\"}"), "d.json:2: files.f: " ONE_FORM},
	{FILES("\"f\": {\"mode\": \"r\"}"), "d.json:2: files.f: " ONE_FORM},
	{FILES("\"f\": {\"fd\": 3}"), "d.json:2: files.f.fd: unknown key"},
	{FILES("\"f\": {\"path\": \"a\"}"),
		"d.json:2: files.f.path: must begin with \"/\", is \"a\""},
	{FILES("\"f\": {\"path\": \"/a\", \"mode\": \"x\"}"),
		"d.json:2: files.f.mode: must be \"r\", \"w\", \"rw\" or \"a\", is \"x\""},
	{FILES("\"f\": {\"path\": \"/$A\"}"),
		"d.json:2: files.f.path: unknown placeholder \"$A\" at column 27"},
	{FILES("\"f\": {\"tap\": \"vif12345678.0-emu\"}"),
		"d.json:2: files.f.tap: must be a network interface's name of at most 15 bytes, is "
		"\"vif12345678.0-emu\""},
	{FILES("\"f\": {\"tap\": \"t\", \"queues\": 0}"),
		"d.json:2: files.f.queues: must be from 1 to 256, is 0"},
	{FILES("\"f\": {\"macvtap\": \"t\", \"queues\": 1}"),
		"d.json:2: files.f.queues: only beside \"tap\""},
	{FILES("\"f\": {\"dev\": \"kvm\"}"),
		"d.json:2: files.f.dev: must be \"vhost-net\" or \"vhost-vsock\", is \"kvm\""},
	{FILES("\"f\": {\"listen\": \"tcp:1\"}"),
		"d.json:2: files.f.listen: must be \"unix:/PATH\", is \"tcp:1\""},
	{FILES("\"f\": {\"received\": false}"), "d.json:2: files.f.received: must be true"},
	{FILES("\"f\": {\"received\": true}, \"g\": {\"received\": true}"),
		"d.json:2: files.g: is not used: no argument names \"@g\""},
	{FILES("\"f/\": {\"received\": true}"), "d.json:2: files[\"f/\"]: a file's name has 1 to "
						"64 letters, digits, \"_\", \".\" and "
						"\"-\""},
	{ARGV("\"tap,fd=@tap0\""), "d.json:2: argv[0]: \"@tap0\" is not in \"files\" at column 18"},
	{QEMU(",\n\"qemu\": {\"devices\": [{\"kind\": \"vsock\", \"id\": \"v\", \"context_id\": 3, "
	      "\"vhost_fd\": \"@x\"}]}"),
		"d.json:2: qemu.devices[0].vhost_fd: \"@x\" is not in \"files\" at column 81"},
	{QEMU(",\n\"qemu\": {\"devices\": [{\"kind\": \"$x\"}]}"),
		"d.json:2: qemu.devices[0].kind: unknown placeholder \"$x\" at column 32"},
	/* stubdom */
	/* restore_from */
	{QEMU(",\n\"argv\": [],\n\"restore_from\": \"/s\""),
		"d.json:3: restore_from: no argument takes it; say \"-incoming\", "
		"\"$STUBDOM_RESTORE_INCOMING_ARG\""},
	{QEMU(",\n\"qemu\": {\"incoming\": {\"migration_type\": \"defer\"}},\n\"restore_from\": "
	      "\"/s\""),
		"d.json:3: restore_from: not possible beside \"qemu.incoming\""},
	{QEMU(",\n\"stubdom\": {}"), "d.json:2: stubdom: not possible beside \"kind\": \"qemu\""},
	{STUB("\"kernels\": \"a\""), "d.json:2: stubdom.kernels: unknown key"},
	{STUB("\"kernel\": \"a/b\""), "d.json:2: stubdom.kernel: must begin with \"/\" or be a "
				      "bare file name, is \"a/b\""},
	{STUB("\"ramdisk\": 1"), "d.json:2: stubdom.ramdisk: must be a string, is a whole number"},
	{STUB("\"cmdline\": \"$X\""),
		"d.json:2: stubdom.cmdline: unknown placeholder \"$X\" at column 25"},
	{STUB("\"memory_mib\": 0"),
		"d.json:2: stubdom.memory_mib: must be from 1 to 1048576, is 0"},
	{STUB("\"vcpus\": true"),
		"d.json:2: stubdom.vcpus: must be a whole number, is true or false"},
	{STUB("\"seclabel\": \"\""), "d.json:2: stubdom.seclabel: must not be empty"},
	{STUB("\"run_hotplug_scripts\": 1"),
		"d.json:2: stubdom.run_hotplug_scripts: must be true or false, is a whole number"},
	{STUB("\"disks\": {}"), "d.json:2: stubdom.disks: must be an array, is an object"},
	{STUB("\"nics\": [1]"), "d.json:2: stubdom.nics[0]: must be an object, is a whole number"},
	{STUB("\"serials\": [{}]"), "d.json:2: stubdom.serials[0]: must be a string, is an object"},
	{"{\"match\": {\"name\": \"a\"}, \"libxl\": {\"c_info\": {\"type\": \"hvm\"}, \"b_info\": "
	 "{\"device_model_stubdomain\": \"True\"}},\n\"stubdom\": {\"pci\": []}}",
		"d.json:2: stubdom.pci: only beside \"argv\" or \"qemu\"; libxl's configuration "
		"has its "
		"own"},
	/* restore_from, on_exit */
	{QEMU(",\n\"restore_from\": \"a\""),
		"d.json:2: restore_from: must begin with \"/\", is \"a\""},
	{QEMU(",\n\"restore_from\": \"/a$\""),
		"d.json:2: restore_from: \"$\" without a name (a dollar is \"$$\") at column 20"},
	{QEMU(",\n\"on_exit\": \"reboot\""),
		"d.json:2: on_exit: must be \"pause\", \"crash\", \"destroy\", \"preserve\", "
		"\"restart\" or \"none\", is \"reboot\""},
	{QEMU(",\n\"argv\": [\"-machine\", \"xenfv\"],\n\"on_exit\": \"restart\""),
		"d.json:3: on_exit: \"restart\" is only for device models of \"-machine xenpv\": "
		"others "
		"would lose the guest's state"},
	/* limits */
	{QEMU(",\n\"limits\": 1"), "d.json:2: limits: must be an object, is a whole number"},
	{LIMITS("\"pids\": 1"), "d.json:2: limits.pids: unknown key"},
	{LIMITS("\"pids_max\": 0"), "d.json:2: limits.pids_max: must be from 1 to 4194304, is 0"},
	{LIMITS("\"cpu_weight\": 10001"),
		"d.json:2: limits.cpu_weight: must be from 1 to 10000, is 10001"},
	{LIMITS("\"memory_max_mib\": 0"),
		"d.json:2: limits.memory_max_mib: must be from 1 to 16777216, is 0"},
	{LIMITS("\"log_max_mib\": \"16\""),
		"d.json:2: limits.log_max_mib: must be a whole number, is a string"},
	{LIMITS("\"start_timeout_s\": 1e2"), "d.json:2: limits.start_timeout_s: must be a whole "
					     "number, is a number with a fraction"},
	/* confinement */
	{QEMU(",\n\"confinement\": true"),
		"d.json:2: confinement: must be an object, is true or false"},
	{HOST("\"uid\": 1"), "d.json:2: confinement.uid: unknown key"},
	{HOST("\"user\": 1"), "d.json:2: confinement.user: must be a string, is a whole number"},
	{HOST("\"user\": \"1:x\""), "d.json:2: confinement.user: must be \"auto\", a user's name, "
				    "\"uid:gid\" in numbers or "
				    "null, is \"1:x\""},
	{HOST("\"user\": \"4294967295:0\""), "d.json:2: confinement.user: must be \"auto\", a "
					     "user's name, \"uid:gid\" in numbers or "
					     "null, is \"4294967295:0\""},
	{HOST("\"domid_restrict\": \"on\""),
		"d.json:2: confinement.domid_restrict: must be true, false or \"auto\""},
	{HOST("\"chroot\": \"auto\""),
		"d.json:2: confinement.chroot: must be true or false, is a string"},
	{HOST("\"seccomp\": null"),
		"d.json:2: confinement.seccomp: must be true or false, is null"},
	{HOST("\"namespaces\": \"all\""),
		"d.json:2: confinement.namespaces: must be \"auto\", is \"all\""},
	{HOST("\"namespaces\": {}"), "d.json:2: confinement.namespaces: must be \"auto\" or a list "
				     "of \"mount\", \"ipc\" and "
				     "\"net\""},
	{HOST("\"namespaces\": [\"pid\"]"), "d.json:2: confinement.namespaces[0]: must be "
					    "\"mount\", \"ipc\" or \"net\", is \"pid\""},
	{HOST("\"namespaces\": [\"net\", \"net\"]"),
		"d.json:2: confinement.namespaces[1]: \"net\" stands twice"},
};

static void test_bad(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct definition *d = NULL;
		struct err err = {0};

		assert_int_equal(
			definition_parse("d.json", bad[i].text, strlen(bad[i].text), &d, &err),
			-EINVAL);
		assert_null(d);
		assert_string_equal(err.text, bad[i].error);
		assert_int_equal(err.code, -EINVAL);
	}
}

static struct definition *parse(const char *text)
{
	struct definition *d = NULL;
	struct err err = {0};
	int r = definition_parse("d.json", text, strlen(text), &d, &err);

	if (r < 0) {
		print_error("%s\n", err.text);
	}
	assert_int_equal(r, 0);
	return d;
}

static void test_first_definition(void **state)
{
	_cleanup_definition_ struct definition *d =
		parse("{ \"match\": {\"name\": \"web1\"}, \"kind\": \"qemu\",\n"
		      "\"argv\": [\"-xen-domid\", \"$DOMID\", \"-name\", \"${NAME}\"],\n"
		      "\"extra_args\": [\"-S\"], \"env\": {\"A\": \"$$x\", \"B\": \"\"},\n"
		      "\"binary\": \"/usr/bin/q\", \"on_exit\": \"destroy\",\n"
		      "\"limits\": {\"pids_max\": 99, \"memory_max_mib\": 512}}");
	struct definition_limits defaults = {.cpu_weight = 7, .pids_max = 8, .log_max_mib = 9};
	struct definition_limits limits;

	assert_string_equal(definition_path(d), "d.json");
	assert_int_equal(d->match, DEFINITION_MATCH_NAME);
	assert_string_equal(d->match_name, "web1");
	assert_int_equal(d->kind, DEFINITION_QEMU);
	assert_int_equal(d->source, DEFINITION_ARGV);
	assert_string_equal(d->binary, "/usr/bin/q");
	assert_int_equal(d->argv.len, 4);
	assert_string_equal(d->argv.items[3], "${NAME}");
	assert_string_equal(d->extra_args.items[0], "-S");
	assert_string_equal(d->env.items[0], "A=$$x");
	assert_string_equal(d->env.items[1], "B=");
	assert_int_equal(d->on_exit, ON_EXIT_DESTROY);
	assert_int_equal(d->limits.pids_max, 99);
	assert_int_equal(d->limits.log_max_mib, 16);
	definition_limits_resolve(d, &defaults, &limits);
	assert_int_equal(limits.pids_max, 99);
	assert_int_equal(limits.memory_max_mib, 512);
	assert_int_equal(limits.cpu_weight, 7);
	assert_int_equal(limits.log_max_mib, 9);
	assert_int_equal(definition_supported(d, NULL), 0);
}

/* Well-formed; ERROR: what this version says of it, NULL when it can start it. */
static const struct bad good[] = {
	{QEMU(""), NULL},
	{"{\"match\": {\"name\": \"a\"}, \"kind\": \"none\"}", NULL},
	{"{\"match\": {\"domid\": 32751}, \"kind\": \"none\", \"argv\": []}", NULL},
	{"{\"match\": {\"uuid\": \"3A9726F3-6F9E-4B76-B521-824DC667BEAB\"}, \"kind\": \"qemu\"}",
		NULL},
	{ARGV("\"\", \"$$\", \"user@host\", \"a=$DOMID$NAME${UUID}$QMP_SOCKET$RUN_DIR$LOG_FILE"
	      "$MEMORY_MIB$VCPUS$STUBDOM_ID$STUBDOM_RESTORE_INCOMING_ARG\""),
		NULL},
	{LIMITS("\"memory_max_mib\": null"), NULL},
	{QEMU(", \"on_exit\": \"crash\""), NULL},
	{QEMU(", \"on_exit\": \"none\""), NULL},
	/* libxl: unknown keys are a newer libxl's, and no string has placeholders */
	{LIBXL("qemu", "hvm", "\"x\": \"$HOME @a\""), NULL},
	{LIBXL("none", "hvm", "\"device_model_stubdomain\": \"True\""), NULL},
	{LIBXL("qemu", "pv", ""), NULL},
	{LIBXL("stubdom-minios", "hvm", "\"device_model_stubdomain\": \"True\""),
		"d.json:1: kind: the kind \"stubdom-minios\" is not supported by this version of "
		"xendmd"},
	{LIBXL("stubdom-linux", "hvm",
		 "\"device_model_version\": \"qemu_xen\", \"device_model_stubdomain\": \"True\""),
		"d.json:1: kind: the kind \"stubdom-linux\" is not supported by this version of "
		"xendmd"},
	{LIBXL("qemu", "hvm", "\"device_model_version\": \"qemu_xen_traditional\""), NULL},
	{LIBXL("qemu", "hvm", "\"dm_restrict\": \"True\""), NULL},
	{QEMU(",\n\"qemu\": {\"incoming\": {\"migration_type\": \"fd\", \"fd\": \"@f\"}},\n"
	      "\"files\": {\"f\": {\"received\": true}}"),
		NULL},
	{QEMU(",\n\"argv\": [\"fd=@f\", \"$STUBDOM_RESTORE_INCOMING_ARG\"],\n\"restore_from\": "
	      "\"/s\", \"files\": {\"f\": {\"dev\": \"vhost-net\"}}"),
		NULL},
	{STUB("\"kernel\": \"k\", \"ramdisk\": \"/r$DOMID\", \"cmdline\": \"\", \"memory_mib\": "
	      "192, "
	      "\"vcpus\": 1, \"seclabel\": \"l\", \"cpupool\": \"p\", \"run_hotplug_scripts\": "
	      "false, \"disks\": [{}], \"nics\": [], \"serials\": [\"pty\"], \"channels\": [], "
	      "\"vfb\": [], \"pci\": []"),
		"d.json:1: kind: the kind \"stubdom-linux\" is not supported by this version of "
		"xendmd"},
	{FILES("\"f\": {\"path\": \"$RUN_DIR/x\", \"mode\": \"rw\"}"),
		"d.json:2: files: \"files\" is not supported by this version of xendmd"},
	{FILES("\"f\": {\"tap\": \"vif${DOMID}.0-emulated\", \"queues\": 256}"),
		"d.json:2: files: \"files\" is not supported by this version of xendmd"},
	{FILES("\"f\": {\"macvtap\": \"m0\"}"),
		"d.json:2: files: \"files\" is not supported by this version of xendmd"},
	{FILES("\"f\": {\"dev\": \"vhost-net\"}"),
		"d.json:2: files: \"files\" is not supported by this version of xendmd"},
	{FILES("\"f\": {\"listen\": \"unix:$RUN_DIR/s\"}"),
		"d.json:2: files: \"files\" is not supported by this version of xendmd"},
	{FILES("\"f\": {\"received\": true}"),
		"d.json:2: files: \"files\" is not supported by this version of xendmd"},
	{QEMU(",\n\"restore_from\": \"$RUN_DIR/state\""),
		"d.json:2: restore_from: \"restore_from\" is not supported by this version of "
		"xendmd"},
	{HOST("\"user\": \"auto\", \"domid_restrict\": \"auto\", \"chroot\": true, \"namespaces\": "
	      "\"auto\", \"seccomp\": true"),
		"d.json:2: confinement: \"confinement\" is not supported by this version of "
		"xendmd"},
	{HOST("\"user\": null, \"domid_restrict\": false, \"namespaces\": [\"net\", \"mount\", "
	      "\"ipc\"]"),
		"d.json:2: confinement: \"confinement\" is not supported by this version of "
		"xendmd"},
	{HOST("\"user\": \"1000:4294967294\""), "d.json:2: confinement: \"confinement\" is not "
						"supported by this version of xendmd"},
};

static void test_supported(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_definition_ struct definition *d = parse(good[i].text);
		struct err err = {0};
		int r = definition_supported(d, &err);

		assert_int_equal(r, good[i].error ? -EOPNOTSUPP : 0);
		assert_string_equal(err.text, good[i].error ? good[i].error : "");
	}
}

static void test_given(void **state)
{
	_cleanup_definition_ struct definition *d = NULL;
	const char *text = "{\"kind\": \"qemu\", \"argv\": []}";
	uint8_t uuid[16] = {0};

	assert_int_equal(definition_parse_given("-", text, strlen(text), &d, NULL), 0);
	assert_int_equal(d->match, DEFINITION_MATCH_ABSENT);
	assert_true(definition_matches(d, 5, uuid, NULL));
	assert_string_equal(definition_path(d), "-");
}

static void test_long_name(void **state)
{
	char text[LIMIT_NAME_BYTES + 64], name[LIMIT_NAME_BYTES + 2];
	struct definition *d = NULL;
	struct err err = {0};

	memset(name, 'n', sizeof(name));
	name[LIMIT_NAME_BYTES + 1] = '\0';
	snprintf(text, sizeof(text), "{\"match\": {\"name\": \"%s\"}, \"kind\": \"none\"}", name);
	assert_int_equal(definition_parse("d", text, strlen(text), &d, &err), -EINVAL);
	assert_string_equal(err.text, "d:1: match.name: a name has at most 255 bytes");
	name[LIMIT_NAME_BYTES] = '\0';
	snprintf(text, sizeof(text), "{\"match\": {\"name\": \"%s\"}, \"kind\": \"none\"}", name);
	assert_int_equal(definition_parse("d", text, strlen(text), &d, &err), 0);
	definition_unref(d);
}

static void test_too_many_arguments(void **state)
{
	static char text[LIMIT_ARGV_ITEMS * 8];
	struct definition *d = NULL;
	struct err err = {0};
	size_t len =
		sprintf(text, "%s", "{\"match\":{\"name\":\"a\"},\"kind\":\"qemu\",\"argv\":[\"\"");

	for (size_t i = 0; i < LIMIT_ARGV_ITEMS; i++) {
		len += sprintf(text + len, ",\"\"");
	}
	len += sprintf(text + len, "]}");
	assert_int_equal(definition_parse("d", text, len, &d, &err), -EINVAL);
	assert_string_equal(err.text, "d:1: argv: more than 2048 arguments");
}

static void test_names(void **state)
{
	assert_string_equal(on_exit_name(ON_EXIT_PRESERVE), "preserve");
	assert_null(on_exit_name(_ON_EXIT_MAX));
	assert_string_equal(definition_kind_name(DEFINITION_NO_DM), "none");
	assert_null(definition_kind_name(DEFINITION_KIND_NONE_GIVEN));
}

static void test_refs(void **state)
{
	struct definition *d = parse(QEMU(""));

	assert_ptr_equal(definition_ref(d), d);
	assert_null(definition_unref(d));
	assert_int_equal(d->refs, 1);
	assert_null(definition_unref(d));
	assert_null(definition_ref(NULL));
	assert_null(definition_unref(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_first_definition),
		cmocka_unit_test(test_supported),
		cmocka_unit_test(test_given),
		cmocka_unit_test(test_long_name),
		cmocka_unit_test(test_too_many_arguments),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_refs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
