/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The kinds of devices that a typed description knows; for typed*.c only. */
#include "lib/typed_impl.h"

/* typed_devices.c */
extern const struct typed_kind typed_serial, typed_legacy_serial, typed_scsi_controller, typed_rng,
	typed_balloon, typed_vsock, typed_loader, typed_pvpanic, typed_iommu, typed_raw;
/* typed_cpu.c */
extern const struct typed_kind typed_cpu;
/* typed_storage.c */
extern const struct typed_kind typed_block, typed_fs, typed_memory_object;
/* typed_network.c */
extern const struct typed_kind typed_net, typed_char, typed_vhost_user;
/* typed_pci.c */
extern const struct typed_kind typed_vfio, typed_bridge, typed_pcie_root_port,
	typed_pcie_switch_upstream_port, typed_pcie_switch_downstream_port, typed_pxb_pcie;

/* Where a device goes that names no bus: on these machines QEMU has but one place for it. */
void typed_set_default_bus(struct typed_emit *e, struct json_object *o, const char *driver);
