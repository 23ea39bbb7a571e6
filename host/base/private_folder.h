// private_folder: opens a folder that only this user can put things into.
//
// A `.weir` folder is found by its name, also in places where other users may write. Its files are
// trusted: the address of a Redis, whose runs are executed, and the data that redis-server loads.
#ifndef WEIR_PRIVATE_FOLDER_H
#define WEIR_PRIVATE_FOLDER_H

enum { PRIVATE_FOLDER_FAULT_SIZE = 512 };

// A descriptor, or a negative libuv code with the reason in `fault`: UV_ENOENT, nothing is there;
// UV_EACCES, it is another user's, others may write to it, or it is a link.
int private_folder_open(const char *path, char fault[PRIVATE_FOLDER_FAULT_SIZE]);

// Opens a file in it as openat does, but follows no link. A negative libuv code when that fails.
int private_folder_file(int folder, const char *name, int flags);

#endif
