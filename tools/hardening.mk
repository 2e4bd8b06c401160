# SPDX-License-Identifier: MIT
# How libraries and programs are hardened; tools/testing/hardening looks whether they are.

# Branch protection is the processor's; a compiler for another one goes without.
hardening_machine := $(shell $(CC) -dumpmachine)
ifneq ($(filter x86_64-%,$(hardening_machine)),)
override CFLAGS += -fcf-protection
else ifneq ($(filter aarch64-%,$(hardening_machine)),)
override CFLAGS += -mbranch-protection=standard
endif
override CFLAGS += -fPIE -fstack-protector-strong -fstack-clash-protection \
	-Wformat -Wformat-security
override LDFLAGS += -pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack

# It needs an optimizer, and hides from a sanitizer what this would see.
ifneq ($(filter -O1 -O2 -O3 -Os,$(CFLAGS)),)
ifeq ($(findstring -fsanitize,$(CC) $(CFLAGS)),)
override CFLAGS += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
endif
endif
