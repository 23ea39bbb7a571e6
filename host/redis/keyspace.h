// keyspace: the names of keys and channels in Redis: "<prefix>:{<partition>}:<name>".
//
// There is one partition, 0, so far. Only this file knows how the names begin.
#ifndef WEIR_KEYSPACE_H
#define WEIR_KEYSPACE_H

// The key or channel of that name, to be freed. The name "" gives what all keys begin with.
char *keyspace_join(const char *prefix, const char *name);

// The name in a key or channel of that prefix; another key or channel has the name "".
const char *keyspace_name(const char *prefix, const char *key);

#endif
