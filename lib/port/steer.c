/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Toeplitz in software, with the key, the hash functions and the redirection table read back from
 * the port: a driver may have refused, cut or replaced what bring-up asked for. Owns no state of a
 * port and changes none; never guesses: a driver that does not tell leaves the spread unknown.
 */
#include <errno.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_thash.h>

#include "attr.h"
#include "check.h"
#include "steer.h"

/* Toeplitz takes the key from the first bit of the tuple to 32 bits behind its last one. */
#define KEY_LEN_MIN	((RTE_THASH_V6_L4_LEN + 1u) * 4u)
#define TUPLE_WORDS	RTE_THASH_V6_L4_LEN

static_assert(STEER_KEY_MAX >= KEY_LEN_MIN, "an IPv6 tuple with ports reaches over 40 octets");

static int read_key(struct steer *s, uint16_t port, uint8_t len, uint64_t *functions)
{
	uint32_t key[STEER_KEY_MAX / 4] = {0}, any = 0;
	struct rte_eth_rss_conf conf = {.rss_key = (uint8_t *)key, .rss_key_len = len};
	int rc = rte_eth_dev_rss_hash_conf_get(port, &conf);

	if (rc != 0)
		return rc;
	for (unsigned int i = 0; i < MR_ARRAY_LEN(key); i++)
		any |= key[i];
	/* Ours is drawn at random: zeros are what a driver left that says 0 and copies nothing. */
	if (any == 0)
		return -ENODATA;
	rte_convert_rss_key(key, s->key, (int)sizeof(key));
	*functions = conf.rss_hf;
	return 0;
}

static int read_reta(struct steer *s, uint16_t port, const struct rte_eth_dev_info *info)
{
	struct rte_eth_rss_reta_entry64 reta[STEER_RETA_MAX / RTE_ETH_RETA_GROUP_SIZE];
	int rc;

	memset(reta, 0, sizeof(reta));
	for (unsigned int i = 0; i < MR_ARRAY_LEN(reta); i++)
		reta[i].mask = UINT64_MAX;
	rc = rte_eth_dev_rss_reta_query(port, reta, info->reta_size);
	for (uint16_t i = 0; rc == 0 && i < info->reta_size; i++) {
		s->reta[i] = reta[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE];
		if (s->reta[i] >= info->nb_rx_queues)
			return -ERANGE;
	}
	return rc;
}

/* Words of the tuple that count; what is not hashed at all has the hash 0. */
static uint8_t words_of(uint64_t functions, bool v6)
{
	if ((functions & (v6 ? RTE_ETH_RSS_NONFRAG_IPV6_TCP : RTE_ETH_RSS_NONFRAG_IPV4_TCP)) != 0)
		return v6 ? RTE_THASH_V6_L4_LEN : RTE_THASH_V4_L4_LEN;
	if ((functions & (v6 ? RTE_ETH_RSS_IPV6 : RTE_ETH_RSS_IPV4)) != 0)
		return v6 ? RTE_THASH_V6_L3_LEN : RTE_THASH_V4_L3_LEN;
	return 0;
}

int steer_read(struct steer *s, uint16_t port, uint64_t asked)
{
	struct rte_eth_dev_info info;
	uint64_t functions = 0;
	int rc = rte_eth_dev_info_get(port, &info);
	uint8_t len;

	s->reta_size = 0;
	if (rc != 0)
		return rc;
	len = info.hash_key_size != 0 ? info.hash_key_size : KEY_LEN_MIN;
	if (len < KEY_LEN_MIN || len > STEER_KEY_MAX || info.reta_size == 0 ||
	    info.reta_size > STEER_RETA_MAX)
		return -ENOTSUP;
	rc = read_key(s, port, len, &functions);
	if (rc == 0)
		rc = read_reta(s, port, &info);
	if (rc != 0)
		return rc;
	/* A driver that hashes but names no function does what it was configured for. */
	if (functions == 0)
		functions = asked;
	s->words[0] = words_of(functions, false);
	s->words[1] = words_of(functions, true);
	s->reta_size = info.reta_size;
	return 0;
}

/* Addresses and ports as they stand in the frame, in words of the CPU's order. */
uint32_t steer_hash(const struct steer *s, const struct mr_endpoint *remote,
		    const struct mr_endpoint *local)
{
	bool v6 = remote->family == 6;
	unsigned int n = v6 ? 4 : 1;
	uint32_t tuple[TUPLE_WORDS];

	MR_CHECK(remote->family == local->family);
	memcpy(tuple, remote->addr, 4 * n);
	memcpy(tuple + n, local->addr, 4 * n);
	for (unsigned int i = 0; i < 2 * n; i++)
		tuple[i] = rte_be_to_cpu_32(tuple[i]);
	tuple[2 * n] = (uint32_t)remote->port << 16 | local->port;
	return rte_softrss_be(tuple, s->words[v6], (const uint8_t *)s->key);
}

uint16_t steer_queue(const struct steer *s, const struct mr_endpoint *remote,
		     const struct mr_endpoint *local)
{
	MR_CHECK(s->reta_size != 0);
	/* A table whose size is no power of two exists too (vmxnet3: four entries a queue). */
	return s->reta[steer_hash(s, remote, local) % s->reta_size];
}

unsigned int steer_worker(const void *ctx, const struct mr_endpoint *remote,
			  const struct mr_endpoint *local)
{
	const struct steer *s = ctx;

	return s->id_first + steer_queue(s, remote, local) % s->workers;
}
