// SPDX-License-Identifier: GPL-2.0-only
/*
 * The watch ioctl and the posting of events, as the xe event series does it.
 */
#include <linux/cred.h>
#include <linux/slab.h>
#include <linux/watch_queue.h>
#include <linux/workqueue.h>

#include "xestub.h"

/* struct drm_xe_watch_queue of the series. */
struct xestub_watch_args {
	__u32 fd;
	__u32 watch_id;
	__u32 flags;
	__u32 pad;
};

struct watch_list *xestub_watch_list_alloc(void)
{
	struct watch_list *watchers = kzalloc(sizeof(*watchers), GFP_KERNEL);

	if (watchers)
		init_watch_list(watchers, NULL);
	return watchers;
}

/* Posts REMOVAL to every watch; the memory goes after a grace period. */
void xestub_watch_list_free(struct watch_list *watchers)
{
	remove_watch_list(watchers, 0);
}

unsigned int xestub_watch_list_count(struct watch_list *watchers)
{
	struct watch *watch;
	unsigned int count = 0;

	spin_lock(&watchers->lock);
	hlist_for_each_entry(watch, &watchers->watchers, list_node)
		count++;
	spin_unlock(&watchers->lock);
	return count;
}

int xestub_watch_ioctl(struct drm_device *drm, void *data,
		       struct drm_file *file)
{
	struct xestub_file *xef = file->driver_priv;
	struct xestub_watch_args *args = data;
	struct watch_queue *wqueue;
	struct watch *watch;
	int ret;

	if (args->flags || args->pad || args->watch_id > 255)
		return -EINVAL;

	wqueue = get_watch_queue(args->fd);
	if (IS_ERR(wqueue))
		return PTR_ERR(wqueue);

	watch = kzalloc(sizeof(*watch), GFP_KERNEL);
	if (!watch) {
		ret = -ENOMEM;
		goto put_queue;
	}

	init_watch(watch, wqueue);
	/* Object id 0 for every file: one watch per pipe and file. */
	watch->id = 0;
	watch->info_id = args->watch_id << WATCH_INFO_ID__SHIFT;

	ret = add_watch_to_object(watch, xef->watchers);
	if (ret)
		kfree(watch);

put_queue:
	put_watch_queue(wqueue);
	return ret;
}

struct xestub_post_work {
	struct work_struct work;
	struct watch_list *watchers;
	struct watch_notification *n;
	unsigned int count;
};

static void xestub_post_work(struct work_struct *work)
{
	struct xestub_post_work *post =
		container_of(work, struct xestub_post_work, work);

	while (post->count--)
		post_watch_notification(post->watchers, post->n,
					current_cred(), 0);
}

/*
 * The rebind worker is a kernel worker, so the event carries its credentials
 * and not those of whoever wrote to the control file. Returns when all are
 * posted.
 */
void xestub_post(struct watch_list *watchers, struct watch_notification *n,
		 unsigned int count)
{
	struct xestub_post_work post = {
		.watchers = watchers,
		.n = n,
		.count = count,
	};

	INIT_WORK_ONSTACK(&post.work, xestub_post_work);
	queue_work(system_unbound_wq, &post.work);
	flush_work(&post.work);
	destroy_work_on_stack(&post.work);
}
