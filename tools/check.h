/* SPDX-License-Identifier: GPL-2.0-only */
/* The parts of kvmictl check. */
#ifndef KVMICTL_CHECK_H
#define KVMICTL_CHECK_H

#include "kvmictl.h"

enum level {
	LEVEL_OK,
	LEVEL_WARN,
	LEVEL_FAIL,
};

struct finding {
	enum level level;
	const char *subject;
	char text[256];
	char hint[256];
};

struct findings {
	size_t count;
	struct finding f[64];
	/* Facts that later checks need. */
	char release[128];
	bool loaded;
	bool must_be_signed;
};

void found(struct findings *fs, enum level level, const char *subject,
	   const char *hint, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* check_kernel.c */
void check_kernel(struct findings *fs);
/* check_module.c */
void check_module(struct findings *fs);

#endif /* KVMICTL_CHECK_H */
