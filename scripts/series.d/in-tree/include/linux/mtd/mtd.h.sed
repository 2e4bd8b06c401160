# SPDX-License-Identifier: MIT
/^	struct nvmem_device \*otp_factory_nvmem;$/a\
	struct mtd_security *security;
