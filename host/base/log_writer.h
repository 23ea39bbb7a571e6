// log_writer: writes to stderr from a thread of its own, so that a pipe whose reader sleeps, or a
// terminal that stands still, stops no worker and no heartbeat.
//
// A line is written with a single write(2), so lines never mix with those of other processes.
#ifndef WEIR_LOG_WRITER_H
#define WEIR_LOG_WRITER_H

#include <stddef.h>

// From here on the thread writes; the first line starts it. Until then, and when it cannot be
// started, the caller writes. Lines that do not fit in the queue (1 MiB) are dropped and counted;
// once there is room, `tell` returns a line that says so, which is freed here. Call it before the
// first thread starts; the other functions are for any thread.
void log_writer_open(char *(*tell)(size_t dropped));

// Queues whole lines.
void log_writer_put(const char *lines, size_t size);

// The block at the foot of the terminal: see log_foot. Returns once it is drawn, or when nothing
// could be written for a second.
void log_writer_foot(const char *text);

// Returns once all is written, or when nothing could be written for a second.
void log_writer_flush(void);

#endif
