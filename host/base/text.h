// text: makes text from outside harmless for terminals, logs and JSON.
//
// Files, workflows and callers can contain any bytes. After this, none can move a terminal's
// cursor, change the direction of the text behind it, or begin a line of its own.
#ifndef WEIR_TEXT_H
#define WEIR_TEXT_H

#include <stddef.h>

typedef enum {
    TEXT_LINE,   // controls as "\n", "\x1b", "\u009b"; bytes that are not UTF-8 as "\xff"
    TEXT_LINES,  // the same, but for line breaks
    TEXT_JSON,   // the inside of a JSON string
    TEXT_OF_JSON // of a text that is JSON, the same JSON
} TextForm;

// To be freed; a NUL follows it.
char *text_plain(const char *text, size_t size, TextForm form);

#endif
