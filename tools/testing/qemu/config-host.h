/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What QEMU's headers want to know of the host they were configured for */
#define CONFIG_POSIX 1
#define CONFIG_LINUX 1
#define CONFIG_IOVEC 1
#define CONFIG_INT128 1
#define CONFIG_ATOMIC64 1
