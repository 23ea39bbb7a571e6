// parent: the environment of a child, and a process that ends with the one that started it.
#include "unit.h"

#include "base/parent.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_the_environment_has_one_variable_more(void **state) {
    (void)state;
    setenv("SPEC_KEPT", "as it was", 1);
    setenv("SPEC_MORE", "before", 1);
    char parent[64], **environment = parent_environment("SPEC_MORE", "a value");
    snprintf(parent, sizeof parent, "WEIR_PARENT=%d", (int)getpid());
    assert_string_equal(environment[0], "SPEC_MORE=a value");
    assert_string_equal(environment[1], parent);
    size_t count = 2;
    bool has_kept = false;
    for (; environment[count]; count++)
        has_kept = has_kept || strcmp(environment[count], "SPEC_KEPT=as it was") == 0;
    assert_true(has_kept);
    parent_environment_free(environment);
}

static void test_without_a_word_of_a_parent_none_is_followed(void **state) {
    (void)state;
    unsetenv("WEIR_PARENT");
    parent_follow_told(SIGKILL);
}

// A process of ours starts another one, which follows it, and dies. The other one holds the pipe
// open, whose end is seen once it has died, too.
static void follow(void (*act)(pid_t parent)) {
    int ends[2];
    char byte;
    assert_int_equal(pipe(ends), 0);
    pid_t middle = fork();
    if (middle == 0) {
        int ready[2];
        pid_t parent = getpid();
        close(ends[0]);
        if (pipe(ready) == 0 && fork() == 0) {
            act(parent);
            if (write(ready[1], "", 1) == 1) pause();
            _exit(0);
        }
        _exit(read(ready[0], &byte, 1) == 1 ? 0 : 1);
    }
    close(ends[1]);
    int status;
    assert_int_equal(waitpid(middle, &status, 0), middle);
    assert_int_equal(status, 0);
    assert_int_equal(read(ends[0], &byte, 1), 0);
    close(ends[0]);
}

static void act_by_pid(pid_t parent) {
    parent_follow(parent, SIGKILL);
}

static void act_as_told(pid_t parent) {
    char pid[32];
    snprintf(pid, sizeof pid, "%d", (int)parent);
    setenv("WEIR_PARENT", pid, 1);
    parent_follow_told(SIGKILL);
    if (getenv("WEIR_PARENT")) _exit(1);
}

static void test_a_child_ends_with_its_parent(void **state) {
    (void)state;
    follow(act_by_pid);
    follow(act_as_told);
}

static void test_a_child_of_a_parent_that_is_dead_ends(void **state) {
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        parent_follow(getpid(), SIGKILL); // not its parent
        _exit(1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_environment_has_one_variable_more),
        cmocka_unit_test(test_without_a_word_of_a_parent_none_is_followed),
        cmocka_unit_test(test_a_child_ends_with_its_parent),
        cmocka_unit_test(test_a_child_of_a_parent_that_is_dead_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
