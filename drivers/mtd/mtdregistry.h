/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which MTD device has a security side (mtdregistry.c).
 */
#ifndef __MTD_REGISTRY_H
#define __MTD_REGISTRY_H

struct mtd_security;

void mtd_security_attach(struct mtd_security *sec);
void mtd_security_detach(struct mtd_security *sec);

#endif /* __MTD_REGISTRY_H */
