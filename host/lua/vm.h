// vm: one Lua state, of one thread. The only file that lets Lua run.
//
// Everything that may raise runs protected; what a run allocates is charged to that run, and a run
// that passes a limit is doomed: its code is stopped and forgotten, and its next turn ends it with
// that failure. So no run can stop another. C knows of Lua only what executor.lua offers: begin,
// more, turn, doom.
#ifndef WEIR_VM_H
#define WEIR_VM_H

#include "assets/bundle.h"
#include "base/report.h"
#include "config/config.h"
#include "lua/limit.h"
#include "redis/batch.h"

typedef struct Vm Vm;
typedef Account VmRun; // a run as the Lua state knows it

Vm *vm_open(const Config *config);
void vm_close(Vm *vm);

// The state itself, for those who run no workflows in it (the command line tool).
struct lua_State *vm_lua(Vm *vm);

// Gives another state weir's own modules, those in C too, and the paths that flags name.
void vm_install_modules(struct lua_State *L, const Config *config);

// 0, or UV_EINVAL with one fault on each line of `faults` (to be freed). Runs of a bundle that
// could not be loaded can be begun all the same: they are doomed.
int vm_load_bundle(Vm *vm, const char *hash, const Source *sources, size_t count, char **faults);
void vm_refuse_bundle(Vm *vm, const char *hash, const char *fault);
bool vm_has_bundle(Vm *vm, const char *hash);

// A page of a run's record: fields and values, the elements of `reply` from `skip` on.
typedef struct {
    const Reply *reply;
    size_t skip;
    bool last;
} VmPage;

// Calls `progress` each time that a run comes past something that its journal holds.
void vm_on_progress(Vm *vm, void (*progress)(void *owner), void *owner);

// A run out of its record, of which this is the first page; `known` is the number of the last
// outcome then. Only after the last page it may have a turn. Never fails: a run that cannot begin
// is doomed.
VmRun *vm_begin(Vm *vm, const char *id, const char *hash, int64_t known, const VmPage *page);
// The pages that follow.
void vm_more(Vm *vm, VmRun *run, const char *id, const VmPage *page);

// Outcomes (the elements of `reply` from `skip` on) for its next turn.
void vm_deliver(Vm *vm, VmRun *run, const Reply *outcomes, size_t skip);

// Lets the run go on until all its branches are parked. 0 and how many effects it has for the
// store, which vm_take_effects must take at once; or UV_EPROTO when not even its end could be had.
// `recorded_ms` is when its last turn was recorded, 0 when it has had none here.
int vm_turn(Vm *vm, VmRun *run, int64_t now_ms, int64_t recorded_ms, size_t *effects);
void vm_take_effects(Vm *vm, Batch *batch);

// What the last turn noted for the log; the caller's from here on.
Reports vm_take_reports(Vm *vm);

// The next turn ends it with this failure, without any more of its code.
void vm_kill(Vm *vm, VmRun *run, const char *code, const char *message);

// What it foresaw once was wrong: it does not go on by that again.
void vm_disable_speculation(Vm *vm, VmRun *run);

// The run is dropped where it stands; nothing of it runs any more.
void vm_forget(Vm *vm, VmRun *run);

// Bytes of Lua memory that it holds, garbage among them.
size_t vm_memory(const VmRun *run);

// As limit_collect: to be called while there is nothing else to do, and now and then otherwise.
bool vm_collect(Vm *vm);

// One line that says what it is doing; to be freed.
char *vm_describe(Vm *vm, VmRun *run);

// What is found in a folder, a line for each; NULL where there is nothing of the kind.
typedef struct {
    char *faults;    // it does not load then
    char *notes;     // no faults, but perhaps not what was meant
    char *workflows; // ids, weir's own left out
} Findings;

void findings_free(Findings *findings);
size_t findings_count(const char *lines);

// What a host says of a bundle to the registry: loads it, and leaves the arguments of `announce` to
// be taken by vm_take_effects. UV_EINVAL when there are faults. Of a bundle in which only `wanted`
// (a workflow or a file, NULL: all) is to be run, what else does not load is left out and noted.
int vm_announce(Vm *vm, const Source *sources, size_t count, const char *wanted, size_t *arguments,
                Findings *findings);
// Only looks.
int vm_check(Vm *vm, const Source *sources, size_t count, Findings *findings);

#endif
