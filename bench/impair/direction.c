/* SPDX-License-Identifier: BSD-3-Clause */
/* The way of a frame through one direction, in the order that direction.h gives. */
#include <stdlib.h>

#include "check.h"
#include "damage.h"
#include "direction.h"

bool imp_direction_init(struct imp_direction *d, const struct imp_params *params, uint64_t seed,
			unsigned int which)
{
	*d = (struct imp_direction){.params = *params};
	imp_dice_init(&d->dice, seed, which);
	mr_hist_reset(&d->delay);
	d->shape = (struct imp_shape){.rate_bps = params->rate_bps,
				      .frames_max = params->queue_frames,
				      .octets_max = params->queue_octets};
	if (!imp_hold_init(&d->hold, (uint32_t)params->hold_frames))
		return false;
	if (params->rate_bps == 0)
		return true;
	d->shape.ring = calloc(params->queue_frames, sizeof(d->shape.ring[0]));
	return d->shape.ring != NULL;
}

static void drop(struct rte_mbuf *m, uint64_t *count)
{
	(*count)++;
	rte_pktmbuf_free(m);
}

void imp_direction_fini(struct imp_direction *d)
{
	struct imp_held frame;

	while (d->hold.n > 0) {
		imp_hold_take(&d->hold, &frame);
		drop(frame.m, &d->count.undelivered);
	}
	imp_hold_fini(&d->hold);
	free(d->shape.ring);
	d->shape.ring = NULL;
}

/* Time of leaving the link in *at_ns. False: the queue has no room. */
static bool pass_link(struct imp_direction *d, const struct rte_mbuf *m, uint64_t *at_ns)
{
	if (d->params.rate_bps == 0)
		return true;
	if (!imp_shape_room(&d->shape, m->pkt_len))
		return false;
	*at_ns = imp_shape_enter(&d->shape, m->pkt_len, *at_ns);
	return true;
}

static void hold(struct imp_direction *d, struct rte_mbuf *m, uint64_t delay_ns, uint64_t now_ns)
{
	struct imp_held frame = {.due_ns = now_ns, .came_ns = now_ns, .m = m};

	if (imp_held_now(d) >= d->params.hold_frames) {
		drop(m, &d->count.drop_hold);
		return;
	}
	if (!pass_link(d, m, &frame.due_ns)) {
		drop(m, &d->count.drop_queue);
		return;
	}
	frame.due_ns += delay_ns;
	if (d->params.keep_order && frame.due_ns < d->last_due_ns)
		frame.due_ns = d->last_due_ns;
	d->last_due_ns = frame.due_ns;
	frame.number = d->number++;
	imp_hold_put(&d->hold, &frame);
}

/*
 * The frame with what happens to its octets; the same one where there is no mbuf for a copy; NULL
 * where the port wants one and there is none.
 */
static struct rte_mbuf *change(struct imp_direction *d, struct rte_mbuf *m,
			       const struct imp_fate *fate)
{
	bool marks = fate->marked || (d->params.mark_octets != 0 && d->params.rate_bps != 0 &&
				      d->shape.octets > d->params.mark_octets);
	struct rte_mbuf *own;

	marks = marks && imp_ecn_capable(m) != NULL;
	if (!marks && !fate->corrupted && (!d->flat || m->nb_segs == 1))
		return m;
	own = imp_own(m, d->pool, d->flat);
	if (own == NULL) {
		d->count.no_mbuf++;
		return d->flat && m->nb_segs > 1 ? NULL : m;
	}
	if (marks) {
		imp_mark_ce(imp_ecn_capable(own));
		d->count.marked++;
	}
	if (fate->corrupted) {
		imp_flip(own, fate->bit_draw);
		d->count.corrupted++;
	}
	return own;
}

void imp_take(struct imp_direction *d, struct rte_mbuf *m, uint64_t now_ns)
{
	struct rte_mbuf *copy = NULL, *changed;
	struct imp_fate fate;

	imp_fate_draw(&d->dice, &d->params, &fate);
	d->count.received++;
	d->count.received_octets += m->pkt_len;
	if (fate.lost) {
		drop(m, &d->count.lost);
		return;
	}
	if (d->params.rate_bps != 0)
		imp_shape_advance(&d->shape, now_ns);
	changed = change(d, m, &fate);
	if (changed == NULL) {
		drop(m, &d->count.drop_mbuf);
		return;
	}
	m = changed;
	d->count.jumped += fate.jumps;
	if (fate.duplicated) {
		copy = imp_copy(m, d->pool);
		d->count.duplicated += copy != NULL;
		d->count.no_mbuf += copy == NULL;
	}
	hold(d, m, fate.delay_ns, now_ns);
	if (copy != NULL)
		hold(d, copy, fate.delay_ns, now_ns);
}

uint32_t imp_due(struct imp_direction *d, uint64_t now_ns, struct imp_held *out, uint32_t max)
{
	uint32_t n = 0;

	while (n < max && imp_hold_due_ns(&d->hold) <= now_ns)
		imp_hold_take(&d->hold, &out[n++]);
	d->leaving += n;
	return n;
}

void imp_sent(struct imp_direction *d, const struct imp_held *frame, uint32_t octets,
	      uint64_t now_ns)
{
	MR_CHECK(d->leaving > 0 && now_ns >= frame->came_ns);
	d->leaving--;
	d->count.sent++;
	d->count.sent_octets += octets;
	if (frame->number < d->newest_sent)
		d->count.late++;
	else
		d->newest_sent = frame->number;
	mr_hist_record(&d->delay, now_ns - frame->came_ns);
}

void imp_refused(struct imp_direction *d, const struct imp_held *frame)
{
	MR_CHECK(d->leaving > 0);
	d->leaving--;
	drop(frame->m, &d->count.refused);
}

void imp_undelivered(struct imp_direction *d, const struct imp_held *frame)
{
	MR_CHECK(d->leaving > 0);
	d->leaving--;
	drop(frame->m, &d->count.undelivered);
}

bool imp_adds_up(const struct imp_direction *d)
{
	const struct imp_counts *c = &d->count;

	return c->received + c->duplicated == c->lost + c->drop_queue + c->drop_hold +
						      c->drop_mbuf + c->refused + c->undelivered +
						      c->sent + imp_held_now(d);
}
