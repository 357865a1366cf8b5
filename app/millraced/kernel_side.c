/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rtnetlink, as far as the kernel's end of a tap wants it (rtnetlink(7)): one request, one answer.
 */
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "kernel_side.h"

struct address_request {
	struct nlmsghdr head;
	struct ifaddrmsg body;
	char attributes[64];
};

struct link_request {
	struct nlmsghdr head;
	struct ifinfomsg body;
};

bool kernel_side_exists(const char *ifname)
{
	return if_nametoindex(ifname) != 0;
}

static void add_attribute(struct nlmsghdr *head, unsigned short type, const void *value, size_t len)
{
	struct rtattr *at = (struct rtattr *)(void *)((char *)head + NLMSG_ALIGN(head->nlmsg_len));

	at->rta_type = type;
	at->rta_len = (unsigned short)RTA_LENGTH(len);
	memcpy(RTA_DATA(at), value, len);
	head->nlmsg_len = NLMSG_ALIGN(head->nlmsg_len) + (uint32_t)RTA_ALIGN(at->rta_len);
}

/* The kernel's answer: 0, or -1 with errno. */
static int read_answer(int fd)
{
	struct {
		struct nlmsghdr head;
		struct nlmsgerr body;
	} answer;
	ssize_t n = recv(fd, &answer, sizeof(answer), 0);

	if (n < 0)
		return -1;
	if ((size_t)n < sizeof(answer.head) + sizeof(answer.body.error) ||
	    answer.head.nlmsg_type != NLMSG_ERROR) {
		errno = EPROTO;
		return -1;
	}
	errno = -answer.body.error;
	return answer.body.error == 0 ? 0 : -1;
}

static int request(struct nlmsghdr *head)
{
	const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int rc = -1, saved;

	if (fd < 0)
		return -1;
	head->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	if (sendto(fd, head, head->nlmsg_len, 0, (const struct sockaddr *)&kernel,
		   sizeof(kernel)) == (ssize_t)head->nlmsg_len)
		rc = read_answer(fd);
	saved = errno;
	close(fd);
	errno = saved;
	return rc;
}

int kernel_side_address(const char *ifname, const struct config_net *net)
{
	struct address_request r = {
		.head = {
			.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifaddrmsg)),
			.nlmsg_type = RTM_NEWADDR,
			.nlmsg_flags = NLM_F_CREATE | NLM_F_REPLACE,
		},
		.body = {
			.ifa_family = net->family == 4 ? AF_INET : AF_INET6,
			.ifa_prefixlen = net->len,
			.ifa_flags = IFA_F_PERMANENT | (net->family == 6 ? IFA_F_NODAD : 0),
			.ifa_index = if_nametoindex(ifname),
		},
	};
	size_t octets = net->family == 4 ? 4 : 16;

	add_attribute(&r.head, IFA_LOCAL, net->addr, octets);
	add_attribute(&r.head, IFA_ADDRESS, net->addr, octets);
	return request(&r.head);
}

int kernel_side_up(const char *ifname)
{
	struct link_request r = {
		.head = {
			.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
			.nlmsg_type = RTM_NEWLINK,
		},
		.body = {
			.ifi_family = AF_UNSPEC,
			.ifi_index = (int)if_nametoindex(ifname),
			.ifi_flags = IFF_UP,
			.ifi_change = IFF_UP,
		},
	};

	return request(&r.head);
}
