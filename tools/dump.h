/* SPDX-License-Identifier: GPL-2.0-only */
/* The parts of kvmictl dump. */
#ifndef KVMICTL_DUMP_H
#define KVMICTL_DUMP_H

#include "kvmictl.h"

/* Memory that cannot be read, and why. */
struct hole {
	uint64_t start, len;
	int error;
};

struct dump {
	struct kvmic_conn *conn;
	int fd;			/* of the file */
	bool progress;		/* on stderr */
	bool trim;		/* the end is a guess: cut what is not there */
	uint64_t start, len;
	uint64_t done;		/* bytes gone through, holes included */
	uint64_t read;		/* bytes of memory that was there */
	uint64_t zero;		/* of these, in blocks of zeros not written */
	uint64_t end;		/* behind the last memory, from the start */
	size_t holes, room;
	struct hole *hole;
	bool no_memory;		/* of this process, for the list of holes */
	int64_t next_progress;
};

/* Copy guest memory to the file; 0 or an exit status after a complaint. */
int dump_memory(struct dump *d);
/* Is there a part that is no hole but was refused for another reason? */
bool dump_refused(const struct dump *d);

#endif /* KVMICTL_DUMP_H */
