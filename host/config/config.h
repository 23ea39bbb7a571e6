// config: the command that this process was asked to run, and the settings of its host.
//
// lua/weir/cli reads the command line, the WEIR_ variables and the --config file; it has the tables
// of commands and flags. C keeps the settings that a host and a Lua state need. Options of all
// other commands pass through to Lua. Constant once the threads have started.
#ifndef WEIR_CONFIG_H
#define WEIR_CONFIG_H

#include "base/address.h"

#include <stdbool.h>
#include <stdint.h>

struct lua_State;

// The commands that C runs; the client is all others.
typedef enum { COMMAND_RUN, COMMAND_DEV, COMMAND_SERVE, COMMAND_TEST, COMMAND_CLIENT } Command;

// Exit statuses of weir, beside those of <sysexits.h>.
enum { STATUS_DONE = 0, STATUS_FAILED = 1, STATUS_UNSAFE = 80, STATUS_LOST_WRITES = 81 };

typedef struct {
    const char **items;
    int64_t count;
} TextList;

// A setting that the command does not take is 0 or NULL.
typedef struct {
    Command command;
    const char *name;      // of the command
    char **words;          // the command line as it was given
    struct lua_State *lua; // owns the texts and lists below, and the options that Lua reads
    RedisAddress redis;    // of run and dev: filled in when their private redis-server is up
    bool redis_found;    // a flag, a variable, a file or a .weir folder named it; else the default
    char *warning;       // about the settings, for people; NULL: none
    bool core_dumps;     // a crash may leave one, though it holds the password of Redis
    const char *prefix;  // of all keys
    const char *wanted;  // the workflow or the file of `weir run`
    TextList folders;    // workflow folders
    const char *node;    // name under which this host takes back its runs
    bool test;           // weir dev runs specs, too
    bool announce;       // the folders become the newest, whatever was announced before
    int64_t workers;     // threads
    int64_t concurrency; // runs that are not waiting, of the whole host
    int64_t warm;        // suspended coroutines kept, of each worker
    int64_t warm_bytes;  // Lua memory that these hold, in the whole host
    TextList queues;     // {"*"}: every queue
    const char *reload;  // of runs that would not go on: warn, refuse or off
    const char *durability;  // always, everysec, none or replicated
    const char *state_dir;   // that keeps the history of the dataset; NULL: none
    const char *accept_loss; // the dataset of which changes may be lost at this start
    int64_t drain_ms;        // for running Lua after SIGTERM
    int64_t poll_ms;         // between two looks at workflow files; 0: Linux reports changes
    const char *lua_path;
    const char *lua_cpath;
    int64_t payload_bytes;
    int64_t memory_bytes; // of one run
    int64_t cpu_ms;       // Lua without a yield
    int64_t stuck_ms;     // a turn that Lua cannot interrupt
    int64_t depth;        // of runs below each other
    int64_t crashes;      // of workers, after which a run fails
    const char *log;      // text or json
    const char *log_level;
} Config;

enum { CONFIG_FAULT_SIZE = 1024 };

// The variable by which `weir dev` tells the `weir test` beside it which folder it serves.
#define CONFIG_TEST_BESIDE "WEIR_TEST_BESIDE"

// Reads the command line, the variables and the config file. Returns STATUS_DONE, or the status to
// exit with and one sentence in `fault`. Hides passwords in `argv`. The texts live until `lua` is
// closed: for ever, but in tests. Call it before the first thread starts.
int config_load(Config *config, int argc, char **argv, char fault[CONFIG_FAULT_SIZE]);

// Whether a change counts as acknowledged only when a replica has it (--durability replicated).
bool config_waits_for_replica(const Config *config);

// Pushes the options of the command for its Lua code: see lua/weir/cli/command_line.lua.
void config_push(struct lua_State *L, const Config *config);

#endif
