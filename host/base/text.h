// text: makes text from outside harmless for terminals, logs and JSON.
//
// Files, data and messages may contain any bytes. The text that text_plain returns cannot move a
// terminal's cursor, change the direction of the text behind it, or begin a line of its own. For
// any thread.
#ifndef WEIR_TEXT_H
#define WEIR_TEXT_H

#include <stddef.h>

typedef enum {
    TEXT_LINE,   // control characters as "\n", "\x1b", "\u009b"; bytes that are not UTF-8 as "\xff"
    TEXT_LINES,  // the same, but line breaks stay
    TEXT_JSON,   // the inside of a JSON string
    TEXT_OF_JSON // for a text that is JSON: it stays the same JSON
} TextForm;

// Returns a new text that the caller frees, with a NUL behind it.
char *text_plain(const char *text, size_t size, TextForm form);

#endif
