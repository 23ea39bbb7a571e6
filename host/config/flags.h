// flags: the tables of commands and flags; for config.c alone.
//
// One row has all of a flag: its default, the commands that take it, the field of Config that it
// sets. Its variable, its key in the config file and the usage text follow from the row.
#ifndef WEIR_FLAGS_H
#define WEIR_FLAGS_H

#include "config/config.h"

#include <stddef.h>

typedef struct {
    const char *name;
    const char *arguments; // as usage shows them
    const char *summary;   // NULL: not there yet
    int least, most;       // how many arguments
    const char *json;      // what --json does, where the flag's own help says too little
    const char *example;
} CommandRow;

typedef enum {
    FLAG_SWITCH,   // bool
    FLAG_TEXT,     // const char *
    FLAG_CHOICE,   // const char *, one of the words that `argument` shows
    FLAG_LIST,     // TextList, separated by commas
    FLAG_EACH,     // TextList, the flag given again and again
    FLAG_NUMBER,   // int64_t
    FLAG_SIZE,     // int64_t bytes
    FLAG_DURATION, // int64_t milliseconds
    FLAG_ADDRESS,  // RedisAddress
} FlagKind;

typedef struct {
    const char *name;
    const char *argument;
    const char *value; // the default, NULL: none, or found out in `complete`
    const char *help;
    size_t field;
    int64_t least, most; // of a FLAG_NUMBER
    FlagKind kind;
    unsigned commands; // that take it; none: it is not there yet
    unsigned later;    // for which it is not there yet
    bool once;         // says something of this call alone: no variable, no key in the config file
    unsigned other;    // commands for which it means something else,
    const char *other_help; // namely this
} Flag;

extern const CommandRow command_rows[]; // ORDER COMMAND, then those not there yet
extern const size_t command_count;
extern const Flag flag_rows[];
extern const size_t flag_count;

enum { FLAGS_MAX = 64 };

const CommandRow *command_find(const char *name);
const Flag *flag_find(const char *name, size_t length);

static inline bool flag_taken(const Flag *flag, Command command) {
    return flag->commands & 1u << command;
}

// "WEIR_LUA_PATH" (capital) or "lua_path" of --lua-path.
enum { FLAG_NAME_SIZE = 48 };
const char *flag_spell(const Flag *flag, char name[FLAG_NAME_SIZE], bool capital);

// How weir (NULL), or one of its commands, is used.
void flags_usage(FILE *out, const CommandRow *row);

// Writes what there is to say about a topic that is no command; false when there is none of that
// name.
bool flags_topic(FILE *out, const char *name);

#endif
