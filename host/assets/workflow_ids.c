// workflow_ids: see workflow_ids.h.
#include "assets/workflow_ids.h"
#include "base/new_file.h"
#include "base/text.h"
#include "base/xmalloc.h"

#include <stdbool.h>

#define FILE_NAME "weir/workflow_ids.lua"

static const char head[] = "---@meta weir.workflow_ids\n"
                           "-- The workflows of this folder, so that editors complete them. `weir "
                           "init` writes this file,\n"
                           "-- and `weir dev` when it has loaded a change.\n\n"
                           "---@alias weir.WorkflowId string\n";

static char *text_of(const char *ids) {
    char *text = xstrdup(head), *copy = xstrdup(ids ? ids : ""), *rest = NULL;
    for (char *id = strtok_r(copy, "\n", &rest); id; id = strtok_r(NULL, "\n", &rest)) {
        char *plain = text_plain(id, strlen(id), TEXT_JSON), *before = text;
        text = xformat("%s---| \"%s\"\n", before, plain);
        free(before);
        free(plain);
    }
    free(copy);
    return text;
}

int workflow_ids_write(const char *place, const char *ids) {
    char *path = xformat("%s/" FILE_NAME, place), *text = text_of(ids);
    int status = new_file_replace(path, text, strlen(text));
    free(path);
    free(text);
    return status;
}

static bool has_text(FILE *file, const char *text) {
    size_t size = strlen(text);
    char *bytes = xmalloc(size + 1);
    bool same = fread(bytes, 1, size + 1, file) == size && memcmp(bytes, text, size) == 0;
    free(bytes);
    return same;
}

// A folder that cannot be written to, as in a container, keeps the list that it has.
void workflow_ids_refresh(const char *folder, const char *ids) {
    char *place = xformat("%s/.luals", folder), *path = xformat("%s/" FILE_NAME, place);
    FILE *file = fopen(path, "re");
    if (file) {
        char *text = text_of(ids);
        bool same = has_text(file, text);
        fclose(file);
        if (!same) workflow_ids_write(place, ids);
        free(text);
    }
    free(path);
    free(place);
}
