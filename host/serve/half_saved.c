// half_saved: see half_saved.h.
#include "serve/half_saved.h"

#include "base/xmalloc.h"

#include <ctype.h>

// Whether a line begins with `return`, as the last statement of a file does.
static bool has_return(const char *text) {
    static const char word[] = "return";
    for (const char *line = text; line; line = (line = strchr(line, '\n')) ? line + 1 : NULL) {
        if (strncmp(line, word, sizeof word - 1) != 0) continue;
        char next = line[sizeof word - 1];
        if (!isalnum((unsigned char)next) && next != '_') return true;
    }
    return false;
}

static const Source *source_at(const Bundle *bundle, const char *path) {
    for (size_t i = 0; i < bundle->count; i++)
        if (strcmp(bundle->sources[i].path, path) == 0) return &bundle->sources[i];
    return NULL;
}

static bool lost_return(const Bundle *before, const Source *now) {
    const Source *old = source_at(before, now->path);
    return old && has_return(old->text) && !has_return(now->text);
}

static bool has_line(const char *lines, const char *line) {
    size_t size = strlen(line);
    for (const char *at = lines; at && (at = strstr(at, line)); at++)
        if ((at == lines || at[-1] == '\n') && (at[size] == '\n' || !at[size])) return true;
    return false;
}

static char *fault_of(const Source *source) {
    size_t line = 1;
    for (const char *at = source->text; (at = strchr(at, '\n')) && at[1]; at++) line++;
    return xformat("%s:%zu: the file ends without the return that it had, as one that is saved by "
                   "half; save the rest, or end it with return nil",
                   source->path, line);
}

// A return may stand elsewhere in a file than at the beginning of a line. Only a bundle with a file
// that looks half saved is loaded to find out.
char *half_saved_fault(Vm *vm, const Bundle *before, const Bundle *now) {
    const Source *suspect = NULL;
    for (size_t i = 0; !suspect && i < now->count; i++)
        if (lost_return(before, &now->sources[i])) suspect = &now->sources[i];
    if (!suspect) return NULL;
    Findings findings;
    size_t arguments;
    char *fault = NULL;
    if (vm_announce(vm, now->sources, now->count, NULL, &arguments, &findings) == 0)
        vm_drop_effects(vm);
    else
        fault = xstrdup(findings.faults); // loading once more may take as long again
    for (const Source *end = now->sources + now->count; !fault && suspect < end; suspect++)
        if (lost_return(before, suspect) && has_line(findings.silent, suspect->path))
            fault = fault_of(suspect);
    findings_free(&findings);
    return fault;
}
