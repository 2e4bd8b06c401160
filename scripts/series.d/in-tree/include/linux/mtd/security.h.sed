# SPDX-License-Identifier: MIT
/^#include <linux\/list.h>$/d
/^ \* @node: entry of the registry$/d
/^	struct list_head node;$/d
s/^\( \* @master: the device\); the key of the registry$/\1/
