// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which of the formats in xestub_trace.h are the events of this boot.
 */
#include <linux/init.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "trace.h"
#include "xestub.h"

#define CREATE_TRACE_POINTS
#include "xestub_trace.h"

static char *xestub_trace_release = "none";
module_param_named(trace, xestub_trace_release, charp, 0444);
MODULE_PARM_DESC(trace, "trace events in the format of 6.8, 6.12, 6.16 or 7.3, or none");

static bool xestub_trace_is(const char *release)
{
	return !strcmp(xestub_trace_release, release);
}

/* Read for 6.12 (after the event) and 6.17 (before it). */
bool xestub_trace_asid_is_late(void)
{
	return xestub_trace_is("6.8") || xestub_trace_is("6.12");
}

/* In 6.8 xe_vm_kill() is static with one caller: there may be no such symbol. */
bool xestub_trace_has_vm_kill_symbol(void)
{
	return !xestub_trace_is("6.8") && !xestub_trace_is("none");
}

static const char *xestub_trace_suffix(void)
{
	if (xestub_trace_is("6.8"))
		return "_6_8";
	if (xestub_trace_is("6.12"))
		return "_6_12";
	/* Between 6.16 and 7.3 no format has changed. */
	if (xestub_trace_is("6.16") || xestub_trace_is("7.3"))
		return "_6_16";
	return NULL;
}

/* Gives the event its own name, or returns false when it is of another release. */
static bool xestub_trace_keep(struct trace_event_call *call, const char *suffix)
{
	const char *name = trace_event_name(call);
	ssize_t length = suffix ? strlen(name) - strlen(suffix) : -1;
	char *own;

	if (length <= 0 || strcmp(name + length, suffix))
		return false;
	own = kstrndup(name, length, GFP_KERNEL);
	if (own)
		call->tp->name = own;
	return own;
}

/* After the events are known and before tracefs shows them. */
static int __init xestub_trace_select(void)
{
	const char *suffix = xestub_trace_suffix();
	struct trace_event_call *call, *next;

	mutex_lock(&event_mutex);
	list_for_each_entry_safe(call, next, &ftrace_events, list)
		if (!strcmp(call->class->system, "xe") &&
		    !xestub_trace_keep(call, suffix))
			trace_remove_event_call(call);
	mutex_unlock(&event_mutex);
	return 0;
}
core_initcall(xestub_trace_select);
