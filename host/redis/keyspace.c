// keyspace: see keyspace.h.
#include "redis/keyspace.h"

#include "base/xmalloc.h"

#include <stdbool.h>

static const char PARTITION[] = ":{0}:";

char *keyspace_join(const char *prefix, const char *name) {
    return xformat("%s%s%s", prefix, PARTITION, name);
}

const char *keyspace_name(const char *prefix, const char *key) {
    size_t length = strlen(prefix), tag = strlen(PARTITION);
    bool own = strncmp(key, prefix, length) == 0 && strncmp(key + length, PARTITION, tag) == 0;
    return own ? key + length + tag : "";
}
