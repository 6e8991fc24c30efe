// SPDX-License-Identifier: GPL-2.0-only
/*
 * "f:" in dynamic_events, for one function and the members an observer asks
 * for. User-mode Linux has neither function probes nor BTF, so the stub
 * accepts, refuses and prints what kernel/trace/trace_fprobe.c would:
 *
 *   f:GROUP/EVENT xe_vm_kill NAME=vm->xef->pid:s32 ...
 *
 * Real function events are tested on the kernels of test/stock-kernel.
 */
#include <linux/ctype.h>
#include <linux/init.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "trace.h"
#include "trace_dynevent.h"
#include "trace_output.h"
#include "xestub.h"

#define XESTUB_FPROBE_ARGS	8

/* One record, whatever the event prints of it. */
struct xestub_fprobe_entry {
	struct trace_entry ent;
	s32 pid;
	u32 asid;
	u32 flags;
	u64 client;
	char comm[TASK_COMM_LEN];
	char dev[16];
};

static void xestub_print_string(struct trace_seq *s, const char *text)
{
	trace_seq_printf(s, "\"%s\"", text);
}

static void xestub_print_pid(struct trace_seq *s, const struct xestub_fprobe_entry *e)
{
	trace_seq_printf(s, "%d", e->pid);
}

static void xestub_print_comm(struct trace_seq *s, const struct xestub_fprobe_entry *e)
{
	xestub_print_string(s, e->comm);
}

static void xestub_print_asid(struct trace_seq *s, const struct xestub_fprobe_entry *e)
{
	trace_seq_printf(s, "%u", e->asid);
}

static void xestub_print_flags(struct trace_seq *s, const struct xestub_fprobe_entry *e)
{
	trace_seq_printf(s, "0x%x", e->flags);
}

static void xestub_print_client(struct trace_seq *s, const struct xestub_fprobe_entry *e)
{
	trace_seq_printf(s, "%llu", e->client);
}

static void xestub_print_dev(struct trace_seq *s, const struct xestub_fprobe_entry *e)
{
	xestub_print_string(s, e->dev);
}

/* The members that real kernels resolve by BTF, with the types they print. */
static const struct xestub_fprobe_member {
	const char *fetch;
	void (*print)(struct trace_seq *s, const struct xestub_fprobe_entry *e);
} xestub_fprobe_members[] = {
	{ "vm->xef->pid:s32", xestub_print_pid },
	{ "vm->xef->process_name:string", xestub_print_comm },
	{ "vm->usm.asid:u32", xestub_print_asid },
	{ "vm->flags:x32", xestub_print_flags },
	{ "vm->xef->drm->client_id:u64", xestub_print_client },
	{ "vm->xe->drm.dev->kobj.name:string", xestub_print_dev },
};

/**
 * struct xestub_fprobe - one function event
 */
struct xestub_fprobe {
	struct dyn_event devent;
	struct trace_event_call call;
	struct trace_event_class class;
	struct trace_event_functions funcs;
	/** @definition: what was written, without "f:" */
	char *definition;
	char *group;
	char *event;
	unsigned int count;
	struct {
		char *name;
		const struct xestub_fprobe_member *member;
	} args[XESTUB_FPROBE_ARGS];
};

/* One for each instance in which an event is enabled. */
struct xestub_fprobe_link {
	struct list_head link;
	struct trace_event_file *file;
};

static LIST_HEAD(xestub_fprobe_links);
static DEFINE_MUTEX(xestub_fprobe_lock);

static struct xestub_fprobe *to_fprobe(struct dyn_event *ev)
{
	return container_of(ev, struct xestub_fprobe, devent);
}

static void xestub_fprobe_fire(struct trace_event_file *file,
			       struct xestub_vm *vm)
{
	struct trace_event_buffer buffer;
	struct xestub_fprobe_entry *entry;

	if (trace_trigger_soft_disabled(file))
		return;
	entry = trace_event_buffer_reserve(&buffer, file, sizeof(*entry));
	if (!entry)
		return;
	entry->pid = vm->xef->pid;
	entry->asid = vm->asid;
	entry->flags = vm->flags;
	entry->client = vm->xef->drm->client_id;
	strscpy(entry->comm, vm->xef->process_name);
	strscpy(entry->dev, dev_name(vm->xe->drm.dev));
	trace_event_buffer_commit(&buffer);
}

/* At the entry of xe_vm_kill(); may sleep, unlike the real one. */
void xestub_fprobe_vm_kill(struct xestub_vm *vm)
{
	struct xestub_fprobe_link *link;

	mutex_lock(&xestub_fprobe_lock);
	list_for_each_entry(link, &xestub_fprobe_links, link)
		xestub_fprobe_fire(link->file, vm);
	mutex_unlock(&xestub_fprobe_lock);
}

static int xestub_fprobe_enable(struct trace_event_file *file)
{
	struct xestub_fprobe_link *link = kzalloc(sizeof(*link), GFP_KERNEL);

	if (!link)
		return -ENOMEM;
	link->file = file;
	mutex_lock(&xestub_fprobe_lock);
	list_add_tail(&link->link, &xestub_fprobe_links);
	mutex_unlock(&xestub_fprobe_lock);
	return 0;
}

static void xestub_fprobe_disable(struct trace_event_file *file)
{
	struct xestub_fprobe_link *link, *next;

	mutex_lock(&xestub_fprobe_lock);
	list_for_each_entry_safe(link, next, &xestub_fprobe_links, link) {
		if (link->file == file) {
			list_del(&link->link);
			kfree(link);
		}
	}
	mutex_unlock(&xestub_fprobe_lock);
}

static int xestub_fprobe_reg(struct trace_event_call *call, enum trace_reg type,
			     void *data)
{
	switch (type) {
	case TRACE_REG_REGISTER:
		return xestub_fprobe_enable(data);
	case TRACE_REG_UNREGISTER:
		xestub_fprobe_disable(data);
		return 0;
	default:
		return 0;
	}
}

static enum print_line_t xestub_fprobe_print(struct trace_iterator *iter,
					     int flags, struct trace_event *event)
{
	struct xestub_fprobe *fp = container_of(event, struct xestub_fprobe,
						call.event);
	const struct xestub_fprobe_entry *entry = (void *)iter->ent;
	struct trace_seq *s = &iter->seq;
	unsigned int i;

	trace_seq_printf(s, "%s: (xe_vm_kill+0x4/0xf0 [xe])", fp->event);
	for (i = 0; i < fp->count; i++) {
		trace_seq_printf(s, " %s=", fp->args[i].name);
		fp->args[i].member->print(s, entry);
	}
	trace_seq_putc(s, '\n');
	return trace_handle_return(s);
}

static int xestub_fprobe_define_fields(struct trace_event_call *call)
{
	return 0;
}

static struct trace_event_fields xestub_fprobe_fields[] = {
	{ .type = TRACE_FUNCTION_TYPE,
	  .define_fields = xestub_fprobe_define_fields },
	{ }
};

static void xestub_fprobe_destroy(struct xestub_fprobe *fp)
{
	unsigned int i;

	for (i = 0; i < fp->count; i++)
		kfree(fp->args[i].name);
	kfree(fp->definition);
	kfree(fp->group);
	kfree(fp->event);
	kfree(fp);
}

static int xestub_fprobe_add_arg(struct xestub_fprobe *fp, const char *arg)
{
	const char *fetch = strchr(arg, '=');
	unsigned int i;

	if (!fetch || fp->count == XESTUB_FPROBE_ARGS)
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(xestub_fprobe_members); i++) {
		if (strcmp(fetch + 1, xestub_fprobe_members[i].fetch))
			continue;
		fp->args[fp->count].member = &xestub_fprobe_members[i];
		fp->args[fp->count].name = kstrndup(arg, fetch - arg, GFP_KERNEL);
		return fp->args[fp->count++].name ? 0 : -ENOMEM;
	}
	return -EINVAL;
}

/* "GROUP/EVENT xe_vm_kill ARG ..." */
static int xestub_fprobe_parse(struct xestub_fprobe *fp, int argc, char **argv)
{
	char *slash = strchr(argv[0], '/');
	int ret = 0, i;

	if (argc < 2 || !slash || slash == argv[0] || !slash[1])
		return -EINVAL;
	if (strcmp(argv[1], "xe_vm_kill") || !xestub_trace_has_vm_kill_symbol())
		return -ENOENT;
	fp->group = kstrndup(argv[0], slash - argv[0], GFP_KERNEL);
	fp->event = kstrdup(slash + 1, GFP_KERNEL);
	if (!fp->group || !fp->event)
		return -ENOMEM;
	for (i = 2; i < argc && !ret; i++)
		ret = xestub_fprobe_add_arg(fp, argv[i]);
	return ret;
}

static struct dyn_event_operations xestub_fprobe_ops;

static int xestub_fprobe_register(struct xestub_fprobe *fp)
{
	struct dyn_event *other;
	int ret;

	for_each_dyn_event(other)
		if (other->ops == &xestub_fprobe_ops &&
		    !strcmp(to_fprobe(other)->group, fp->group) &&
		    !strcmp(to_fprobe(other)->event, fp->event))
			return -EEXIST;

	INIT_LIST_HEAD(&fp->class.fields);
	fp->class.system = fp->group;
	fp->class.fields_array = xestub_fprobe_fields;
	fp->class.reg = xestub_fprobe_reg;
	fp->funcs.trace = xestub_fprobe_print;
	fp->call.class = &fp->class;
	fp->call.name = fp->event;
	fp->call.event.funcs = &fp->funcs;
	fp->call.print_fmt = fp->definition;
	if (!register_trace_event(&fp->call.event))
		return -ENODEV;
	ret = trace_add_event_call(&fp->call);
	if (ret) {
		unregister_trace_event(&fp->call.event);
		return ret;
	}
	dyn_event_init(&fp->devent, &xestub_fprobe_ops);
	return dyn_event_add(&fp->devent, &fp->call);
}

static int xestub_fprobe_create(const char *raw_command)
{
	struct xestub_fprobe *fp;
	char **argv;
	int argc, ret;

	if (!str_has_prefix(raw_command, "f:"))
		return -ECANCELED;
	fp = kzalloc(sizeof(*fp), GFP_KERNEL);
	argv = argv_split(GFP_KERNEL, raw_command + 2, &argc);
	if (!fp || !argv) {
		kfree(fp);
		return -ENOMEM;
	}

	fp->definition = kstrdup(raw_command + 2, GFP_KERNEL);
	ret = fp->definition && argc ? xestub_fprobe_parse(fp, argc, argv) : -EINVAL;
	if (!ret) {
		mutex_lock(&event_mutex);
		ret = xestub_fprobe_register(fp);
		mutex_unlock(&event_mutex);
	}
	argv_free(argv);
	if (ret)
		xestub_fprobe_destroy(fp);
	return ret;
}

static int xestub_fprobe_show(struct seq_file *m, struct dyn_event *ev)
{
	seq_printf(m, "f:%s\n", to_fprobe(ev)->definition);
	return 0;
}

static bool xestub_fprobe_is_busy(struct dyn_event *ev)
{
	struct xestub_fprobe_link *link;
	bool busy = false;

	mutex_lock(&xestub_fprobe_lock);
	list_for_each_entry(link, &xestub_fprobe_links, link)
		busy |= link->file->event_call == &to_fprobe(ev)->call;
	mutex_unlock(&xestub_fprobe_lock);
	return busy;
}

static int xestub_fprobe_free(struct dyn_event *ev)
{
	struct xestub_fprobe *fp = to_fprobe(ev);
	int ret;

	if (xestub_fprobe_is_busy(ev))
		return -EBUSY;
	ret = trace_remove_event_call(&fp->call);
	if (ret)
		return ret;
	dyn_event_remove(ev);
	xestub_fprobe_destroy(fp);
	return 0;
}

static bool xestub_fprobe_match(const char *system, const char *event,
				int argc, const char **argv,
				struct dyn_event *ev)
{
	struct xestub_fprobe *fp = to_fprobe(ev);

	return !argc && (!event[0] || !strcmp(fp->event, event)) &&
	       (!system || !strcmp(fp->group, system));
}

static struct dyn_event_operations xestub_fprobe_ops = {
	.create = xestub_fprobe_create,
	.show = xestub_fprobe_show,
	.is_busy = xestub_fprobe_is_busy,
	.free = xestub_fprobe_free,
	.match = xestub_fprobe_match,
};

static int __init xestub_fprobe_init(void)
{
	return dyn_event_register(&xestub_fprobe_ops);
}
/* Before tracefs can be written to. */
core_initcall(xestub_fprobe_init);
