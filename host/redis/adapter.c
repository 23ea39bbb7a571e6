// adapter: see adapter.h.
#include "redis/adapter.h"

#include "base/xmalloc.h"

#include <fcntl.h>
#include <stdbool.h>

typedef struct {
    uv_poll_t poll;
    redisAsyncContext *connection; // NULL once hiredis has let go
    int wanted;
    int armed;
    bool polling; // hiredis is on the stack and must not be entered again
} Adapter;

static void want_read(void *adapter) {
    ((Adapter *)adapter)->wanted |= UV_READABLE;
}
static void want_write(void *adapter) {
    ((Adapter *)adapter)->wanted |= UV_WRITABLE;
}
static void drop_read(void *adapter) {
    ((Adapter *)adapter)->wanted &= ~UV_READABLE;
}
static void drop_write(void *adapter) {
    ((Adapter *)adapter)->wanted &= ~UV_WRITABLE;
}

static void on_released(uv_handle_t *handle) {
    free(handle->data);
}
static void release(void *data) {
    Adapter *adapter = data;
    adapter->connection = NULL;
    uv_close((uv_handle_t *)&adapter->poll, on_released);
}

static void on_polled(uv_poll_t *poll, int status, int events);

static void arm(Adapter *adapter) {
    if (adapter->wanted == adapter->armed) return;
    adapter->armed = adapter->wanted;
    if (adapter->wanted)
        uv_poll_start(&adapter->poll, adapter->wanted, on_polled);
    else
        uv_poll_stop(&adapter->poll);
}

static void on_polled(uv_poll_t *poll, int status, int events) {
    Adapter *adapter = poll->data;
    if (status < 0) { // libuv has stopped the poll; hiredis asks the socket what is wrong
        adapter->armed = 0;
        events = UV_READABLE | UV_WRITABLE;
    }
    adapter->polling = true;
    if (adapter->connection && events & UV_READABLE) redisAsyncHandleRead(adapter->connection);
    if (adapter->connection && events & UV_WRITABLE) redisAsyncHandleWrite(adapter->connection);
    adapter->polling = false;
    if (adapter->connection) arm(adapter);
}

int adapter_attach(uv_loop_t *loop, redisAsyncContext *connection) {
    Adapter *adapter = xcalloc(1, sizeof *adapter);
    int code = uv_poll_init(loop, &adapter->poll, connection->c.fd);
    if (code < 0) {
        free(adapter);
        return code;
    }
    fcntl(connection->c.fd, F_SETFD, FD_CLOEXEC);
    adapter->poll.data = adapter;
    adapter->connection = connection;
    connection->ev.data = adapter;
    connection->ev.addRead = want_read;
    connection->ev.delRead = drop_read;
    connection->ev.addWrite = want_write;
    connection->ev.delWrite = drop_write;
    connection->ev.cleanup = release;
    return 0;
}

void adapter_arm(redisAsyncContext *connection) {
    arm(connection->ev.data);
}

void adapter_flush(redisAsyncContext *connection) {
    Adapter *adapter = connection->ev.data;
    if (adapter->polling) return;
    redisAsyncHandleWrite(connection);
    if (adapter->connection) arm(adapter);
}
