// flags: what weir can be asked to do, what it takes, and how it says so.
#include "config/flags.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>

// clang-format off
#define MORE "\n                                     " // a second line of help stands below the first
#define JSON_OF_RUN "print the run as JSON"
#define JSON_OF_ACTS "print JSON: a line {\"run\",\"answer\",...} for each RUN named; for a" MORE \
                     "SELECTOR or - one object, the counts and the faults; for" MORE \
                     "--dry-run a line {\"run\",\"would\"} for each id"

const CommandRow command_rows[] = { // ORDER COMMAND
    [COMMAND_RUN]     = {"run", "WORKFLOW|FILE", "one run, with a Redis and a host of its own", 1, 1, JSON_OF_RUN,
                         "weir run greet --dir flows --data '{\"name\":\"Ada\"}'"},
    [COMMAND_DEV]     = {"dev", "[DIR]", "a host with a Redis that keeps its data in .weir/", 0, 1, NULL,
                         "weir dev flows"},
    [COMMAND_SERVE]   = {"serve", "[DIR...]", "the host for production", 0, INT_MAX, NULL,
                         "weir serve flows --redis redis://127.0.0.1:6379/0 --node host-1"},
    [COMMAND_START]   = {"start", "[WORKFLOW]", "start a run, or many, and print their ids", 0, 1,
                         JSON_OF_RUN "; with --each the counts",
                         "weir start greet --id first --data '{\"name\":\"Ada\"}' --wait"},
    [COMMAND_SHOW]    = {"show", "RUN [OPERATION]", "its state, operations and children; or all of one operation", 1, 2,
                         JSON_OF_RUN ", or the operation",
                         "weir show first"},
    [COMMAND_WAIT]    = {"wait", "RUN", "wait until it ended and print its result", 1, 1, JSON_OF_RUN,
                         "weir wait first --timeout 30s"},
    [COMMAND_LIST]    = {"list", "", "runs, newest first", 0, 0, "print a line of JSON for each",
                         "weir list --state failed --since 1h"},
    [COMMAND_DEPS]    = {"deps", "RUN", "what the nodes of a graph run depend on", 1, 1, NULL,
                         "weir deps etl1/transform"},
    [COMMAND_WHY]     = {"why", "[RUN]", "what it, or everything, is waiting for", 0, 1, NULL,
                         "weir why first"},
    [COMMAND_CANCEL]  = {"cancel", "[RUN...]", "end them, and all below each", 0, INT_MAX, JSON_OF_ACTS,
                         "weir cancel --workflow greet --state waiting --dry-run"},
    [COMMAND_RETRY]   = {"retry", "[RUN...]", "go on where they failed or were cancelled", 0, INT_MAX, JSON_OF_ACTS,
                         "weir retry first"},
    [COMMAND_DELETE]  = {"delete", "[RUN...]", "remove ended runs, and all below each", 0, INT_MAX, JSON_OF_ACTS,
                         "weir delete --state completed --until 7d --yes"},
    [COMMAND_CHECK]   = {"check", "[DIR]", "load every workflow file and print its faults", 0, 1, NULL,
                         "weir check flows"},
    [COMMAND_TEST]    = {"test", "[ARG...]", "run specs; arguments and other flags are those of busted", 0, INT_MAX, NULL,
                         "weir test --watch"},
    [COMMAND_DOCTOR]  = {"doctor", "", "look for what is inconsistent in this Redis", 0, 0, NULL,
                         "weir doctor"},
    [COMMAND_STATS]   = {"stats", "", "counts of runs, queues and hosts", 0, 0, NULL,
                         "weir stats --json"},
    [COMMAND_VERSION] = {"version", "", "print the version", 0, 0, NULL, NULL},
    [COMMAND_HELP]    = {"help", "[COMMAND]", "how a command is used", 0, 1, NULL, NULL},
    {.name = "signal"}, {.name = "resolve"}, {.name = "reject"}, {.name = "logs"}, {.name = "bundles"},
    {.name = "move"}, {.name = "init"}, {.name = "top"}, {.name = "bench"},
    {.name = "config"},
};

#define BIT(command) (1u << COMMAND_##command)
#define HOSTS (BIT(RUN) | BIT(DEV) | BIT(SERVE))
#define ACTS (BIT(CANCEL) | BIT(RETRY) | BIT(DELETE))
#define SELECT (BIT(LIST) | ACTS)
#define CLIENTS (SELECT | BIT(START) | BIT(SHOW) | BIT(WAIT) | BIT(DEPS) | BIT(WHY) | BIT(DOCTOR) | BIT(STATS))
#define AT(member) .field = offsetof(Config, member)

const Flag flag_rows[] = {
    {"data", "JSON|@FILE|-", NULL, "what the run gets: JSON, a file of it, or stdin",
     AT(data), .kind = FLAG_TEXT, .commands = BIT(RUN) | BIT(START), .once = true},
    {"id", "ID", NULL, "id of the run; the same again is the same run",
     AT(id), .kind = FLAG_TEXT, .commands = BIT(RUN) | BIT(START), .once = true},
    {"wait", NULL, NULL, "wait until it ended and print its result",
     AT(wait), .kind = FLAG_SWITCH, .commands = BIT(START), .once = true},
    {"delay", "D", NULL, "start it that much later",
     AT(delay_ms), .kind = FLAG_DURATION, .commands = BIT(START), .once = true},
    {"priority", "N", NULL, "-100 to 100, higher first, instead of the workflow's",
     AT(priority), -100, 100, .kind = FLAG_NUMBER, .commands = BIT(START), .once = true},
    {"queue", "Q", NULL, "only those of that queue",
     AT(queue), .kind = FLAG_TEXT, .commands = BIT(START) | SELECT, .once = true,
     .other = BIT(START), .other_help = "the queue it waits in, instead of the workflow's"},
    {"tag", "K=V", NULL, "only those with that tag; may be given again",
     AT(tags), .kind = FLAG_EACH, .commands = BIT(START) | SELECT, .once = true,
     .other = BIT(START), .other_help = "give it that tag; may be given again"},
    {"any", NULL, NULL, "start it though no host knows the workflow",
     AT(any), .kind = FLAG_SWITCH, .commands = BIT(START), .once = true},
    {"each", "FILE|-", NULL, "one run for each line of it, a line being the data",
     AT(each), .kind = FLAG_TEXT, .commands = BIT(START), .once = true},
    {"id-from", "FIELD", NULL, "with --each: the field of the data that is the id",
     AT(id_from), .kind = FLAG_TEXT, .commands = BIT(START), .once = true},
    {"graph", "FILE|-", NULL, "start the graph that is there as JSON",
     AT(graph), .kind = FLAG_TEXT, .commands = BIT(START), .once = true},
    {"dedupe", "KEY", NULL, "the run that was started with that key, if there is one",
     AT(dedupe), .kind = FLAG_TEXT, .commands = BIT(START), .once = true},
    {"within", "D", NULL, "with --dedupe: how long this run stands for others (default 1h)",
     AT(within_ms), .kind = FLAG_DURATION, .commands = BIT(START), .once = true},
    {"dot", NULL, NULL, "print the graph in the language of Graphviz",
     AT(dot), .kind = FLAG_SWITCH, .commands = BIT(SHOW), .once = true},
    {"all", NULL, NULL, "every line, also of what repeats itself, and of more than 1,000 children",
     AT(all), .kind = FLAG_SWITCH, .commands = BIT(SHOW), .once = true},
    {"watch", NULL, NULL, "show it again and again, until it ended",
     AT(watch), .kind = FLAG_SWITCH, .commands = BIT(SHOW) | BIT(TEST), .once = true,
     .other = BIT(TEST), .other_help = "go on, and run again what a saved file touches"},
    {"coverage", NULL, NULL, "say which lines of workflows did not run",
     AT(coverage), .kind = FLAG_SWITCH, .commands = BIT(TEST), .once = true},
    {"timeout", "D", NULL, "give up waiting after that",
     AT(timeout_ms), .kind = FLAG_DURATION, .commands = BIT(WAIT), .once = true},
    {"workflow", "W", NULL, "only runs of that workflow",
     AT(workflow), .kind = FLAG_TEXT, .commands = SELECT, .once = true},
    {"state", "STATE", NULL, "only those in that state",
     AT(state), .kind = FLAG_TEXT, .commands = SELECT, .once = true},
    {"since", "T", NULL, "created then or later: 1h (ago), 2026-11-21, \"2026-11-21 12:00\"",
     AT(since), .kind = FLAG_TEXT, .commands = SELECT, .once = true},
    {"until", "T", NULL, "created then or before",
     AT(until), .kind = FLAG_TEXT, .commands = SELECT, .once = true},
    {"after", "RUN", NULL, "go on below that run, the last one that list showed",
     AT(after), .kind = FLAG_TEXT, .commands = BIT(LIST), .once = true},
    {"error", "CODE", NULL, "only those with that code in their error or its causes",
     AT(error), .kind = FLAG_TEXT, .commands = SELECT, .once = true},
    {"match", "TEXT", NULL, "only those with that text in id, workflow or error",
     AT(match), .kind = FLAG_TEXT, .commands = SELECT, .once = true},
    {"roots", NULL, NULL, "no children",
     AT(roots), .kind = FLAG_SWITCH, .commands = SELECT, .once = true},
    {"limit", "N", NULL, "how many at most",
     AT(limit), 1, 1000000, .kind = FLAG_NUMBER, .commands = SELECT, .once = true,
     .other = BIT(LIST), .other_help = "how many at most (default 50)"},
    {"group", "error", NULL, "one line for each kind of error",
     AT(group), .kind = FLAG_CHOICE, .commands = BIT(LIST), .once = true},
    {"dry-run", NULL, NULL, "print the ids this would be done to, and do nothing",
     AT(dry_run), .kind = FLAG_SWITCH, .commands = ACTS, .once = true},
    {"rate", "N/s", NULL, "no more than that many, as in 50/s or 100/m",
     AT(rate), .kind = FLAG_TEXT, .commands = ACTS, .once = true},
    {"yes", NULL, NULL, "do not ask before it is done to many",
     AT(yes), .kind = FLAG_SWITCH, .commands = ACTS, .once = true},
    {"now", NULL, NULL, "without the clean-up of its workflow",
     AT(now), .kind = FLAG_SWITCH, .commands = BIT(CANCEL), .once = true},
    {"from", "OPERATION", NULL, "forget that operation and all that began after it",
     AT(from), .kind = FLAG_TEXT, .commands = BIT(RETRY), .once = true},
    {"scratch", NULL, NULL, "forget everything: begin anew",
     AT(scratch), .kind = FLAG_SWITCH, .commands = BIT(RETRY), .once = true},

    {"dir", "DIR", NULL, "folder of the workflows (default workflows, or that of FILE)",
     AT(dir), .kind = FLAG_TEXT, .commands = BIT(RUN)},
    {"node", "NAME", NULL, "under which this host, restarted, takes back its runs (default HOSTNAME-PID)",
     AT(node), .kind = FLAG_TEXT, .commands = BIT(SERVE)},
    {"workers", "N", NULL, "threads (default one a processor)",
     AT(workers), 1, 256, .kind = FLAG_NUMBER, .commands = HOSTS},
    {"concurrency", "N", "1000", "runs that are not waiting, at most",
     AT(concurrency), 1, 1000000, .kind = FLAG_NUMBER, .commands = HOSTS},
    {"warm", "N", "10000", "waiting runs a worker keeps in memory",
     AT(warm), 0, 10000000, .kind = FLAG_NUMBER, .commands = HOSTS},
    {"warm-memory", "SIZE", "1GiB", "Lua memory that waiting runs of this host keep",
     AT(warm_bytes), .kind = FLAG_SIZE, .commands = HOSTS},
    {"queues", "A,B", "*", "that this host serves; * is all",
     AT(queues), .kind = FLAG_LIST, .commands = HOSTS},
    {"durability", "always|everysec|none", "everysec", "what Redis must promise",
     AT(durability), .kind = FLAG_CHOICE, .commands = BIT(RUN) | BIT(DEV), .later = BIT(SERVE)},
    {"drain", "D", "30s", "how long running Lua may take to its next yield after SIGTERM",
     AT(drain_ms), .kind = FLAG_DURATION, .commands = HOSTS},
    {"poll", "D", NULL, "look for changed files that often, where Linux reports none (NFS)",
     AT(poll_ms), .kind = FLAG_DURATION, .commands = BIT(SERVE) | BIT(DEV)},
    {"lua-path", "PATH", NULL, "where workflows find modules, as package.path",
     AT(lua_path), .kind = FLAG_TEXT, .commands = HOSTS | BIT(CHECK) | BIT(TEST)},
    {"lua-cpath", "PATH", NULL, "the same for modules in C",
     AT(lua_cpath), .kind = FLAG_TEXT, .commands = HOSTS | BIT(CHECK) | BIT(TEST)},
    {"max-payload", "SIZE", "16MiB", "one payload",
     AT(payload_bytes), .kind = FLAG_SIZE, .commands = HOSTS},
    {"max-memory", "SIZE", "256MiB", "Lua memory of one run",
     AT(memory_bytes), .kind = FLAG_SIZE, .commands = HOSTS | BIT(CHECK)},
    {"max-cpu", "D", "5s", "Lua without a yield",
     AT(cpu_ms), .kind = FLAG_DURATION, .commands = HOSTS | BIT(CHECK)},
    {"max-stuck", "D", "1m", "what Lua cannot interrupt, before the process is given up",
     AT(stuck_ms), .kind = FLAG_DURATION, .commands = HOSTS},
    {"max-depth", "N", "64", "runs below each other",
     AT(depth), 1, 10000, .kind = FLAG_NUMBER, .commands = HOSTS},
    {"max-crashes", "N", "5", "worker crashes after which a run fails",
     AT(crashes), 1, 1000, .kind = FLAG_NUMBER, .commands = HOSTS},

    {"redis", "URL", NULL, "redis://[user:password@]host:port/db or unix:///path" MORE
     "(default the .weir/ here or above, else redis://127.0.0.1:6379/0)",
     AT(redis), .kind = FLAG_ADDRESS, .commands = CLIENTS | BIT(SERVE)},
    {"prefix", "NAME", "weir", "of all keys in Redis",
     AT(prefix), .kind = FLAG_TEXT, .commands = CLIENTS | HOSTS},
    {"json", NULL, NULL, "print JSON",
     AT(json), .kind = FLAG_SWITCH, .commands = CLIENTS | BIT(RUN) | BIT(CHECK) | BIT(TEST) | BIT(VERSION)},
    {"log", "text|json", "text", "form of the log lines",
     AT(log), .kind = FLAG_CHOICE, .commands = HOSTS},
    {"log-level", "debug|info|warn|error", NULL, "what is logged (default info; run logs warn, and info of the run)",
     AT(log_level), .kind = FLAG_CHOICE, .commands = HOSTS},
    {"config", "FILE", NULL, "a Lua table of these settings",
     AT(config_file), .kind = FLAG_TEXT, .commands = CLIENTS | HOSTS | BIT(CHECK) | BIT(TEST),
     .once = true},

    {"listen", .later = BIT(SERVE)}, {"token-file", .later = BIT(SERVE)},
    {"state-dir", .later = BIT(SERVE)}, {"accept-loss", .later = BIT(SERVE)},
    {"announce", .later = BIT(SERVE)},
};
// clang-format on

const size_t command_count = sizeof command_rows / sizeof *command_rows;
const size_t flag_count = sizeof flag_rows / sizeof *flag_rows;
_Static_assert(sizeof flag_rows / sizeof *flag_rows <= FLAGS_MAX, "raise FLAGS_MAX");

const CommandRow *command_find(const char *name) {
    for (size_t i = 0; i < command_count; i++)
        if (strcmp(command_rows[i].name, name) == 0) return &command_rows[i];
    return NULL;
}

const Flag *flag_find(const char *name, size_t length) {
    for (const Flag *flag = flag_rows; flag < flag_rows + flag_count; flag++)
        if (strlen(flag->name) == length && memcmp(flag->name, name, length) == 0) return flag;
    return NULL;
}

const char *flag_spell(const Flag *flag, char name[FLAG_NAME_SIZE], bool capital) {
    snprintf(name, FLAG_NAME_SIZE, "%s%s", capital ? "WEIR_" : "", flag->name);
    for (char *at = name; *at; at++)
        *at = (char)(*at == '-' ? '_' : capital ? toupper((unsigned char)*at) : *at);
    return name;
}

// Returns the help text of the flag for that command.
static const char *help_of(const Flag *flag, const CommandRow *row) {
    if (row->json && strcmp(flag->name, "json") == 0) return row->json;
    return flag->other & 1u << (row - command_rows) ? flag->other_help : flag->help;
}

static void write_flag(FILE *out, const Flag *flag, const CommandRow *row) {
    char form[64];
    snprintf(form, sizeof form, "--%s %s", flag->name, flag->argument ? flag->argument : "");
    fprintf(out, "  %-34s %s", form, help_of(flag, row));
    if (flag->value) fprintf(out, " (default %s)", flag->value);
    fputc('\n', out);
}

static void write_command(FILE *out, const CommandRow *row) {
    fprintf(out, "usage: weir %s%s%s [FLAGS]\n\n%s\n", row->name, *row->arguments ? " " : "",
            row->arguments, row->summary);
    if (row->example) fprintf(out, "\nexample: %s\n", row->example);
    bool any = false, settings = false;
    for (const Flag *flag = flag_rows; flag < flag_rows + flag_count; flag++) {
        if (!flag_taken(flag, (Command)(row - command_rows))) continue;
        if (!any) fputc('\n', out);
        write_flag(out, flag, row);
        any = true;
        settings = settings || !flag->once;
    }
    if (settings)
        fputs("\nA setting may also stand in a variable (--lua-path: WEIR_LUA_PATH) or in the "
              "--config\n"
              "file (lua_path = ...): flags win over variables, variables over the file.\n",
              out);
}

static const struct {
    const char *name, *text;
} topics[] = {
    {"states",
     "A run is in one of these states (weir list --state STATE):\n\n"
     "  scheduled  it starts later (--delay)\n"
     "  ready      it stands in its queue, until a worker has room\n"
     "  running    a worker runs its Lua\n"
     "  waiting    for a child, a sleep or the next try of a step; it costs nothing meanwhile\n"
     "  retrying   an attempt failed, and the next begins later\n"
     "  completed  it ended with a result\n"
     "  failed     it ended with an error: weir retry RUN\n"
     "  cancelled  it was ended from outside: weir cancel RUN\n\n"
     "An operation of a run is pending (a node of a graph that has not begun), running, "
     "completed,\n"
     "failed or cancelled.\n"},
    {"durations",
     "A duration is a number with a unit, or several: 250ms, 30s, 5m, 2h, 1d, 1h30m. In Lua a "
     "number\n"
     "alone is seconds. --since and --until take one as that long ago, or an instant: 2026-11-21,\n"
     "\"2026-11-21 12:00\" (the clock here), 2026-11-21T12:00:00Z.\n"},
};

bool flags_topic(FILE *out, const char *name) {
    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++) {
        if (strcmp(topics[i].name, name) != 0) continue;
        fputs(topics[i].text, out);
        return true;
    }
    return false;
}

// Explains the behavior of a command that the help of its flags does not cover.
static const char *const retry_rules =
    "\nA retry begins another attempt on the newest code. What has completed is kept; what failed "
    "and\n"
    "was not dealt with by the workflow is done again, and so is what it left unfinished. --from\n"
    "OPERATION does that operation and all that began after it again, --scratch everything. "
    "Automatic\n"
    "retries are the workflow's: retry = { attempts = 3, delay = \"1s\", backoff = \"exponential\" "
    "}.\n";

void flags_usage(FILE *out, const CommandRow *row) {
    if (row) {
        write_command(out, row);
        if (row == &command_rows[COMMAND_RETRY]) fputs(retry_rules, out);
        return;
    }
    fputs("usage: weir COMMAND [ARGUMENTS] [FLAGS]\n\n", out);
    for (row = command_rows; row->summary; row++)
        fprintf(out, "  %-8s %-15s %s\n", row->name, row->arguments, row->summary);
    fputs("\nweir help COMMAND shows its flags and an example; weir help states, durations.\n",
          out);
}
