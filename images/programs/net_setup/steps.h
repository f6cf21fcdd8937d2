/* SPDX-License-Identifier: GPL-2.0-only */
/* The steps of net_setup: each ends the program with a line on stderr if the kernel refuses it. */
#ifndef TESTBED_NET_SETUP_STEPS_H
#define TESTBED_NET_SETUP_STEPS_H

#include <sys/ioctl.h>

/* A datagram socket for the ioctls of interfaces in the present network namespace. */
int interface_socket(void);

/* After setns(): sockets are of the namespace they were opened in. */
void forget_link_sockets(void);
void forget_ethtool_sockets(void);

/* `words` follow the step's name; all are there. */
void step_namespace(char **words);
void step_move(char **words);
void step_name(char **words);
void step_up(char **words);
void step_down(char **words);
void step_mtu(char **words);
void step_address(char **words);

void step_channels(char **words);
void step_rings(char **words);
void step_spread(char **words);

/* A descriptor of namespace `name`. */
int open_namespace(const char *name);

#endif
