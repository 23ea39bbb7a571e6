// bundle: walks a folder and keeps the text of each workflow file.
//
// Everything is bounded (depth, files, bytes), so that a folder given by mistake, a home say, is a
// clear error and not a host without memory. Links are followed; one that leads back up ends at the
// bound on depth.
//
// The walk holds each folder open and reaches its entries from there, not by their paths: a folder
// that is moved, or a link that is swapped, in the middle of the walk changes nothing in it.
#include "assets/bundle.h"
#include "base/text.h"
#include "base/xmalloc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sha2.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

enum { DEPTH_MAX = 16, FILES_MAX = 10000, BYTES_MAX = 16 << 20 };

typedef struct {
    Bundle *bundle;
    char *fault;
    size_t bytes;
} Walk;

typedef struct {
    int folder;        // the descriptor of the open folder that has it
    const char *name;  // in that folder
    const char *whole; // its path, for errors and watches
    const char *path;  // below the folder of the workflows
    int depth;         // of the folder that has it
} Entry;

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), tail = strlen(end);
    return length > tail && strcmp(text + length - tail, end) == 0;
}

static int fail(Walk *walk, int status, const char *what, const char *path) {
    snprintf(walk->fault, BUNDLE_FAULT_SIZE, "%s %s: %s", what, path, uv_strerror(status));
    return status;
}

static int no_folder(Walk *walk, const char *path) {
    snprintf(walk->fault, BUNDLE_FAULT_SIZE,
             "there is no folder %s; name the one that has the workflow files", path);
    return UV_ENOENT;
}

static int too_large(Walk *walk, const char *path, const char *bound) {
    snprintf(walk->fault, BUNDLE_FAULT_SIZE, "%s: a workflow folder may have %s", path, bound);
    return UV_E2BIG;
}

// Reads to the end rather than to the size stat told: the file may be growing.
static int read_file(Walk *walk, const Entry *entry, Source *source) {
    int descriptor = openat(entry->folder, entry->name, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return fail(walk, -errno, "cannot read", entry->whole);
    FILE *file = fdopen(descriptor, "rb");
    if (!file) abort(); // out of memory

    size_t capacity = 0, got;
    do {
        capacity = capacity ? 2 * capacity : 8192;
        source->text = xrealloc(source->text, capacity + 1);
        got = fread(source->text + source->size, 1, capacity - source->size, file);
        source->size += got;
    } while (source->size == capacity && capacity <= BYTES_MAX);
    source->text[source->size] = '\0';

    int status = ferror(file) ? fail(walk, UV_EIO, "cannot read", entry->whole) : 0;
    fclose(file);
    return status;
}

static void add_place(Bundle *bundle, char *place) {
    // grown by doubling, at the powers of two
    if ((bundle->place_count & (bundle->place_count - 1)) == 0) {
        size_t capacity = bundle->place_count ? 2 * bundle->place_count : 1;
        bundle->places = xrealloc(bundle->places, capacity * sizeof *bundle->places);
    }
    bundle->places[bundle->place_count++] = place;
}

static bool is_link(const Entry *entry) {
    struct stat about;
    return fstatat(entry->folder, entry->name, &about, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISLNK(about.st_mode);
}

// A file that is reached by a link changes where the link leads to.
static void add_place_of_link(Bundle *bundle, const Entry *entry) {
    if (!is_link(entry)) return;
    char *target = realpath(entry->whole, NULL), *slash = target ? strrchr(target, '/') : NULL;
    if (slash) add_place(bundle, xmemdup0(target, slash > target ? (size_t)(slash - target) : 1));
    free(target);
}

static int add_file(Walk *walk, const Entry *entry) {
    Bundle *bundle = walk->bundle;
    if (bundle->count == FILES_MAX) return too_large(walk, entry->whole, "10,000 files");
    // grown by doubling, at the powers of two
    if ((bundle->count & (bundle->count - 1)) == 0) {
        size_t capacity = bundle->count ? 2 * bundle->count : 1;
        bundle->sources = xrealloc(bundle->sources, capacity * sizeof(Source));
    }
    Source *source = &bundle->sources[bundle->count++];
    *source = (Source){.path = xstrdup(entry->path)};
    add_place_of_link(bundle, entry);

    int status = read_file(walk, entry, source);
    if (status < 0) return status;
    walk->bytes += source->size;
    return walk->bytes > BYTES_MAX ? too_large(walk, entry->whole, "16 MiB in all") : 0;
}

static int add_folder(Walk *walk, const Entry *folder);

// Only a link to a workflow file: editors leave others that lead nowhere.
static void note_link(Walk *walk, const Entry *entry) {
    if (!ends_with(entry->name, ".lua") || !is_link(entry)) return;
    char *before = walk->bundle->notes;
    char *plain = text_plain(entry->whole, strlen(entry->whole), TEXT_LINE);
    walk->bundle->notes = xformat("%s%s%s is a link to a file that is not there",
                                  before ? before : "", before ? "\n" : "", plain);
    free(plain);
    free(before);
}

static int add_entry(Walk *walk, const Entry *entry) {
    struct stat about;
    if (fstatat(entry->folder, entry->name, &about, 0) < 0) {
        if (errno != ENOENT) return fail(walk, -errno, "cannot read", entry->whole);
        note_link(walk, entry); // or it is gone since it was listed
        return 0;
    }
    if (S_ISDIR(about.st_mode))
        return strcmp(entry->name, "spec") == 0 ? 0 : add_folder(walk, entry);
    bool wanted = S_ISREG(about.st_mode) && ends_with(entry->name, ".lua") &&
                  !ends_with(entry->name, "_spec.lua");
    return wanted ? add_file(walk, entry) : 0;
}

static int add_folder(Walk *walk, const Entry *folder) {
    if (folder->depth == DEPTH_MAX) return too_large(walk, folder->whole, "16 levels");
    int descriptor = openat(folder->folder, folder->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0 && folder->depth == 0 && errno == ENOENT)
        return no_folder(walk, folder->whole);
    DIR *entries = descriptor < 0 ? NULL : fdopendir(descriptor);
    if (!entries) {
        int status = fail(walk, -errno, "cannot read", folder->whole);
        if (descriptor >= 0) close(descriptor);
        return status;
    }
    add_place(walk->bundle, xstrdup(folder->whole));

    int status = 0;
    for (struct dirent *found; status == 0 && (found = readdir(entries));) {
        if (found->d_name[0] == '.') continue;
        char *whole = xformat("%s/%s", folder->whole, found->d_name);
        char *path = xformat("%s%s%s", folder->path, *folder->path ? "/" : "", found->d_name);
        status = add_entry(walk, &(Entry){.folder = descriptor,
                                          .name = found->d_name,
                                          .whole = whole,
                                          .path = path,
                                          .depth = folder->depth + 1});
        free(whole);
        free(path);
    }
    closedir(entries);
    return status;
}

static int by_path(const void *left, const void *right) {
    return strcmp(((const Source *)left)->path, ((const Source *)right)->path);
}

int bundle_read(const char *folder, Bundle *bundle, char fault[BUNDLE_FAULT_SIZE]) {
    *bundle = (Bundle){0};
    Walk walk = {.bundle = bundle, .fault = fault};
    int status = add_folder(
        &walk, &(Entry){.folder = AT_FDCWD, .name = folder, .whole = folder, .path = ""});
    if (status == 0 && bundle->count > 1)
        qsort(bundle->sources, bundle->count, sizeof(Source), by_path);
    return status;
}

// By its size and its bytes: no text can look like the end of one and the beginning of another.
static void add_text(SHA2_CTX *hash, const char *bytes, size_t size) {
    char measure[24];
    int length = snprintf(measure, sizeof measure, "%zu:", size);
    SHA256Update(hash, (const uint8_t *)measure, (size_t)length);
    SHA256Update(hash, (const uint8_t *)bytes, size);
}

void bundle_name(Source *sources, size_t count, char name[BUNDLE_NAME_SIZE]) {
    SHA2_CTX hash;
    SHA256Init(&hash);
    if (count > 1) qsort(sources, count, sizeof *sources, by_path);
    for (size_t i = 0; i < count; i++) {
        add_text(&hash, sources[i].path, strlen(sources[i].path));
        add_text(&hash, sources[i].text, sources[i].size);
    }
    SHA256End(&hash, name);
}

uint64_t bundle_number(const char *name) {
    char digits[17];
    snprintf(digits, sizeof digits, "%.16s", name);
    return strtoull(digits, NULL, 16);
}

uint64_t bundle_digest(const Bundle *bundle) {
    char name[BUNDLE_NAME_SIZE];
    bundle_name(bundle->sources, bundle->count, name);
    return bundle_number(name);
}

void bundle_free(Bundle *bundle) {
    for (size_t i = 0; i < bundle->count; i++) {
        free(bundle->sources[i].path);
        free(bundle->sources[i].text);
    }
    for (size_t i = 0; i < bundle->place_count; i++) free(bundle->places[i]);
    free(bundle->places);
    free(bundle->sources);
    free(bundle->notes);
    *bundle = (Bundle){0};
}
