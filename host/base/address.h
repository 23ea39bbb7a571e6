// address: where a Redis is, read from its URL.
#ifndef WEIR_ADDRESS_H
#define WEIR_ADDRESS_H

#include "base/private_folder.h"

// `socket` is the path of a unix socket, or NULL: then host and port say where.
typedef struct {
    const char *url; // to show to people: never with the password
    const char *socket;
    const char *host;
    const char *user;     // NULL: the default user
    const char *password; // NULL: no AUTH
    int port;
    int db;
} RedisAddress;

// NULL, or what is wrong with `url`. The texts of `address` live as long as the process.
const char *address_parse(RedisAddress *address, const char *url);

// Puts stars in place of the login of every URL in a text.
void address_hide_logins(char *text);

// A descriptor of the .weir folder of a `weir dev`, here or above. UV_ENOENT when there is none;
// another negative code when there is one that cannot be trusted, and why in `fault`.
int address_kept(char fault[PRIVATE_FOLDER_FAULT_SIZE]);

// 0 and the address of that `weir dev`, or such a code.
int address_find(RedisAddress *address, char fault[PRIVATE_FOLDER_FAULT_SIZE]);

#endif
