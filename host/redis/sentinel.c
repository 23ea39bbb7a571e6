// sentinel: see sentinel.h.
#include "redis/sentinel.h"

#include <stdio.h>
#include <string.h>

int sentinel_question(const RedisAddress *address, GreetingCommand commands[2]) {
    const RedisAddress login = {.user = address->sentinel_user,
                                .password = address->sentinel_password};
    int count = greeting_log_in(&login, commands);
    greeting_words(&commands[count], 3, "SENTINEL", "get-master-addr-by-name", address->primary);
    return count + 1;
}

const RedisError *sentinel_read(const RedisAddress *address, int index, const Reply *reply,
                                const char *fault, char host[SENTINEL_HOST_SIZE], int *port,
                                char why[SENTINEL_WHY_SIZE]) {
    const HostPort *sentinel = &address->sentinels[index];
    const RedisError *error = redis_error_no_sentinel;
    if (reply_count(reply) == 2) {
        snprintf(host, SENTINEL_HOST_SIZE, "%s", reply_text(reply_at(reply, 0)));
        *port = (int)reply_integer(reply_at(reply, 1));
        return NULL;
    }
    if (reply && !reply_is_error(reply, "")) {
        snprintf(why, SENTINEL_WHY_SIZE, "the Sentinel at %s:%d knows no primary named \"%s\"",
                 sentinel->host, sentinel->port, address->primary);
        return redis_error_no_such_primary;
    }
    if (reply) {
        RedisErrorKind kind = redis_error_of(reply_text(reply))->kind;
        bool refused = kind == REDIS_ERROR_LOGIN || kind == REDIS_ERROR_PERMISSION;
        if (refused) error = redis_error_sentinel_login;
        fault = reply_text(reply);
    }
    snprintf(why, SENTINEL_WHY_SIZE, "the Sentinel at %s:%d %s: %s", sentinel->host, sentinel->port,
             error == redis_error_no_sentinel ? "does not answer" : "refuses", fault);
    return error;
}

const RedisError *sentinel_worse(const RedisError *one, const RedisError *other) {
    return one && one != redis_error_no_sentinel ? one : other;
}

void sentinel_ask_role(GreetingCommand *command) {
    greeting_words(command, 1, "ROLE");
}

bool sentinel_is_primary(const Reply *role) {
    return reply_is(reply_at(role, 0), "master");
}
