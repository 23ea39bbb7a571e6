// new_file: writes a whole file, and the folders above it that are not there.
#ifndef WEIR_NEW_FILE_H
#define WEIR_NEW_FILE_H

#include <stddef.h>

// 0, or a negative libuv code: UV_EEXIST when there is something of that name, which stays.
int new_file_create(const char *path, const char *text, size_t size);

// Puts it in place of the file that is there, if any. 0, or a negative libuv code.
int new_file_replace(const char *path, const char *text, size_t size);

// The same; the file is on the disk when it returns 0, and outlives a failure of the machine.
int new_file_keep(const char *path, const char *text, size_t size);

#endif
