// bundle: the sources of one workflow folder, as they are on disk at one moment.
//
// All files named *.lua below the folder, in order of their paths' bytes; not hidden ones, not
// spec/, not *_spec.lua. Reads bytes only: whether they are Lua is found out by the VM.
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
    char *notes; // a line for each link to nothing that is named as a workflow file; NULL: none
} Bundle;

enum { BUNDLE_FAULT_SIZE = 512 };

// 0 and the sources, or a negative libuv code with one sentence in `fault`. What is in `bundle`
// afterwards is freed by bundle_free, also after a failure.
int bundle_read(const char *folder, Bundle *bundle, char fault[BUNDLE_FAULT_SIZE]);
void bundle_free(Bundle *bundle);

// A bundle is named by the SHA-256 of its sources, in hexadecimal: who has its name can tell
// whether what is found under it is still that bundle. People are shown the first BUNDLE_SHOWN
// characters.
enum { BUNDLE_NAME_SIZE = 65, BUNDLE_SHOWN = 16 };

// Sorts the sources by path. `text` and `size` count, whatever bytes they are.
void bundle_name(Source *sources, size_t count, char name[BUNDLE_NAME_SIZE]);

// The beginning of that, as a number.
uint64_t bundle_digest(const Bundle *bundle);

#endif
