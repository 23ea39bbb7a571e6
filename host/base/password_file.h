// password_file: a password that stands alone in a file. For any thread.
#ifndef WEIR_PASSWORD_FILE_H
#define WEIR_PASSWORD_FILE_H

#include <stdbool.h>

enum { PASSWORD_SIZE = 1024, PASSWORD_FAULT_SIZE = 512 };

// Reads the password. A line break at its end does not belong to it. Returns false with the reason
// in `fault`, which never quotes the file. `open_to_all`: whether every user of the machine may
// read the file.
bool password_file_read(const char *path, char password[PASSWORD_SIZE], bool *open_to_all,
                        char fault[PASSWORD_FAULT_SIZE]);

#endif
