# SPDX-License-Identifier: MIT
/^#include "mtdregistry.h"$/d
s/mtd_security_attach(sec);/master->security = sec;/
s/mtd_security_detach(sec);/sec->master->security = NULL;/
/^EXPORT_SYMBOL_GPL(mtd_security_orphan);$/a\
\
/**\
 * mtd_get_security() - find the security side of a device\
 * @mtd: the device or a partition of it; the caller holds it open\
 *\
 * Return: NULL if nobody registered one.\
 */\
struct mtd_security *mtd_get_security(struct mtd_info *mtd)\
{\
	return mtd_get_master(mtd)->security;\
}
