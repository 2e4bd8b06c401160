#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 400
# only: check-all
#
# The demonstration with the chip in a module of ours.
#
# usage: tools/testing/e2e/demo-module.sh KVER

CHIP=module exec "$(dirname "$0")/demo.sh" "$1"
