// SPDX-License-Identifier: MIT
/*
 * Blocks on the wire behind the kernel's own spi-gpio, which drives the emulated
 * chip's pins bit by bit.
 *
 * For one chip: mt25qu128-authenta:gpio.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common.h"
#include "kselftest_harness.h"
#include "controller.h"

FIXTURE_VARIANT_ADD(controller, gpio) { .chip = 0 };

TEST_HARNESS_MAIN
