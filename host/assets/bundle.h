// bundle: the sources of one workflow folder, as they are on disk at one moment.
//
// All files named *.lua below the folder, in order of their paths' bytes, without hidden files,
// spec/ and *_spec.lua. It reads bytes; the VM finds out whether they are Lua.
#ifndef WEIR_BUNDLE_H
#define WEIR_BUNDLE_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    char *path; // relative to the folder: "billing/charge.lua"
    char *text; // a NUL follows it
    size_t size;
} Source;

typedef struct {
    Source *sources;
    size_t count;
    char *notes;   // a line for each link to nothing that is named as a workflow file; NULL: none
    char **places; // folders in which a change may change the bundle
    size_t place_count;
} Bundle;

enum { BUNDLE_FAULT_SIZE = 512 };

// 0 and the sources, or a negative libuv code with one sentence in `fault`. bundle_free frees the
// bundle, also after a failure: it holds the places that were walked until then.
int bundle_read(const char *folder, Bundle *bundle, char fault[BUNDLE_FAULT_SIZE]);
void bundle_free(Bundle *bundle);

// A bundle is named by the SHA-256 of its sources, in hexadecimal, so that a host can tell whether
// the sources under a name were changed. People see the first BUNDLE_SHOWN characters.
enum { BUNDLE_NAME_SIZE = 65, BUNDLE_SHOWN = 16 };

// Sorts the sources by path. A text may contain any bytes.
void bundle_name(Source *sources, size_t count, char name[BUNDLE_NAME_SIZE]);

// The beginning of a name, as a number; 0: of no name.
uint64_t bundle_number(const char *name);
uint64_t bundle_digest(const Bundle *bundle);

#endif
