// report: see report.h. Windows of time are those of the process, whatever worker tells.
#include "base/report.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/xmalloc.h"

#include <pthread.h>
#include <stdbool.h>

enum { WINDOW_MS = 10000, TOLD = 20 }; // lines of a kind in a window

static const LogLevel levels[] = {[REPORT_FAILED] = LEVEL_WARN, [REPORT_RETRYING] = LEVEL_INFO};

typedef struct {
    int64_t began_ms;
    size_t count;
} Window;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Window windows[2]; // by kind
static bool leaves_out_failed;

void reports_note(Reports *reports, ReportKind kind, const char *text, const char *fields) {
    if (kind == REPORT_FAILED && leaves_out_failed) return;
    reports->items = xrealloc(reports->items, (reports->count + 1) * sizeof *reports->items);
    reports->items[reports->count++] = (Report){kind, xstrdup(text), xstrdup(fields)};
}

void reports_clear(Reports *reports) {
    for (size_t i = 0; i < reports->count; i++) {
        free(reports->items[i].text);
        free(reports->items[i].fields);
    }
    free(reports->items);
    *reports = (Reports){0};
}

// Says what was left out of a window that is over, and begins the next one.
static void turn_window(ReportKind kind, int64_t now_ms) {
    Window *window = &windows[kind];
    if (now_ms - window->began_ms < WINDOW_MS) return;
    size_t more = window->count > TOLD ? window->count - TOLD : 0;
    *window = (Window){.began_ms = now_ms};
    if (!more) return;
    if (kind == REPORT_FAILED)
        log_warn("%zu more failed within %d s: weir list --state failed --group error", more,
                 WINDOW_MS / 1000);
    else
        log_info("%zu more attempt%s failed within %d s, with another to follow", more,
                 more == 1 ? "" : "s", WINDOW_MS / 1000);
}

static bool is_told(ReportKind kind) {
    pthread_mutex_lock(&lock);
    turn_window(kind, clock_ms());
    bool told = ++windows[kind].count <= TOLD;
    pthread_mutex_unlock(&lock);
    return told;
}

void reports_tell(Reports *reports, const char *run_id) {
    for (size_t i = 0; i < reports->count; i++) {
        const Report *report = &reports->items[i];
        if (is_told(report->kind))
            log_run(levels[report->kind], run_id, report->text, report->fields);
    }
    reports_clear(reports);
}

void reports_leave_out_failed(void) {
    leaves_out_failed = true;
}

void reports_tick(int64_t now_ms) {
    pthread_mutex_lock(&lock);
    turn_window(REPORT_FAILED, now_ms);
    turn_window(REPORT_RETRYING, now_ms);
    pthread_mutex_unlock(&lock);
}
