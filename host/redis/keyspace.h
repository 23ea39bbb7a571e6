// keyspace: the names of keys and channels in Redis: "<prefix>:{<partition>}:<name>".
//
// There is one partition, 0. Only this file knows how the names begin. For any thread.
#ifndef WEIR_KEYSPACE_H
#define WEIR_KEYSPACE_H

// Returns the key or channel of that name, which the caller frees. The name "" gives the text that
// all keys begin with.
char *keyspace_join(const char *prefix, const char *name);

// Returns the name within a key or channel of that prefix, and "" for any other key or channel.
const char *keyspace_name(const char *prefix, const char *key);

#endif
