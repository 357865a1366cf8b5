/* SPDX-License-Identifier: BSD-3-Clause */
/* The draws of a frame, in the one order that fate.h promises. */
#include <math.h>

#include "fate.h"

/* A delay beyond this is no delay but a loss; also, the sum of two fits 64 bits by far. */
#define DELAY_MAX_NS 1e15

void imp_dice_init(struct imp_dice *d, uint64_t seed, unsigned int direction)
{
	mr_rng_seed(&d->rng, 2 * seed + direction);
	d->bad = false;
}

/* The state that a frame meets decides about it; then the state may change. */
static bool lost(struct imp_dice *d, const struct imp_params *p, double of_loss, double of_state)
{
	bool is_lost;

	if (p->burst_enter <= 0)
		return of_loss < p->loss;
	is_lost = of_loss < (d->bad ? p->burst_bad : p->burst_good);
	if (of_state < (d->bad ? p->burst_leave : p->burst_enter))
		d->bad = !d->bad;
	return is_lost;
}

/* Box and Muller 1958; 1 - a is above 0, so the logarithm is finite. */
static double normal(double a, double b)
{
	return sqrt(-2 * log1p(-a)) * cos(2 * 3.14159265358979323846 * b);
}

static uint64_t delay(const struct imp_params *p, double a, double b)
{
	double spread = p->normal ? normal(a, b) : 2 * a - 1;
	double ns = (double)p->delay_ns + spread * (double)p->jitter_ns;

	if (p->jitter_ns == 0)
		return p->delay_ns;
	return ns <= 0 ? 0 : (uint64_t)MR_MIN(ns, DELAY_MAX_NS);
}

void imp_fate_draw(struct imp_dice *d, const struct imp_params *p, struct imp_fate *fate)
{
	uint64_t bit_draw;
	double unit[IMP_DRAWS - 1];

	/* In this order: it is what a seed means. */
	for (unsigned int i = 0; i < IMP_DRAWS - 1; i++)
		unit[i] = mr_rng_unit(&d->rng);
	bit_draw = mr_rng_next(&d->rng);
	*fate = (struct imp_fate){
		.lost = lost(d, p, unit[0], unit[1]),
		.duplicated = unit[2] < p->duplicate,
		.corrupted = unit[3] < p->corrupt,
		.jumps = unit[4] < p->reorder,
		.delay_ns = delay(p, unit[5], unit[6]),
		.marked = unit[7] < p->mark,
		.bit_draw = bit_draw,
	};
	if (fate->jumps)
		fate->delay_ns = 0;
}
