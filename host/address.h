// address: where a Redis is, read from its URL.
#ifndef WEIR_ADDRESS_H
#define WEIR_ADDRESS_H

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

// The .weir folder of a `weir dev`, here or above; to be freed. NULL when there is none.
char *address_kept(void);

// The same from what `weir dev` left in a .weir folder, here or above. UV_ENOENT when there is
// none.
int address_find(RedisAddress *address);

#endif
