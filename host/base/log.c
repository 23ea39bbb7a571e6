// log: formats a line in memory of its own; log_writer.c writes it.
//
// Under journald (JOURNAL_STREAM names stderr) a line begins with its priority instead of the time,
// because the journal records the time itself. No function fails: a line that cannot be written is
// dropped.
#include "base/log.h"
#include "base/log_writer.h"
#include "base/text.h"
#include "base/xmalloc.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

static const char *const names[] = {
    [LEVEL_DEBUG] = "debug", [LEVEL_INFO] = "info", [LEVEL_WARN] = "warn", [LEVEL_ERROR] = "error"};
static const int priorities[] = {
    [LEVEL_DEBUG] = 7, [LEVEL_INFO] = 6, [LEVEL_WARN] = 4, [LEVEL_ERROR] = 3};

static LogFormat form = LOG_TEXT;
static LogLevel threshold = LEVEL_INFO, threshold_of_runs = LEVEL_INFO;
static const char *const styles[] = {[LOG_BOLD] = "\x1b[1m",
                                     [LOG_FAINT] = "\x1b[2m",
                                     [LOG_RED] = "\x1b[31;1m",
                                     [LOG_YELLOW] = "\x1b[33m"};
static const LogStyle styles_of_levels[] = {[LEVEL_DEBUG] = LOG_FAINT,
                                            [LEVEL_INFO] = LOG_PLAIN,
                                            [LEVEL_WARN] = LOG_YELLOW,
                                            [LEVEL_ERROR] = LOG_RED};
static bool journal, coloured;

typedef struct {
    char *bytes;
    size_t size;
    size_t capacity;
} Line;

static void put(Line *line, const char *bytes, size_t size) {
    if (line->size + size > line->capacity) {
        line->capacity = 2 * (line->size + size) + 256;
        line->bytes = xrealloc(line->bytes, line->capacity);
    }
    memcpy(line->bytes + line->size, bytes, size);
    line->size += size;
}

static void put_text(Line *line, const char *text) {
    put(line, text, strlen(text));
}

__attribute__((format(printf, 2, 3))) static void put_format(Line *line, const char *format, ...) {
    char text[128];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    put_text(line, text);
}

static void put_plain(Line *line, const char *text, TextForm as) {
    char *plain = text_plain(text, strlen(text), as);
    put_text(line, plain);
    free(plain);
}

static void put_string(Line *line, const char *text) {
    put_text(line, "\"");
    put_plain(line, text, TEXT_JSON);
    put_text(line, "\"");
}

static void put_part(Line *line, LogPart part) {
    bool styled = coloured && part.style != LOG_PLAIN;
    if (styled) put_text(line, styles[part.style]);
    put_plain(line, part.text, TEXT_LINE);
    if (styled) put_text(line, "\x1b[0m");
}

static void put_time(Line *line) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct tm day;
    gmtime_r(&now.tv_sec, &day);
    char text[32];
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &day);
    put_format(line, "%s.%03ldZ", text, now.tv_nsec / 1000000);
}

static void put_json_line(Line *line, LogLevel level, const char *run_id, const LogPart *parts,
                          size_t count, const char *fields_json) {
    put_text(line, "{\"time\":\"");
    put_time(line);
    put_format(line, "\",\"level\":\"%s\",\"text\":\"", names[level]);
    for (size_t i = 0; i < count; i++) put_plain(line, parts[i].text, TEXT_JSON);
    put_text(line, "\"");
    if (run_id) {
        put_text(line, ",\"run\":");
        put_string(line, run_id);
    }
    if (fields_json) {
        put_text(line, ",\"fields\":");
        put_plain(line, fields_json, TEXT_OF_JSON);
    }
    put_text(line, "}");
}

static void put_text_line(Line *line, LogLevel level, const char *run_id, const LogPart *parts,
                          size_t count, const char *fields_json) {
    if (!journal) {
        put_time(line);
        put_text(line, " ");
        put_part(line, (LogPart){styles_of_levels[level], names[level]});
        put_format(line, "%*s ", 5 - (int)strlen(names[level]), "");
    }
    if (run_id) {
        put_plain(line, run_id, TEXT_LINE);
        put_text(line, ": ");
    }
    for (size_t i = 0; i < count; i++) put_part(line, parts[i]);
    if (fields_json) {
        put_text(line, " ");
        put_plain(line, fields_json, TEXT_LINE);
    }
}

void log_foot(const char *text) {
    log_writer_foot(text);
}

void log_flush(void) {
    log_writer_flush();
}

void log_plain(const char *text) {
    log_writer_put(text, strlen(text));
}

static void put_line(Line *line, LogLevel level, const char *run_id, const LogPart *parts,
                     size_t count, const char *fields_json) {
    if (journal) put_format(line, "<%d>", priorities[level]);
    (form == LOG_JSON ? put_json_line : put_text_line)(line, level, run_id, parts, count,
                                                       fields_json);
    put_text(line, "\n");
}

// Returns the line that says how many lines were dropped; the caller frees it.
static char *tell_dropped(size_t count) {
    char text[128];
    snprintf(text, sizeof text,
             "%zu lines of the log were dropped because nothing reads stderr; log less, or read it",
             count);
    Line line = {0};
    put_line(&line, LEVEL_WARN, NULL, &(LogPart){LOG_PLAIN, text}, 1, NULL);
    put(&line, "", 1);
    return line.bytes;
}

static void write_line(LogLevel level, const char *run_id, const LogPart *parts, size_t count,
                       const char *fields_json) {
    if (level < (run_id ? threshold_of_runs : threshold)) return;
    Line line = {0};
    put_line(&line, level, run_id, parts, count, fields_json);
    log_writer_put(line.bytes, line.size);
    free(line.bytes);
}

void log_run(LogLevel level, const char *run_id, const char *text, const char *fields_json) {
    write_line(level, run_id, &(LogPart){LOG_PLAIN, text}, 1, fields_json);
}

void log_parts(LogLevel level, const LogPart *parts, size_t count) {
    write_line(level, NULL, parts, count, NULL);
}

static void log_values(LogLevel level, const char *format, va_list values) {
    if (level < threshold) return;
    char *text;
    if (vasprintf(&text, format, values) < 0) abort();
    log_run(level, NULL, text, NULL);
    free(text);
}

#define DEFINE_LOG(name, level)                                                                    \
    void name(const char *format, ...) {                                                           \
        va_list values;                                                                            \
        va_start(values, format);                                                                  \
        log_values(level, format, values);                                                         \
        va_end(values);                                                                            \
    }

DEFINE_LOG(log_info, LEVEL_INFO)
DEFINE_LOG(log_warn, LEVEL_WARN)
DEFINE_LOG(log_error, LEVEL_ERROR)

// A child inherits JOURNAL_STREAM even if its stderr goes elsewhere, so the numbers are compared.
static bool stderr_is_journal(void) {
    const char *stream = getenv("JOURNAL_STREAM");
    uintmax_t device, inode;
    struct stat status;
    return stream && sscanf(stream, "%ju:%ju", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device && status.st_ino == inode;
}

static bool stderr_is_coloured(void) {
    const char *refused = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return isatty(STDERR_FILENO) && !(refused && *refused) &&
           !(terminal && strcmp(terminal, "dumb") == 0);
}

void log_open(LogFormat format, LogLevel least, LogLevel least_of_runs) {
    form = format;
    threshold = least;
    threshold_of_runs = least_of_runs;
    journal = stderr_is_journal();
    coloured = format == LOG_TEXT && stderr_is_coloured();
    log_writer_open(tell_dropped);
}

int log_level(const char *name, LogLevel *level) {
    for (LogLevel each = LEVEL_DEBUG; each <= LEVEL_ERROR; each++)
        if (strcasecmp(name, names[each]) == 0) {
            *level = each;
            return 0;
        }
    return UV_EINVAL;
}
