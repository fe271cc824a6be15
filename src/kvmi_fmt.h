/* SPDX-License-Identifier: GPL-2.0-only */
/* Included before everything else: every log line starts with the module. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
