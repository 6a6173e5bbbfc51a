/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which commands and events exist for whom, and what they look like. The columns come from what
 * libxl (4.17 to 4.21), libxenstat and xenopsd send and read; "classes" is the allow-list of P1.
 */
#include "proto/qmpfilter.h"

#include <limits.h>
#include <string.h>

#include "lib/cleanup.h"

#define INT(k, lo, hi)                                                                             \
	{                                                                                          \
		.key = k, .type = QMP_INT, .min = lo, .max = hi                                    \
	}
#define ANY_INT(k) INT(k, INT64_MIN, INT64_MAX)
#define COUNT(k) INT(k, 0, INT64_MAX)
#define BOOL(k)                                                                                    \
	{                                                                                          \
		.key = k, .type = QMP_BOOL                                                         \
	}
#define TEXT(k)                                                                                    \
	{                                                                                          \
		.key = k, .type = QMP_STRING                                                       \
	}
#define LIKE(k, p)                                                                                 \
	{                                                                                          \
		.key = k, .type = QMP_STRING, .pattern = p                                         \
	}
#define OBJECT(k, shape)                                                                           \
	{                                                                                          \
		.key = k, .type = QMP_OBJECT, .inner = shape                                       \
	}
#define ARRAY(k, shape)                                                                            \
	{                                                                                          \
		.key = k, .type = QMP_ARRAY, .inner = shape                                        \
	}
#define END                                                                                        \
	{                                                                                          \
		.key = NULL                                                                        \
	}

/* Arguments (P1, P2). */
static const struct qmp_shape device_add_args[] = {
	{.key = "driver", .type = QMP_STRING, .pattern = QMP_DRIVER, .required = true},
	LIKE("id", QMP_DEVICE_ID), LIKE("hostaddr", QMP_PCI_ADDRESS), TEXT("addr"), TEXT("bus"),
	BOOL("permissive"), BOOL("power_mgmt"), INT("p2", 0, 15), INT("p3", 0, 15), TEXT("port"),
	INT("hostbus", 0, 255), INT("socket-id", 0, 4095), INT("core-id", 0, 4095),
	INT("thread-id", 0, 4095), INT("masterbus", 0, 255), INT("firstport", 0, 15), END};
static const struct qmp_shape id_args[] = {
	{.key = "id", .type = QMP_STRING, .pattern = QMP_DEVICE_ID, .required = true}, END};
static const struct qmp_shape eject_args[] = {
	LIKE("id", QMP_DEVICE_ID), LIKE("device", QMP_DEVICE_ID), BOOL("force"), END};
static const struct qmp_shape remove_fd_args[] = {
	{.key = "fdset-id", .type = QMP_INT, .max = INT_MAX, .required = true},
	INT("fd", 0, INT_MAX), END};
static const struct qmp_shape medium_args[] = {LIKE("id", QMP_DEVICE_ID),
	LIKE("device", QMP_DEVICE_ID),
	{.key = "filename", .type = QMP_STRING, .pattern = QMP_FDSET_PATH, .required = true},
	TEXT("format"), TEXT("read-only-mode"), BOOL("force"), END};
static const struct qmp_shape change_args[] = {
	{.key = "device", .type = QMP_STRING, .pattern = QMP_DEVICE_ID, .required = true},
	{.key = "target", .type = QMP_STRING, .pattern = QMP_FDSET_PATH, .required = true},
	TEXT("arg"), END};
static const struct qmp_shape cpu_add_args[] = {
	{.key = "id", .type = QMP_INT, .max = 4095, .required = true}, END};
static const struct qmp_shape save_args[] = {
	{.key = "filename", .type = QMP_STRING, .pattern = QMP_FDSET_PATH, .required = true},
	BOOL("live"), END};
static const struct qmp_shape enable_args[] = {
	{.key = "enable", .type = QMP_BOOL, .required = true}, END};
static const struct qmp_shape hmp_args[] = {
	{.key = "command-line", .type = QMP_STRING, .required = true}, INT("cpu-index", 0, 4095),
	END};
static const struct qmp_shape add_fd_args[] = {INT("fdset-id", 0, INT_MAX), TEXT("opaque"), END};
static const struct qmp_shape getfd_args[] = {
	{.key = "fdname", .type = QMP_STRING, .required = true}, END};
static const struct qmp_shape option_args[] = {TEXT("option"), END};
static const struct qmp_shape password_args[] = {
	{.key = "password", .type = QMP_STRING, .required = true}, END};
static const struct qmp_shape qom_list_args[] = {
	{.key = "path", .type = QMP_STRING, .required = true}, END};
static const struct qmp_shape block_args[] = {BOOL("query-nodes"), BOOL("flat"), END};

/* Replies: what a host uses of them (P3). */
static const struct qmp_shape qemu_version[] = {
	INT("micro", 0, 999), INT("minor", 0, 999), INT("major", 0, 999), END};
static const struct qmp_shape version_reply[] = {
	OBJECT("qemu", qemu_version), TEXT("package"), END};
static const struct qmp_shape status_reply[] = {
	TEXT("status"), BOOL("singlestep"), BOOL("running"), END};
static const struct qmp_shape pci_devices[] = {
	INT("bus", 0, 255), INT("slot", 0, 31), INT("function", 0, 7), TEXT("qdev_id"), END};
static const struct qmp_shape pci_reply[] = {
	INT("bus", 0, 255), ARRAY("devices", pci_devices), END};
static const struct qmp_shape fds[] = {INT("fd", 0, INT_MAX), TEXT("opaque"), END};
static const struct qmp_shape fdsets_reply[] = {
	INT("fdset-id", 0, INT_MAX), ARRAY("fds", fds), END};
static const struct qmp_shape add_fd_reply[] = {
	INT("fdset-id", 0, INT_MAX), INT("fd", 0, INT_MAX), END};
static const struct qmp_shape cpus_fast_reply[] = {INT("cpu-index", 0, 4095), TEXT("qom-path"),
	INT("thread-id", 0, INT_MAX), TEXT("target"), END};
static const struct qmp_shape cpus_reply[] = {INT("CPU", 0, 4095), BOOL("current"), BOOL("halted"),
	TEXT("qom_path"), INT("thread_id", 0, INT_MAX), TEXT("arch"), END};
static const struct qmp_shape cpu_props[] = {INT("node-id", 0, 4095), INT("socket-id", 0, 4095),
	INT("die-id", 0, 4095), INT("core-id", 0, 4095), INT("thread-id", 0, 4095), END};
static const struct qmp_shape hotpluggable_reply[] = {TEXT("type"), INT("vcpus-count", 0, 4095),
	OBJECT("props", cpu_props), TEXT("qom-path"), END};
static const struct qmp_shape chardev_reply[] = {
	TEXT("label"), TEXT("filename"), BOOL("frontend-open"), END};
static const struct qmp_shape vnc_reply[] = {
	BOOL("enabled"), TEXT("host"), TEXT("service"), TEXT("family"), TEXT("auth"), END};
static const struct qmp_shape option_parameters[] = {
	TEXT("name"), TEXT("type"), TEXT("help"), TEXT("default"), END};
static const struct qmp_shape options_reply[] = {
	TEXT("option"), ARRAY("parameters", option_parameters), END};
static const struct qmp_shape qom_list_reply[] = {TEXT("name"), TEXT("type"), END};
static const struct qmp_shape image[] = {
	TEXT("filename"), TEXT("format"), COUNT("virtual-size"), COUNT("actual-size"), END};
static const struct qmp_shape inserted[] = {TEXT("file"), TEXT("node-name"), BOOL("ro"),
	TEXT("drv"), BOOL("encrypted"), COUNT("backing_file_depth"), TEXT("backing_file"),
	OBJECT("image", image), END};
static const struct qmp_shape block_reply[] = {TEXT("device"), TEXT("qdev"), TEXT("type"),
	BOOL("removable"), BOOL("locked"), BOOL("tray_open"), TEXT("io-status"),
	OBJECT("inserted", inserted), END};
static const struct qmp_shape stats[] = {COUNT("rd_bytes"), COUNT("wr_bytes"), COUNT("unmap_bytes"),
	COUNT("rd_operations"), COUNT("wr_operations"), COUNT("flush_operations"),
	COUNT("unmap_operations"), COUNT("rd_total_time_ns"), COUNT("wr_total_time_ns"),
	COUNT("flush_total_time_ns"), COUNT("wr_highest_offset"), COUNT("rd_merged"),
	COUNT("wr_merged"), ANY_INT("idle_time_ns"), END};
static const struct qmp_shape stats_parent[] = {OBJECT("stats", stats), END};
static const struct qmp_shape blockstats_reply[] = {TEXT("device"), TEXT("qdev"), TEXT("node-name"),
	OBJECT("stats", stats), OBJECT("parent", stats_parent), END};

#define SMALL (64 * 1024)
#define LARGE LIMIT_QMP_LINE_BYTES
#define NORMAL_MS LIMIT_QMP_COMMAND_MS
#define SLOW_MS LIMIT_QMP_SLOW_COMMAND_MS
#define LONG_MS LIMIT_QMP_LONG_COMMAND_MS
#define LA (QMP_LIBXL | QMP_ADMIN)
#define MA (QMP_MONITOR | QMP_ADMIN)
#define LMA (LA | MA)

static const struct qmp_command commands[] = {
	{"qmp_capabilities", QMP_LIBXL | QMP_STATS | MA, QMP_READS | QMP_ANY_ARGS, NORMAL_MS, SMALL,
		NULL, NULL, 0},
	{"query-version", LMA, QMP_READS, NORMAL_MS, SMALL, NULL, version_reply, QMP_OBJECT},
	{"query-status", LMA, QMP_READS, NORMAL_MS, SMALL, NULL, status_reply, QMP_OBJECT},
	{"query-pci", LMA, QMP_READS, NORMAL_MS, SMALL, NULL, pci_reply, QMP_ARRAY},
	{"query-fdsets", LMA, QMP_READS, NORMAL_MS, SMALL, NULL, fdsets_reply, QMP_ARRAY},
	{"query-cpus-fast", LMA, QMP_READS | QMP_FALLBACK, NORMAL_MS, LARGE, NULL, cpus_fast_reply,
		QMP_ARRAY},
	{"query-cpus", LMA, QMP_READS, NORMAL_MS, LARGE, NULL, cpus_reply, QMP_ARRAY},
	{"query-hotpluggable-cpus", LMA, QMP_READS | QMP_FALLBACK | QMP_SEEN_TYPES, NORMAL_MS,
		LARGE, NULL, hotpluggable_reply, QMP_ARRAY},
	{"query-chardev", LA, QMP_READS | QMP_DOM0_ONLY, NORMAL_MS, SMALL, NULL, chardev_reply,
		QMP_ARRAY},
	{"query-vnc", LA, QMP_READS | QMP_DOM0_ONLY, NORMAL_MS, SMALL, NULL, vnc_reply, QMP_OBJECT},
	{"query-command-line-options", LA, QMP_READS, NORMAL_MS, LARGE, option_args, options_reply,
		QMP_ARRAY},
	{"query-migratable", LA, QMP_READS | QMP_NO_DATA, NORMAL_MS, SMALL, NULL, NULL, 0},
	{"qom-list", LA, QMP_READS, NORMAL_MS, LARGE, qom_list_args, qom_list_reply, QMP_ARRAY},
	{"query-block", QMP_STATS | MA, QMP_READS, NORMAL_MS, LARGE, block_args, block_reply,
		QMP_ARRAY},
	{"query-blockstats", QMP_STATS | MA, QMP_READS, NORMAL_MS, LARGE, block_args,
		blockstats_reply, QMP_ARRAY},

	{"device_add", LA, QMP_NO_DATA, SLOW_MS, SMALL, device_add_args, NULL, 0},
	{"device_del", LA, QMP_NO_DATA, SLOW_MS, SMALL, id_args, NULL, 0},
	{"eject", LA, QMP_NO_DATA, SLOW_MS, SMALL, eject_args, NULL, 0},
	{"remove-fd", LA, QMP_NO_DATA, NORMAL_MS, SMALL, remove_fd_args, NULL, 0},
	{"blockdev-change-medium", LA, QMP_NO_DATA | QMP_FALLBACK, SLOW_MS, SMALL, medium_args,
		NULL, 0},
	{"change", LA, QMP_NO_DATA | QMP_SECRET, SLOW_MS, SMALL, change_args, NULL, 0},
	{"cpu-add", LA, QMP_NO_DATA, SLOW_MS, SMALL, cpu_add_args, NULL, 0},
	{"stop", LA, QMP_NO_DATA, NORMAL_MS, SMALL, NULL, NULL, 0},
	{"cont", LA, QMP_NO_DATA, SLOW_MS, SMALL, NULL, NULL, 0},
	{"xen-save-devices-state", LA, QMP_NO_DATA, LONG_MS, SMALL, save_args, NULL, 0},
	{"xen-load-devices-state", LA, QMP_NO_DATA | QMP_DOM0_ONLY, LONG_MS, SMALL, save_args, NULL,
		0},
	{"xen-set-global-dirty-log", LA, QMP_NO_DATA, SLOW_MS, SMALL, enable_args, NULL, 0},
	{"system_wakeup", LA, QMP_NO_DATA, NORMAL_MS, SMALL, NULL, NULL, 0},
	{"human-monitor-command", LA, QMP_HMP | QMP_LOGGED, LIMIT_QMP_HMP_MS, LARGE, hmp_args, NULL,
		0},
	{"add-fd", LA, QMP_DOM0_ONLY | QMP_WITH_FD, NORMAL_MS, SMALL, add_fd_args, add_fd_reply,
		QMP_OBJECT},
	{"getfd", QMP_ADMIN, QMP_DOM0_ONLY | QMP_WITH_FD | QMP_NO_DATA, NORMAL_MS, SMALL,
		getfd_args, NULL, 0},
	{"change-vnc-password", LA, QMP_DOM0_ONLY | QMP_NO_DATA | QMP_SECRET, NORMAL_MS, SMALL,
		password_args, NULL, 0},
	{"quit", LA, QMP_DOM0_ONLY | QMP_NO_DATA, NORMAL_MS, SMALL, NULL, NULL, 0},
	/* COLO */
	{"nbd-server-start", LA, QMP_DOM0_ONLY | QMP_NO_DATA | QMP_ANY_ARGS, SLOW_MS, SMALL, NULL,
		NULL, 0},
	{"nbd-server-add", LA, QMP_DOM0_ONLY | QMP_NO_DATA | QMP_ANY_ARGS, SLOW_MS, SMALL, NULL,
		NULL, 0},
	{"nbd-server-stop", LA, QMP_DOM0_ONLY | QMP_NO_DATA, SLOW_MS, SMALL, NULL, NULL, 0},
	{"xen-set-replication", LA, QMP_DOM0_ONLY | QMP_NO_DATA | QMP_ANY_ARGS, SLOW_MS, SMALL,
		NULL, NULL, 0},
	{"query-xen-replication-status", LA, QMP_DOM0_ONLY | QMP_READS, NORMAL_MS, SMALL, NULL,
		NULL, 0},
	{"xen-colo-do-checkpoint", LA, QMP_DOM0_ONLY | QMP_NO_DATA, SLOW_MS, SMALL, NULL, NULL, 0},
	{"x-blockdev-change", LA, QMP_DOM0_ONLY | QMP_NO_DATA | QMP_ANY_ARGS, SLOW_MS, SMALL, NULL,
		NULL, 0},

	/* For people and monitoring. */
	{"query-name", MA, QMP_READS, NORMAL_MS, SMALL, NULL, NULL, 0},
	{"query-uuid", MA, QMP_READS, NORMAL_MS, SMALL, NULL, NULL, 0},
	{"query-balloon", MA, QMP_READS, NORMAL_MS, SMALL, NULL, NULL, 0},
	{"query-commands", MA, QMP_READS, NORMAL_MS, LARGE, NULL, NULL, 0},
	{"query-iothreads", MA, QMP_READS, NORMAL_MS, SMALL, NULL, NULL, 0},
	{"query-machines", MA, QMP_READS, NORMAL_MS, LARGE, NULL, NULL, 0},
	{"query-memory-devices", MA, QMP_READS, NORMAL_MS, LARGE, NULL, NULL, 0},
	{"query-mice", MA, QMP_READS, NORMAL_MS, SMALL, NULL, NULL, 0},
	{"query-qmp-schema", MA, QMP_READS, LIMIT_QMP_HMP_MS, LIMIT_QMP_SCHEMA_BYTES, NULL, NULL,
		0},
	{"query-block-jobs", MA, QMP_READS, NORMAL_MS, LARGE, NULL, NULL, 0},
	{"query-jobs", MA, QMP_READS, NORMAL_MS, LARGE, NULL, NULL, 0},

	{"set_password", QMP_ADMIN, QMP_ANY_ARGS | QMP_SECRET, NORMAL_MS, SMALL, NULL, NULL, 0},
	{"expire_password", QMP_ADMIN, QMP_ANY_ARGS | QMP_SECRET, NORMAL_MS, SMALL, NULL, NULL, 0},
	{"object-add", QMP_ADMIN, QMP_ANY_ARGS | QMP_SECRET, NORMAL_MS, SMALL, NULL, NULL, 0},
	{"block_set_io_throttle", QMP_ADMIN, QMP_ANY_ARGS, NORMAL_MS, SMALL, NULL, NULL, 0},
	{"closefd", QMP_ADMIN, QMP_DOM0_ONLY | QMP_ANY_ARGS, NORMAL_MS, SMALL, NULL, NULL, 0},
	{"add_client", QMP_ADMIN, QMP_DOM0_ONLY | QMP_ANY_ARGS, NORMAL_MS, SMALL, NULL, NULL, 0},
};

/* For those without a row: what reads, what changes, and experiments. */
static const struct qmp_command other_query = {
	"", QMP_ADMIN, QMP_READS | QMP_ANY_ARGS, LIMIT_QMP_HMP_MS, LARGE, NULL, NULL, 0};
static const struct qmp_command other_change = {
	"", QMP_ADMIN, QMP_ANY_ARGS, LONG_MS, LARGE, NULL, NULL, 0};
static const struct qmp_command experiment = {"", 0, QMP_ANY_ARGS, LONG_MS, LARGE, NULL, NULL, 0};

const struct qmp_command *qmp_command_at(size_t index)
{
	return index < ARRAY_SIZE(commands) ? &commands[index] : NULL;
}

const struct qmp_command *qmp_command_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (!strcmp(commands[i].name, name)) {
			return &commands[i];
		}
	}
	if (!strncmp(name, "x-", 2)) {
		return &experiment;
	}
	return strncmp(name, "query-", 6) ? &other_change : &other_query;
}

/* P6. Clients of class libxl get none: libxl keeps what it is sent until its operation ends. */
static const struct qmp_event_rule events[] = {
	{"STOP", QMP_ADMIN, true, true, false},
	{"RESUME", QMP_ADMIN, true, true, false},
	{"SHUTDOWN", QMP_ADMIN, true, true, false},
	{"RESET", QMP_ADMIN, true, true, false},
	{"POWERDOWN", QMP_ADMIN, true, true, false},
	{"DEVICE_DELETED", QMP_ADMIN, true, true, true},
	{"DEVICE_TRAY_MOVED", QMP_ADMIN, true, true, false},
	{"RTC_CHANGE", QMP_ADMIN, true, true, false},
	{"XEN_PLATFORM_PV_DRIVER_INFO", QMP_ADMIN, true, true, false},
	{"WAKEUP", QMP_ADMIN, false, true, false},
	{"SUSPEND", QMP_ADMIN, false, true, false},
	{"SUSPEND_DISK", QMP_ADMIN, false, true, false},
	{"WATCHDOG", QMP_ADMIN, false, true, false},
	{"GUEST_PANICKED", QMP_ADMIN, false, true, false},
	{"BLOCK_IO_ERROR", QMP_ADMIN, false, true, false},
	{"BLOCK_IMAGE_CORRUPTED", QMP_ADMIN, false, true, false},
	{"DEVICE_UNPLUG_GUEST_ERROR", QMP_ADMIN, false, true, true},
	{"MEM_UNPLUG_ERROR", QMP_ADMIN, false, true, true},
	{"BALLOON_CHANGE", QMP_ADMIN, false, false, false},
	{"BLOCK_JOB_CANCELLED", QMP_ADMIN, false, false, false},
	{"BLOCK_JOB_COMPLETED", QMP_ADMIN, false, false, false},
	{"BLOCK_JOB_ERROR", QMP_ADMIN, false, false, false},
	{"BLOCK_JOB_PENDING", QMP_ADMIN, false, false, false},
	{"BLOCK_JOB_READY", QMP_ADMIN, false, false, false},
	{"DUMP_COMPLETED", QMP_ADMIN, false, false, false},
	{"JOB_STATUS_CHANGE", QMP_ADMIN, false, false, false},
	{"MIGRATION", QMP_ADMIN, false, false, false},
	{"NIC_RX_FILTER_CHANGED", QMP_ADMIN, false, false, false},
	{"VNC_CONNECTED", QMP_ADMIN, false, false, false},
	{"VNC_DISCONNECTED", QMP_ADMIN, false, false, false},
	{"VNC_INITIALIZED", QMP_ADMIN, false, false, false},
};

const struct qmp_event_rule *qmp_event_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		if (!strcmp(events[i].name, name)) {
			return &events[i];
		}
	}
	return NULL;
}
