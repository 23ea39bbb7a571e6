// greeting: see greeting.h.
#include "redis/greeting.h"

#include "redis/script.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void add(GreetingCommand *command, const char *word, size_t size) {
    command->words[command->count] = word;
    command->sizes[command->count++] = size;
}

static void add_text(GreetingCommand *command, const char *word) {
    add(command, word, strlen(word));
}

void greeting_words(GreetingCommand *command, int count, ...) {
    va_list words;
    va_start(words, count);
    command->count = 0;
    while (count-- > 0) add_text(command, va_arg(words, const char *));
    va_end(words);
}

// A file that cannot be read just now, because it is being replaced, leaves the password that it
// held when the process started.
static const char *password_now(GreetingCommand *command, const RedisAddress *address) {
    char fault[PASSWORD_FAULT_SIZE];
    bool open_to_all;
    bool found = address->password_file &&
                 password_file_read(address->password_file, command->password, &open_to_all, fault);
    return found ? command->password : address->password;
}

static void authenticate(GreetingCommand *command, const RedisAddress *address) {
    command->count = 0;
    add_text(command, "AUTH");
    if (address->user) add_text(command, address->user);
    add_text(command, password_now(command, address));
}

static void select_database(GreetingCommand *command, const RedisAddress *address) {
    command->count = 0;
    snprintf(command->number, sizeof command->number, "%d", address->db);
    add_text(command, "SELECT");
    add_text(command, command->number);
}

int greeting_log_in(const RedisAddress *address, GreetingCommand commands[GREETING_LOGIN]) {
    int count = 0;
    if (address->password) authenticate(&commands[count++], address);
    if (address->db) select_database(&commands[count++], address);
    return count;
}

void greeting_ask_facts(GreetingCommand commands[GREETING_FACTS]) {
    GreetingCommand *info = &commands[0], *settings = &commands[1];
    info->count = settings->count = 0;
    add_text(info, "INFO");
    add_text(settings, "CONFIG");
    add_text(settings, "GET");
    add_text(settings, "appendfsync");
    add_text(settings, "min-replicas-to-write");
}

void greeting_load_script(GreetingCommand *command) {
    size_t size;
    const char *text = script_text(&size);
    command->count = 0;
    add_text(command, "SCRIPT");
    add_text(command, "LOAD");
    add(command, text, size);
}
