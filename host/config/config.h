// config: the command that this process was asked to run, and its settings.
//
// Flags win over WEIR_ variables (--lua-path: WEIR_LUA_PATH), those over the keys of the --config
// file (lua_path), those over the defaults; flags.c has the table. Constant once the threads have
// started.
#ifndef WEIR_CONFIG_H
#define WEIR_CONFIG_H

#include "base/address.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct lua_State;

// ORDER COMMAND: flags.c describes them, main.c runs them.
typedef enum {
    COMMAND_RUN,
    COMMAND_DEV,
    COMMAND_SERVE,
    COMMAND_START,
    COMMAND_SHOW,
    COMMAND_WAIT,
    COMMAND_LIST,
    COMMAND_DEPS,
    COMMAND_WHY,
    COMMAND_CANCEL,
    COMMAND_RETRY,
    COMMAND_DELETE,
    COMMAND_CHECK,
    COMMAND_TEST,
    COMMAND_DOCTOR,
    COMMAND_STATS,
    COMMAND_VERSION,
    COMMAND_HELP,
    COMMAND_COUNT
} Command;

// Exit statuses of weir, beside those of <sysexits.h>.
enum { STATUS_DONE = 0, STATUS_FAILED = 1, STATUS_UNSAFE = 80, STATUS_LOST_WRITES = 81 };

typedef struct {
    const char **items;
    int64_t count;
} TextList;

// A number that was not given and has no default.
#define CONFIG_NONE INT64_MIN

typedef struct {
    Command command;
    TextList arguments; // of the command, flags taken out
    char **words;       // the command line as it was given
    RedisAddress redis; // of run and dev: filled in when their private redis-server is up
    bool redis_found;   // a flag, a variable, a file or a .weir folder named it; else the default
    const char *prefix;

    // hosts
    TextList folders;       // workflow folders
    const char *node;       // name under which this host takes back its runs
    int64_t workers;        // threads
    int64_t concurrency;    // runs that are not waiting, of the whole host
    int64_t warm;           // suspended coroutines kept, of each worker
    TextList queues;        // {"*"}: every queue
    const char *durability; // always, everysec or none
    int64_t drain_ms;
    int64_t poll_ms; // between two looks at workflow files, CONFIG_NONE: Linux reports changes
    const char *lua_path;
    const char *lua_cpath;
    int64_t payload_bytes;
    int64_t memory_bytes;
    int64_t warm_bytes; // that suspended coroutines hold, in the whole host
    int64_t cpu_ms;     // Lua without a yield
    int64_t stuck_ms;   // a turn that Lua cannot interrupt
    int64_t depth;
    int64_t crashes;

    // clients
    const char *data;
    const char *id;
    const char *queue;
    const char *dir;
    TextList tags;    // "key=value"
    int64_t priority; // CONFIG_NONE: the workflow's
    int64_t delay_ms;
    int64_t timeout_ms; // CONFIG_NONE: for ever
    const char *each;   // a file of NDJSON, or "-"
    const char *id_from;
    const char *graph; // a file of JSON, or "-"
    const char *dedupe;
    int64_t within_ms;
    const char *from; // an operation
    bool wait;
    bool any;
    bool all;
    bool dot;
    bool watch;
    bool coverage;
    bool now;
    bool scratch;

    // which runs: a selector, beside `queue` and `tags`
    const char *workflow;
    const char *state;
    const char *since;
    const char *until;
    const char *after;
    const char *error;
    const char *match;
    const char *group;
    const char *rate;
    int64_t limit; // CONFIG_NONE: what the command thinks right
    bool roots;
    bool dry_run;
    bool yes;

    bool json;

    const char *config_file;
    const char *log; // text or json
    const char *log_level;

    TextList kept; // texts of the config file that others point to
} Config;

enum { CONFIG_FAULT_SIZE = 512 };

// Reads the command line, the variables and the config file. STATUS_DONE, or the status to exit
// with and one sentence in `fault`. `config` is never freed: its strings live as long as the
// process.
int config_load(Config *config, int argc, char **argv, char fault[CONFIG_FAULT_SIZE]);

// The name of the command.
const char *config_command(const Config *config);

// Writes how weir (NULL), or one of its commands, is used. EX_USAGE for a command there is not.
int config_usage(FILE *out, const char *command, char fault[CONFIG_FAULT_SIZE]);

// Pushes a table: the arguments as its list, and the value of every flag this command takes under
// its key: durations as integers under `<key>_ms`, what was not given as nil. Also `folders`.
void config_push(struct lua_State *L, const Config *config);

#endif
