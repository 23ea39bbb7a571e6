// log: lines on stderr for people and log collectors.
//
// For any thread once log_open has run. No function waits for the reader of stderr: see
// log_writer.h. Before log_open, lines of level info and above are written as text, at once.
#ifndef WEIR_LOG_H
#define WEIR_LOG_H

#include <stddef.h>

typedef enum { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARN, LEVEL_ERROR } LogLevel;
typedef enum { LOG_TEXT, LOG_JSON } LogFormat;

// Drops lines below `least`; of the lines of runs, those below `least_of_runs`. Call it once,
// before the first thread starts.
void log_open(LogFormat format, LogLevel least, LogLevel least_of_runs);

// Returns 0 and the level, or UV_EINVAL for a word that is no level.
int log_level(const char *name, LogLevel *level);

#define LOG_PRINTF __attribute__((format(printf, 1, 2)))
void log_info(const char *format, ...) LOG_PRINTF;
void log_warn(const char *format, ...) LOG_PRINTF;
void log_error(const char *format, ...) LOG_PRINTF;

// A line of parts, for which a terminal has styles. NO_COLOR and TERM=dumb ask for none.
typedef enum { LOG_PLAIN, LOG_BOLD, LOG_FAINT, LOG_RED, LOG_YELLOW } LogStyle;
typedef struct {
    LogStyle style;
    const char *text;
} LogPart;
void log_parts(LogLevel level, const LogPart *parts, size_t count);
#define LOG_ERROR(...)                                                                             \
    log_parts(LEVEL_ERROR, (const LogPart[]){__VA_ARGS__},                                         \
              sizeof((const LogPart[]){__VA_ARGS__}) / sizeof(LogPart))

// Logs a line of a run. `run_id` and `fields_json`, a JSON object, may be NULL.
void log_run(LogLevel level, const char *run_id, const char *text, const char *fields_json);

// Writes whole lines for people, unchanged.
void log_plain(const char *text);

// Waits until all lines are written, or nothing reads stderr. Call it before the process ends.
void log_flush(void);

// Keeps a block of lines at the foot of stderr, which is a terminal. `text` replaces the block
// before, and lines of the log go above it. NULL ends the block; its text stays on the screen.
void log_foot(const char *text);

#endif
