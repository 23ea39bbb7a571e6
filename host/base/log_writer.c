// log_writer: see log_writer.h for what it promises.
//
// The lock is held only to copy, never during a write.
#include "base/log_writer.h"

#include "base/xmalloc.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { QUEUE_BYTES = 1024 * 1024, PATIENCE_S = 1 };

typedef struct {
    char *bytes;
    size_t size;
    size_t capacity;
} Text;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
static pthread_cond_t written; // by CLOCK_MONOTONIC
static enum { DIRECT, THREAD_WANTED, THREAD_RUNS } mode;
static char *(*tell_dropped)(size_t dropped);

static Text queue;
static size_t writing;  // bytes that the thread took and has not written
static size_t dropped;  // lines
static uint64_t writes; // that have returned: each is a sign of life
static char *foot;      // the block at the foot, NULL where there is none
static size_t rows;     // of it, as it stands on the terminal
static bool redraw;     // the block has changed
static bool let_go;     // it is a block no more once it is drawn

static void put(Text *text, const char *bytes, size_t size) {
    if (!size) return; // memcpy takes no NULL
    if (text->size + size > text->capacity) {
        text->capacity = 2 * (text->size + size);
        text->bytes = xrealloc(text->bytes, text->capacity);
    }
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
}

// ---- what is written next -----------------------------------------------------------------------

// The cursor stands below the block; this takes it to where the block begins.
static void put_climb(Text *text) {
    char climb[32];
    int size = rows ? snprintf(climb, sizeof climb, "\33[%zuA\r", rows) : 0;
    put(text, climb, (size_t)size);
    put(text, "\33[J", 3); // a longer block may have stood there
}

static void put_foot(Text *text) {
    put(text, foot, strlen(foot));
    rows = 0;
    for (const char *at = foot; (at = strchr(at, '\n')); at++) rows++;
    redraw = false;
}

static void put_dropped(Text *text) {
    if (!dropped) return;
    char *line = tell_dropped(dropped);
    put(text, line, strlen(line));
    free(line);
    dropped = 0;
}

// Moves what is to be written to `text`; true when that is to be written in one piece.
static bool take(Text *text) {
    bool block = foot != NULL;
    text->size = 0;
    if (block) put_climb(text);
    if (queue.size > 0) put(text, queue.bytes, queue.size);
    put_dropped(text);
    queue.size = 0;
    if (block) put_foot(text);
    if (let_go) {
        free(foot);
        foot = NULL;
        rows = 0;
        let_go = false;
    }
    return block;
}

// ---- writing ------------------------------------------------------------------------------------

// A line that cannot be written is lost: there is no place to report it.
static void write_piece(const char *bytes, size_t size) {
    while (size > 0) {
        ssize_t count = write(STDERR_FILENO, bytes, size);
        if (count < 0 && errno == EAGAIN)
            poll(&(struct pollfd){.fd = STDERR_FILENO, .events = POLLOUT}, 1, -1);
        else if (count < 0 && errno != EINTR)
            return;
        if (count < 0) continue;
        bytes += count;
        size -= (size_t)count;
    }
}

static size_t first_line(const char *bytes, size_t size) {
    const char *end = memchr(bytes, '\n', size);
    return end ? (size_t)(end - bytes) + 1 : size;
}

static void write_taken(const Text *text, bool whole, void (*wrote)(size_t size)) {
    for (size_t at = 0, size; at < text->size; at += size) {
        size = whole ? text->size : first_line(text->bytes + at, text->size - at);
        write_piece(text->bytes + at, size);
        wrote(size);
    }
}

static void on_wrote(size_t size) {
    pthread_mutex_lock(&lock);
    writing -= size;
    writes++;
    pthread_cond_broadcast(&written);
    pthread_mutex_unlock(&lock);
}

static bool has_work(void) {
    return queue.size > 0 || dropped > 0 || redraw || let_go;
}

static void *write_on(void *none) {
    static Text text; // reachable at the end of the process, which does not wait for this thread
    for (;;) {
        pthread_mutex_lock(&lock);
        while (!has_work()) pthread_cond_wait(&more, &lock);
        bool whole = take(&text);
        writing = text.size;
        pthread_mutex_unlock(&lock);
        write_taken(&text, whole, on_wrote);
    }
    return none;
}

static bool start_thread(void) {
    pthread_t thread;
    sigset_t all, before;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&written, &monotonic);
    pthread_condattr_destroy(&monotonic);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); // signals are for others
    bool started = pthread_create(&thread, NULL, write_on, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started) pthread_detach(thread);
    return started;
}

static void ignore(size_t size) {
    (void)size;
}

// With the lock.
static void pass_on(void) {
    if (mode == THREAD_WANTED) mode = start_thread() ? THREAD_RUNS : DIRECT;
    if (mode == THREAD_RUNS) {
        pthread_cond_signal(&more);
        return;
    }
    static Text text;
    bool whole = take(&text);
    write_taken(&text, whole, ignore);
}

// With the lock.
static void wait_written(void) {
    struct timespec end;
    int code = 0;
    while (mode == THREAD_RUNS && (has_work() || writing > 0) && code == 0) {
        uint64_t before = writes;
        clock_gettime(CLOCK_MONOTONIC, &end);
        end.tv_sec += PATIENCE_S;
        while (writes == before && code == 0) code = pthread_cond_timedwait(&written, &lock, &end);
    }
}

// ---- its callers --------------------------------------------------------------------------------

void log_writer_open(char *(*tell)(size_t dropped)) {
    tell_dropped = tell;
    mode = THREAD_WANTED;
}

void log_writer_put(const char *lines, size_t size) {
    pthread_mutex_lock(&lock);
    size_t waiting = queue.size + writing;
    if (waiting > 0 && waiting + size > QUEUE_BYTES) {
        dropped++;
    } else {
        put(&queue, lines, size);
        pass_on();
    }
    pthread_mutex_unlock(&lock);
}

void log_writer_foot(const char *text) {
    pthread_mutex_lock(&lock);
    if (text) {
        free(foot);
        foot = xstrdup(text);
        redraw = true;
        let_go = false;
    } else {
        let_go = foot != NULL;
    }
    if (has_work()) pass_on();
    wait_written();
    pthread_mutex_unlock(&lock);
}

void log_writer_flush(void) {
    pthread_mutex_lock(&lock);
    wait_written();
    pthread_mutex_unlock(&lock);
}
