# SPDX-License-Identifier: MIT
/^# The chip's logic/,/^$/d
/^ccflags-y := /,/^$/d
