// vm: one Lua state, of one thread, in which runs execute.
//
// Calls into Lua that may raise are protected. Memory that a run allocates is charged to that run.
// A run that passes a limit is killed: its code never runs again, and its next turn ends the run
// with that failure. So no run can stop another. C calls only what lua/weir/engine/run.lua offers:
// begin, more, turn, kill.
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
// The same, where no run executes: modules load when a command needs them.
Vm *vm_open_for_commands(const Config *config);
void vm_close(Vm *vm);

// The state itself, for the command line tool, which runs no workflows in it.
struct lua_State *vm_lua(Vm *vm);

// Returns 0; or UV_EINVAL with one fault on each line of `faults`, which the caller frees.
int vm_load_bundle(Vm *vm, const char *hash, const Source *sources, size_t count, char **faults);
// Runs of the bundle can begin, and fail with this fault.
void vm_refuse_bundle(Vm *vm, const char *hash, const char *fault);
// Its code goes once no run uses it any more.
void vm_forget_bundle(Vm *vm, const char *hash);

// A page of a run's record: fields and values, the elements of `reply` from `skip` on.
typedef struct {
    const Reply *reply;
    size_t skip;
    bool last;
} VmPage;

// Tells what runs do in their turns, on this thread.
void vm_watch(Vm *vm, LimitEvents events);

// Begins a run from the first page of its record; `known` is the number of the last outcome in the
// record. The run may have a turn after the last page. Never fails: a run that cannot begin is
// killed.
VmRun *vm_begin(Vm *vm, const char *id, const char *hash, int64_t known, const VmPage *page);
// The pages that follow.
void vm_more(Vm *vm, VmRun *run, const char *id, const VmPage *page);

// Outcomes (the elements of `reply` from `skip` on) for its next turn.
void vm_deliver(Vm *vm, VmRun *run, const Reply *outcomes, size_t skip);

// Runs the code until all branches are parked. Returns 0 and the number of effects, which
// vm_take_effects must take at once; or UV_EPROTO when the run cannot even be ended. `recorded_ms`
// is when Redis recorded the run's last turn, 0 when it has had none here.
int vm_turn(Vm *vm, VmRun *run, int64_t now_ms, int64_t recorded_ms, size_t *effects);
void vm_take_effects(Vm *vm, Batch *batch);
void vm_drop_effects(Vm *vm); // instead

// Returns the reports of the last turn for the log; they belong to the caller from here on.
Reports vm_take_reports(Vm *vm);

// The next turn ends the run with this failure, without running its code.
void vm_kill(Vm *vm, VmRun *run, const char *code, const char *message);

// The run speculated on a wrong outcome: it does not speculate again.
void vm_disable_speculation(Vm *vm, VmRun *run);

// Drops the coroutines of the run; no code of it runs any more, not even <close>.
void vm_forget(Vm *vm, VmRun *run);

// Bytes of Lua memory that the run holds, garbage included.
size_t vm_memory(const VmRun *run);

// As limit_collect: call it while there is nothing else to do, and now and then otherwise.
bool vm_collect(Vm *vm);

// Returns one line that says what the run is doing; the caller frees it.
char *vm_describe(Vm *vm, VmRun *run);

// Findings in a folder, a line for each; NULL where there are none of the kind.
typedef struct {
    char *faults;    // the folder does not load
    char *notes;     // no faults, but perhaps mistakes
    char *workflows; // ids, without weir's own
    char *silent;    // paths of files that return nothing
} Findings;

void findings_free(Findings *findings);

// Loads a bundle and leaves the arguments of `announce` for vm_take_effects or vm_drop_effects.
// UV_EINVAL when there are faults. When only `wanted` (a workflow or a file, NULL: all) is to run,
// other files that do not load are left out, with a note.
int vm_announce(Vm *vm, const Source *sources, size_t count, const char *wanted, size_t *arguments,
                Findings *findings);

#endif
