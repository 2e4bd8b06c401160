// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test only: larger allocations of one program fail. Distributions build without
 * fault injection, and how a driver takes -ENOMEM wants testing all the same.
 */
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

static char *program = "";
module_param(program, charp, 0444);
MODULE_PARM_DESC(program, "name of the program whose kvmalloc() fails");

static char *symbol = "kvmalloc_node";
module_param(symbol, charp, 0444);
MODULE_PARM_DESC(symbol, "name of kvmalloc_node() in this kernel");

static int enomem_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	void *p = (void *)regs_return_value(regs);

	if (strcmp(current->comm, program) || is_vmalloc_addr(p))
		return 0;

	kfree(p);
	regs_set_return_value(regs, 0);
	return 0;
}

static struct kretprobe enomem_probe = {
	.handler = enomem_return,
};

static int __init enomem_init(void)
{
	enomem_probe.kp.symbol_name = symbol;
	return register_kretprobe(&enomem_probe);
}
module_init(enomem_init);

static void __exit enomem_exit(void)
{
	unregister_kretprobe(&enomem_probe);
}
module_exit(enomem_exit);

MODULE_DESCRIPTION("Makes one program run out of memory, for tests");
MODULE_LICENSE("GPL");
