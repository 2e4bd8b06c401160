# SPDX-License-Identifier: MIT
s/ mtdregistry\.o//
