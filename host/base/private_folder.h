// private_folder: opens a folder that only this user can put things into.
//
// A `.weir` folder is found by its name, also in places where other users may write. Its files are
// trusted: the address of a Redis, whose runs are executed, and the data that redis-server loads.
#ifndef WEIR_PRIVATE_FOLDER_H
#define WEIR_PRIVATE_FOLDER_H

enum { PRIVATE_FOLDER_FAULT_SIZE = 512 };

// Returns a descriptor, which the caller closes; or a negative libuv code with the reason in
// `fault`: UV_ENOENT when nothing is there; UV_EACCES when the folder belongs to another user,
// others may write to it, or it is a link.
int private_folder_open(const char *path, char fault[PRIVATE_FOLDER_FAULT_SIZE]);

// Opens a file in the folder as openat does, but follows no link. Returns a descriptor, which the
// caller closes, or a negative libuv code.
int private_folder_file(int folder, const char *name, int flags);

#endif
