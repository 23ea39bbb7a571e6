// Watching folders: what is told of files that change, by Linux or by looking at them.
#include "base/folder_watch.h"

#include "base/xmalloc.h"
#include "unit.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { POLL_MS = 10, LIMIT_MS = 20000 };

static uv_loop_t loop;
static FolderWatch *folders;
static int settled, polling;
static char entries[4096], line[512];
static bool has_instances = true;

// In place of the C library's, also for libuv.
int inotify_init1(int flags) {
    if (has_instances) return (int)syscall(SYS_inotify_init1, flags);
    errno = EMFILE;
    return -1;
}

static void on_settled(void *owner) {
    (void)owner;
    settled++;
}

static void on_entry(void *owner, const char *path) {
    (void)owner;
    size_t used = strlen(entries);
    snprintf(entries + used, sizeof entries - used, "%s ", path);
}

static void on_polling(void *owner, const char *text) {
    (void)owner;
    polling++;
    snprintf(line, sizeof line, "%s", text);
}

static void open_watch(int64_t poll_ms) {
    folders = folder_watch_open(&loop, poll_ms,
                                (FolderWatchEvents){.on_settled = on_settled,
                                                    .on_entry = on_entry,
                                                    .on_polling = on_polling});
}

static void watch(const char *root, const char *below) {
    folder_watch_begin(folders);
    folder_watch_root(folders, root);
    folder_watch_folder(folders, root);
    if (below) folder_watch_folder(folders, below);
    folder_watch_end(folders);
}

static void do_nothing(uv_timer_t *timer) {
    (void)timer;
}

// Runs the loop until a change has been told, and returns the entries that were.
static const char *told(void) {
    uv_timer_t limit;
    uv_timer_init(&loop, &limit);
    uv_timer_start(&limit, do_nothing, LIMIT_MS, 0);
    while (!settled && uv_is_active((uv_handle_t *)&limit)) uv_run(&loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&limit, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_true(settled > 0);
    settled = 0;
    return entries;
}

static void save(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

// The first look at each file is made on other threads: waits for it.
static void look_once(void) {
    folder_watch_settle(folders);
    told();
    entries[0] = '\0';
}

static char home[4096];

static int enter_folder(void **state) {
    char *folder = xstrdup("/tmp/weir-unit-XXXXXX");
    *state = folder;
    settled = polling = 0;
    entries[0] = '\0';
    has_instances = true;
    uv_loop_init(&loop);
    bool entered = getcwd(home, sizeof home) && mkdtemp(folder) && chdir(folder) == 0;
    if (!entered || mkdir("flows", 0700) < 0 || mkdir("flows/below", 0700) < 0) return -1;
    save("flows/a.lua", "1");
    return 0;
}

static int leave_folder(void **state) {
    folder_watch_close(folders);
    uv_run(&loop, UV_RUN_DEFAULT);
    int closed = uv_loop_close(&loop);
    char *remove = xformat("rm -rf '%s'", (char *)*state);
    int left = chdir(home) | system(remove);
    free(remove);
    free(*state);
    return closed | left;
}

static void tells_what_changed(const char *root, const char *below) {
    watch(root, below);
    look_once();
    save("flows/a.lua", "23");
    assert_non_null(strstr(told(), "flows/a.lua "));
    entries[0] = '\0';
    save("flows/below/b.lua", "1");
    assert_non_null(strstr(told(), "flows/below/b.lua "));
    entries[0] = '\0';
    assert_int_equal(remove("flows/below/b.lua"), 0);
    assert_non_null(strstr(told(), "flows/below/b.lua "));
}

static void test_changes_that_linux_reports(void **state) {
    (void)state;
    open_watch(FOLDER_WATCH_EVENTS);
    tells_what_changed("flows", "flows/below");
    assert_int_equal(polling, 0);
}

static void test_changes_that_a_look_finds(void **state) {
    (void)state;
    has_instances = false;
    open_watch(POLL_MS);
    tells_what_changed("flows", "flows/below");
    assert_int_equal(polling, 0);
}

static void test_without_an_instance_files_are_looked_at(void **state) {
    (void)state;
    has_instances = false;
    open_watch(FOLDER_WATCH_EVENTS);
    watch("flows", "flows/below");
    watch("flows", "flows/below");
    assert_int_equal(polling, 1);
    assert_string_equal(line, "cannot watch .: this user has no inotify instance left; raise "
                              "fs.inotify.max_user_instances with sysctl; until the next start, "
                              "files are looked at every 2 s");
}

static void a_root_is_replaced(int64_t poll_ms) {
    assert_int_equal(mkdir("other", 0700) | rename("flows", "first") | symlink("first", "flows"),
                     0);
    open_watch(poll_ms);
    watch("flows", NULL);
    look_once();
    assert_int_equal(symlink("other", "next") | rename("next", "flows"), 0);
    told();
    watch("flows", NULL);
    save("other/a.lua", "1");
    told();
    assert_non_null(strstr(entries, "flows/a.lua"));
}

static void test_a_link_that_is_turned(void **state) {
    (void)state;
    a_root_is_replaced(FOLDER_WATCH_EVENTS);
}

static void test_a_link_that_is_turned_between_two_looks(void **state) {
    (void)state;
    a_root_is_replaced(POLL_MS);
}

// A change between the last look before and the first one after would be seen by neither.
static void test_a_look_is_compared_with_the_one_before_the_watches_were_named_anew(void **state) {
    (void)state;
    open_watch(POLL_MS);
    watch("flows", NULL);
    look_once();
    save("flows/a.lua", "23");
    watch("flows", NULL);
    assert_non_null(strstr(told(), "flows/a.lua "));
}

static void test_a_folder_that_is_not_named_again_is_not_watched(void **state) {
    (void)state;
    open_watch(POLL_MS);
    watch("flows", "flows/below");
    watch("flows", NULL);
    look_once();
    save("flows/below/b.lua", "1");
    save("flows/a.lua", "23");
    told();
    assert_null(strstr(entries, "b.lua"));
}

int main(void) {
#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, enter_folder, leave_folder)
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(test_changes_that_linux_reports),
        IN_A_FOLDER(test_changes_that_a_look_finds),
        IN_A_FOLDER(test_without_an_instance_files_are_looked_at),
        IN_A_FOLDER(test_a_link_that_is_turned),
        IN_A_FOLDER(test_a_link_that_is_turned_between_two_looks),
        IN_A_FOLDER(test_a_look_is_compared_with_the_one_before_the_watches_were_named_anew),
        IN_A_FOLDER(test_a_folder_that_is_not_named_again_is_not_watched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
