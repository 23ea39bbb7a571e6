// greeting: the commands with which a connection to Redis begins, the same for hosts (store.c) and
// for commands (client/connection.c, client/calls.c).
#ifndef WEIR_GREETING_H
#define WEIR_GREETING_H

#include "base/address.h"
#include "base/password_file.h"

#include <stddef.h>

// Points into itself: do not copy it.
typedef struct {
    int count;
    const char *words[4];
    size_t sizes[4];
    char number[12];
    char password[PASSWORD_SIZE]; // as it stands in its file now
} GreetingCommand;

enum { GREETING_LOGIN = 2 };

// AUTH and SELECT, as far as the address asks for them; how many. An error in reply to one of them
// is what RedisError calls it.
int greeting_log_in(const RedisAddress *address, GreetingCommand commands[GREETING_LOGIN]);

// A command of `count` words, which live as long as the command.
void greeting_words(GreetingCommand *command, int count, ...);

enum { GREETING_FACTS = 2 };

// INFO and CONFIG GET, for redis_facts.h. The user of Redis may lack the rights.
void greeting_ask_facts(GreetingCommand commands[GREETING_FACTS]);

// SCRIPT LOAD, which Redis answers with the script's name: see script_call_loaded.
void greeting_load_script(GreetingCommand *command);

#endif
