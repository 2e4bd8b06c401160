# SPDX-License-Identifier: MIT
#
# The commands of this project; "make" alone lists them.

# The kernel that the demonstration and "modules" take, as scripts/kernels names it, and for which
# processor.
KVER ?= 6.1
ARCH ?= arm64
# "demo" would say so too, after everything has been built.
ifneq ($(filter-out qemu module,$(CHIP)),)
$(error CHIP=$(CHIP): qemu or module)
endif
# A header that replaces include/linux/mtd/crtm-commands.h in modules and tools.
ifneq ($(CRTM_COMMANDS),)
override CRTM_COMMANDS := $(abspath $(CRTM_COMMANDS))
export CRTM_COMMANDS
endif

CRTM_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/mtd-crtm
export CRTM_CACHE

B := $(CURDIR)/build
SYSROOT := $(CRTM_CACHE)/sysroot/$(ARCH)
# Its compilers' names, and those of its 32-bit user space.
GNU = $(or $(GNU_$(ARCH)),$(error ARCH=$(ARCH): arm64 or amd64))
GNU_arm64 := aarch64-linux-gnu
GNU_amd64 := x86_64-linux-gnu
GNU32_arm64 := arm-linux-gnueabihf
GNU32_amd64 := i686-linux-gnu

# Libraries first. The server runs on the host alone.
HOST_TOOLS := lib common crtmctl crtm-agentd crtm-kms
GUEST_TOOLS := lib common crtmctl crtm-agentd testing/shim testing/attack testing/docs
HOST_VARS := O=$(B)/host CPPFLAGS=-I$(B)/commands
GUEST_VARS = O=$(B)/$(ARCH) CPPFLAGS=-I$(B)/commands AR=$(GNU)-ar \
	CC="$(GNU)-gcc --sysroot=$(SYSROOT)"
SELFTESTS_VARS = O=$(B)/$(ARCH) CRTM_CPPFLAGS=-I$(B)/commands \
	CC=$(GNU)-gcc CC32=$(GNU32_$(ARCH))-gcc \
	KSELFTEST=$(CRTM_CACHE)/kernel/$(KVER)/source/tools/testing/selftests

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

##
##   make demo               show the whole thing in an emulated board; CHIP=module: with the
##                           flash in a module of ours, not in QEMU
##   make check              all tests, as the CI runs them
##   make check-all          those and many more, in parts of an hour at most; each can be had
##                           alone as make check-PART: scripts/check -h lists them
##   make check-report       what the parts that were run have found, with the matrix of kernels
##   make lint               of those what checks the sources without running them
##   make kunit              of those the driver's KUnit tests, in a user-mode kernel; ARCH=arm64:
##                           under QEMU
##   make coverage           how much of the driver those execute, and the selftests beside them
##   make fuzz               libFuzzer on what takes hostile input; TIME=SECONDS for each target,
##                           SEED=N, TARGETS="ioctl chip ..."
##
demo: tools modules
	@scripts/demo "$(KVER)"

check:
	@scripts/check default

check-%:
	@scripts/check $*

##   make series KSRC=TREE   a "git am" series for the kernel source TREE: build/series, or
##                           OUT=FOLDER; REFERENCE=1: with the reference command set,
##                           CRTM_COMMANDS=FILE: with another one
##
series:
	@[ -n "$(KSRC)" ] || { echo "which kernel source? make series KSRC=TREE" >&2; exit 2; }
	@scripts/series $(if $(OUT),-o $(OUT)) $(if $(REFERENCE),-r) \
		$(if $(CRTM_COMMANDS),-c $(CRTM_COMMANDS)) $(KSRC)

lint: setup
	@scripts/lint

# Neither default of above is meant here.
given = $(if $(filter-out file default undefined,$(origin $1)),$2 $($1))

kunit: setup
	@scripts/kunit $(call given,KVER,-k) $(call given,ARCH,-A)

coverage: setup
	@scripts/coverage $(call given,KVER,-k)

##   make docs               render Documentation/ to HTML: build/docs/index.html
##
docs: setup
	@scripts/docs

##   make modules            build mtd.ko, spi-nor.ko, the emulated chip: build/KVER-ARCH
##   make modules_install    build and install them for the kernel that this machine runs, or
##                           with DESTDIR=ROOT those of KVER into a board's root file system
##   make modules_uninstall  bring the stock modules back
##   make dkms               a Debian package that rebuilds them for each kernel: build/dkms/package
##   make check-dkms         its test, in a fresh Debian in a folder; needs root
##   make tools              build the tools and the server: build/host, build/ARCH
##   make guest              a shell in the guest
##
setup:
	@scripts/setup

fuzz: setup commands
	@$(MAKE) -s --no-print-directory -C tools/testing/fuzz fuzz $(HOST_VARS) \
		$(if $(TIME),TIME=$(TIME)) $(if $(SEED),SEED=$(SEED)) \
		$(if $(TARGETS),TARGETS="$(TARGETS)")

modules: setup
	@scripts/fetch "$(KVER)" $(ARCH)
	@scripts/build-modules "$(KVER)" $(ARCH)

modules_install: $(if $(DESTDIR),modules,setup)
	@scripts/install-modules $(if $(DESTDIR),-r $(DESTDIR) "$(KVER)" $(ARCH))

modules_uninstall:
	@scripts/install-modules -u $(if $(DESTDIR),-r $(DESTDIR) "$(KVER)" $(ARCH))

dkms: setup
	@scripts/dkms/package

tools: setup commands
	@scripts/sysroot $(ARCH)
	@scripts/fetch "$(KVER)" $(ARCH)
	@for t in $(HOST_TOOLS); do \
		$(MAKE) -s --no-print-directory -C tools/$$t $(HOST_VARS) all || exit; done
	@for t in $(GUEST_TOOLS); do \
		$(MAKE) -s --no-print-directory -C tools/$$t $(GUEST_VARS) all || exit; done
	@$(MAKE) -s --no-print-directory -C tools/testing/selftests/mtd $(SELFTESTS_VARS) all

# First on the include path, so that a change of the command set rebuilds what reads it.
commands: from = $(or $(CRTM_COMMANDS),include/linux/mtd/crtm-commands.h)
commands: to = $(B)/commands/linux/mtd/crtm-commands.h
commands:
	@mkdir -p $(dir $(to))
	@cmp -s $(from) $(to) || cp $(from) $(to)

guest: modules tools
	@scripts/guest -k "$(KVER)" -A $(ARCH)

##   make clean              remove build/
##   make distclean          and the cache of packages, kernels and libraries
##
clean:
	rm -rf $(B)

distclean: clean
	cd $(CRTM_CACHE) && \
		rm -rf apt deb kernel kunit qemu qemu-headers sysroot u-boot busybox-* lock

##   KVER=6.1|6.12|7.2       the kernel
##   ARCH=arm64|amd64        its processor
##   CRTM_COMMANDS=FILE      a header with another command set
##   CRTM_CACHE=FOLDER       the cache, default ~/.cache/mtd-crtm

.PHONY: series help demo check lint fuzz kunit coverage docs setup modules modules_install \
	modules_uninstall dkms tools commands guest clean distclean
