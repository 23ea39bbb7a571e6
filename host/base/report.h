// report: log lines for the operator of a host about runs that failed or will be tried again.
//
// A turn notes its reports, and they are logged once Redis has recorded the turn. When many runs
// fail at once, the first are logged and the others counted.
#ifndef WEIR_REPORT_H
#define WEIR_REPORT_H

#include <stddef.h>
#include <stdint.h>

typedef enum {
    REPORT_FAILED,   // a root run failed
    REPORT_RETRYING, // an attempt of a run, or a try of a step, failed and there will be another
} ReportKind;

typedef struct {
    ReportKind kind;
    char *text;
    char *fields; // JSON
} Report;

// The reports of one turn.
typedef struct {
    Report *items;
    size_t count;
} Reports;

void reports_note(Reports *reports, ReportKind kind, const char *text, const char *fields);
void reports_clear(Reports *reports);

// Writes them to the log as lines of the run, from any thread, and clears them.
void reports_tell(Reports *reports, const char *run_id);

// Leaves out runs that failed: the command reports them. Call it before the first thread starts.
void reports_leave_out_failed(void);

// Says how many were left out, once their time is over: `now_ms` is that of clock_ms.
void reports_tick(int64_t now_ms);

#endif
