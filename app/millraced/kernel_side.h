/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's end of a tap interface: its addresses and its link, by rtnetlink. Works in the
 * network namespace of the calling process. Control thread, while no worker depends on it.
 */
#ifndef MR_KERNEL_SIDE_H
#define MR_KERNEL_SIDE_H

#include "config.h"

/** True when an interface of that name exists here. */
bool kernel_side_exists(const char *ifname);
/**
 * Gives the interface an address (with the length of its network). IPv6 addresses skip duplicate
 * address detection (RFC 4862 5.4): the engine is the only other station. 0, or -1 with errno.
 */
int kernel_side_address(const char *ifname, const struct config_net *net);
/** Sets the link up. 0, or -1 with errno. */
int kernel_side_up(const char *ifname);

#endif /* MR_KERNEL_SIDE_H */
