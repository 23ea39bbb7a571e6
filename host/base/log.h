// log: lines on stderr for people and log collectors.
//
// Works from any thread once log_open has run, and never waits for the reader of stderr: see
// log_writer.h. Before log_open, lines of info and above are written as text, at once.
#ifndef WEIR_LOG_H
#define WEIR_LOG_H

typedef enum { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARN, LEVEL_ERROR } LogLevel;
typedef enum { LOG_TEXT, LOG_JSON } LogFormat;

// Lines below `least` are dropped, of a run's own those below `least_of_runs`. Call once, before
// the first thread starts.
void log_open(LogFormat format, LogLevel least, LogLevel least_of_runs);

// 0 and the level, or UV_EINVAL for a word that names none.
int log_level(const char *name, LogLevel *level);

#define LOG_PRINTF __attribute__((format(printf, 1, 2)))
void log_info(const char *format, ...) LOG_PRINTF;
void log_warn(const char *format, ...) LOG_PRINTF;
void log_error(const char *format, ...) LOG_PRINTF;

// A line of a run's own: `fields_json` is a JSON object, or NULL.
void log_run(LogLevel level, const char *run_id, const char *text, const char *fields_json);

// Text for people as it stands: whole lines.
void log_plain(const char *text);

// Waits until all is written, unless stderr is not read: before the process ends.
void log_flush(void);

// Keeps a block of lines at the foot of stderr, a terminal: `text` takes the place of the block
// before, and lines of the log go above it. NULL: what stands there stays, and is a block no more.
void log_foot(const char *text);

#endif
