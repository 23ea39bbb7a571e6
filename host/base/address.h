// address: the address of a Redis, read from its URL. For any thread.
#ifndef WEIR_ADDRESS_H
#define WEIR_ADDRESS_H

#include "base/private_folder.h"

typedef struct {
    const char *host;
    int port;
} HostPort;

// `socket` is the path of a unix socket, or NULL: then host and port say where. Of a Redis under
// Sentinel neither is set: the Sentinels tell where the primary of that name is.
typedef struct {
    const char *url; // for people: never with a password
    const char *socket;
    const char *host;
    const char *user;          // NULL: the default user
    const char *password;      // NULL: no AUTH
    const char *password_file; // NULL: none. Read for each connection, as the password may change
    int port;
    int db;
    const char *primary; // its name; NULL: not under Sentinel
    HostPort *sentinels;
    int sentinel_count;
    const char *sentinel_user;     // NULL: the default user
    const char *sentinel_password; // NULL: no AUTH
} RedisAddress;

// Reads a URL. Returns NULL, or a constant sentence that says why it cannot be read. The caller
// frees the address with address_free, also after a failure.
const char *address_parse(RedisAddress *address, const char *url);
void address_free(RedisAddress *address);

// Replaces the login of every URL in a text, and the passwords of Sentinels, with stars.
void address_hide_logins(char *text);

// Opens the .weir folder of a `weir dev`, in the working folder or above. Returns a descriptor,
// which the caller closes; UV_ENOENT when there is none; or another negative libuv code when the
// folder cannot be trusted, with the reason in `fault`.
int address_kept(char fault[PRIVATE_FOLDER_FAULT_SIZE]);

// Returns 0 and the address of that `weir dev`, which the caller frees; or a code as above.
int address_find(RedisAddress *address, char fault[PRIVATE_FOLDER_FAULT_SIZE]);

#endif
