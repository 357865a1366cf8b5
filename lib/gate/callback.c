/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What drivers register in EAL's interrupt thread goes through here: a program's own definition of
 * a function comes before that of a shared library, for the drivers, too, which EAL loads at start.
 * Callbacks of the drivers that need the gate get it around them; all others pass untouched. Owns
 * those registrations. Never changes what a callback does.
 *
 * Beside the rings this closes what net_memif leaves open when a port is closed. Its callback may
 * be waiting for the lock meanwhile: unregistered, it is not run any more, the device being gone.
 * And its listening socket is forgotten, registered with the memory of a device that is freed: the
 * handle that is freed with a live callback is the sign, and both end there, with what was accepted
 * from it and belongs to no port yet.
 *
 * Locks: the gate's comes before EAL's. EAL calls an unregistered callback's last function with its
 * own lock held, so nothing in there takes the gate's.
 */
#define ALLOW_EXPERIMENTAL_API	/* rte_intr_fd_get: in this file alone */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_interrupts.h>

#include "check.h"
#include "gate.h"

struct callback {
	struct callback *next;
	const struct callback *parent;	/* registered from this one's callback; or NULL */
	const struct rte_intr_handle *handle;	/* the driver's */
	struct gate_line *line;		/* or NULL */
	int fd;
	bool gone;			/* unregistered: not to be called any more */
	bool forgotten;			/* by its driver: the descriptor is ours to close */
	rte_intr_callback_fn fn;
	rte_intr_unregister_callback_fn last;
	void *arg;
};

/* Under the gate's lock. */
static struct callback *callbacks;
static const struct callback *running;
static struct gate_line *registering;
static unsigned int registered;

/* ---- EAL's own ---- */

typedef int (*register_fn)(const struct rte_intr_handle *, rte_intr_callback_fn, void *);
typedef int (*pending_fn)(const struct rte_intr_handle *, rte_intr_callback_fn, void *,
			  rte_intr_unregister_callback_fn);
typedef void (*free_fn)(struct rte_intr_handle *);

static void *eal_function(const char *name)
{
	void *function = dlsym(RTLD_NEXT, name);

	MR_ASSERT(function != NULL);
	return function;
}

static int eal_register(const struct rte_intr_handle *handle, rte_intr_callback_fn fn, void *arg)
{
	return ((register_fn)eal_function("rte_intr_callback_register"))(handle, fn, arg);
}

static int eal_unregister(const struct rte_intr_handle *handle, rte_intr_callback_fn fn, void *arg)
{
	return ((register_fn)eal_function("rte_intr_callback_unregister"))(handle, fn, arg);
}

static int eal_unregister_pending(const struct rte_intr_handle *handle, rte_intr_callback_fn fn,
				  void *arg, rte_intr_unregister_callback_fn last)
{
	return ((pending_fn)eal_function("rte_intr_callback_unregister_pending"))(handle, fn, arg,
										  last);
}

/* ---- ours around a driver's ---- */

/* By the file that the code is in: callbacks come before ports and their drivers have names. */
static bool needs_gate(rte_intr_callback_fn fn)
{
	Dl_info where;

	return dladdr((void *)fn, &where) != 0 &&
	       strstr(where.dli_fname, "librte_net_memif") != NULL;
}

static void call(void *arg)
{
	struct callback *c = arg;

	gate_lock();
	if (!c->gone) {
		gate_close();
		running = c;
		c->fn(c->arg);
		running = NULL;
		gate_open();
	}
	gate_unlock();
}

/* EAL is done with one that was unregistered while it ran. EAL's lock is held. */
static void call_last(struct rte_intr_handle *handle, void *arg)
{
	struct callback *c = arg;

	if (c->last != NULL)
		c->last(handle, c->arg);
	if (c->forgotten)
		close(c->fd);
	free(c);
}

static struct callback *find(rte_intr_callback_fn fn, const void *arg)
{
	for (struct callback *c = callbacks; c != NULL; c = c->next)
		if (c->fn == fn && c->arg == arg)
			return c;
	return NULL;
}

static void forget(struct callback *c)
{
	struct callback **at = &callbacks;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	c->gone = true;
	if (c->line != NULL && --c->line->open == 0 && c->line->lost != NULL)
		c->line->lost(c->line);
}

static int register_gated(const struct rte_intr_handle *handle, rte_intr_callback_fn fn, void *arg)
{
	struct callback *c = calloc(1, sizeof(*c));
	int rc;

	if (c == NULL)
		return -ENOMEM;
	*c = (struct callback){.parent = running,
			       .handle = handle,
			       .line = registering,
			       .fd = rte_intr_fd_get(handle),
			       .fn = fn,
			       .arg = arg};
	rc = eal_register(handle, call, c);
	if (rc != 0) {
		free(c);
		return rc;
	}
	c->next = callbacks;
	callbacks = c;
	registered++;
	if (registering != NULL)
		registering->open++;
	return 0;
}

void gate_line(struct gate_line *line)
{
	MR_ASSERT(gate_locked());
	registering = line;
}

unsigned int gate_callbacks(void)
{
	gate_lock();
	unsigned int n = registered;

	gate_unlock();
	return n;
}

/* ---- what drivers call ---- */

int rte_intr_callback_register(const struct rte_intr_handle *handle, rte_intr_callback_fn fn,
			       void *arg)
{
	int rc;

	if (!needs_gate(fn))
		return eal_register(handle, fn, arg);
	gate_lock();
	rc = register_gated(handle, fn, arg);
	gate_unlock();
	return rc;
}

int rte_intr_callback_unregister(const struct rte_intr_handle *handle, rte_intr_callback_fn fn,
				 void *arg)
{
	struct callback *c;
	int rc;

	if (!needs_gate(fn))
		return eal_unregister(handle, fn, arg);
	gate_lock();
	c = find(fn, arg);
	rc = c != NULL ? eal_unregister(handle, call, c) : -ENOENT;
	if (rc > 0) {
		forget(c);
		free(c);
	}
	gate_unlock();
	return rc;
}

int rte_intr_callback_unregister_pending(const struct rte_intr_handle *handle,
					 rte_intr_callback_fn fn, void *arg,
					 rte_intr_unregister_callback_fn last)
{
	struct callback *c;
	int rc;

	if (!needs_gate(fn))
		return eal_unregister_pending(handle, fn, arg, last);
	gate_lock();
	c = find(fn, arg);
	if (c != NULL)
		c->last = last;
	rc = c != NULL ? eal_unregister_pending(handle, call, c, call_last) : -ENOENT;
	if (rc > 0)
		forget(c);
	gate_unlock();
	return rc;
}

/* ---- what a driver forgot ---- */

/* Its descriptor, too: nobody else knows it any more. */
static void end_callback(struct callback *c)
{
	int rc = eal_unregister(c->handle, call, c);

	forget(c);
	if (rc > 0) {
		close(c->fd);
		free(c);
		return;
	}
	/* It waits for the gate in EAL's thread. */
	c->forgotten = true;
	if (eal_unregister_pending(c->handle, call, c, call_last) <= 0)
		MR_ASSERT(!"a callback that EAL does not know");
}

static struct callback *child_of(const struct callback *parent)
{
	for (struct callback *c = callbacks; c != NULL; c = c->next)
		if (c->parent == parent)
			return c;
	return NULL;
}

static void end_forgotten(const struct rte_intr_handle *handle)
{
	struct callback *c = callbacks, *child;

	while (c != NULL && c->handle != handle)
		c = c->next;
	if (c == NULL)
		return;
	while ((child = child_of(c)) != NULL)
		end_callback(child);
	end_callback(c);
}

/* Only whoever holds the lock can be closing a port; others (EAL itself) may hold EAL's. */
void rte_intr_instance_free(struct rte_intr_handle *handle)
{
	if (gate_locked() && handle != NULL)
		end_forgotten(handle);
	((free_fn)eal_function("rte_intr_instance_free"))(handle);
}
