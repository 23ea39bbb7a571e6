// client: a blocking connection to Redis, and what else the command line tool cannot do in Lua.
//
// A fault is raised in Lua as {status=, message=}; the one that reaches client_run becomes the line
// on stderr and the exit status. Everything C owns is in the Client, never in a local across a call
// that may raise. Every group may be sent twice, so a connection that died is made anew and the
// call with it.
#include "client.h"
#include "bundle.h"
#include "log.h"
#include "script.h"
#include "trouble.h"
#include "vm.h"
#include "xmalloc.h"

#include <errno.h>
#include <fcntl.h>
#include <hiredis.h>
#include <lauxlib.h>
#include <lua.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>
#include <uv.h>

enum { PATIENCE_MS = 5000, PAUSE_MS = 20, STATUS_INTERRUPTED = 130, STATUS_UNREAD = 141 };
enum { UNDER_WAY = 4, INPUT_BYTES = 64 * 1024 };

// A call as it goes over the wire, kept until its reply has come.
typedef struct {
    char *bytes;
    size_t size;
} Sent;

typedef struct {
    const Config *config;
    redisContext *calls;
    redisContext *messages;
    redisReply *reply; // what is being read
    char *sha;         // of the script, once it was loaded
    TextList channels;
    const char **arguments; // of the command being sent
    size_t *sizes;
    size_t count;
    Sent sent[UNDER_WAY]; // oldest first
    int under_way;
    Bundle bundle;
    FILE *file;
    int input; // what is read piece by piece, or -1
} Client;

static Client *client_of(lua_State *L) {
    return lua_touserdata(L, lua_upvalueindex(1));
}

__attribute__((format(printf, 3, 4))) static int raise_fault(lua_State *L, int status,
                                                             const char *format, ...) {
    char message[1024];
    va_list values;
    va_start(values, format);
    vsnprintf(message, sizeof message, format, values);
    va_end(values);
    lua_createtable(L, 0, 2);
    lua_pushinteger(L, status);
    lua_setfield(L, -2, "status");
    lua_pushstring(L, message);
    lua_setfield(L, -2, "message");
    return lua_error(L);
}

// ---- interruption -------------------------------------------------------------------------------

static int interruption; // an eventfd, readable from client_interrupt on

static void open_interruption(void) {
    interruption = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (interruption < 0) abort();
}

static int interruption_descriptor(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, open_interruption);
    return interruption;
}

void client_interrupt(void) {
    eventfd_write(interruption_descriptor(), 1);
}

static void on_signal(int number) {
    (void)number;
    eventfd_write(interruption, 1);
}

// Ctrl-C and SIGTERM no longer end the process at once: `pause` tells of them, any other wait ends
// with a fault. A second one does.
static int heed_interrupts(lua_State *L) {
    (void)L;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_RESETHAND};
    interruption_descriptor();
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return 0;
}

// Waits for so many milliseconds; true as soon as, or when before, the process was interrupted.
static int pause_for(lua_State *L) {
    struct pollfd wait = {.fd = interruption_descriptor(), .events = POLLIN};
    int ready, timeout_ms = (int)luaL_checkinteger(L, 1);
    do ready = poll(&wait, 1, timeout_ms);
    while (ready < 0 && errno == EINTR);
    lua_pushboolean(L, ready > 0);
    return 1;
}

// Waits until `descriptor` (-1: none) can be read. False when the time is over; timeout_ms < 0 is
// for ever.
static bool wait_readable(lua_State *L, int descriptor, int64_t timeout_ms) {
    struct pollfd waits[] = {{.fd = interruption_descriptor(), .events = POLLIN},
                             {.fd = descriptor, .events = POLLIN}};
    int ready;
    do ready = poll(waits, 2, timeout_ms > INT32_MAX ? INT32_MAX : (int)timeout_ms);
    while (ready < 0 && errno == EINTR);
    if (waits[0].revents) raise_fault(L, STATUS_INTERRUPTED, "interrupted");
    return ready > 0;
}

static int64_t now_ms(void) {
    return (int64_t)(uv_hrtime() / 1000000);
}

// ---- connections --------------------------------------------------------------------------------

static void forget_reply(Client *client) {
    if (client->reply) freeReplyObject(client->reply);
    client->reply = NULL;
}

static void hang_up(redisContext **connection) {
    if (*connection) redisFree(*connection);
    *connection = NULL;
}

// Sends one command and keeps its reply in the client. False: the connection is gone.
static bool ask(Client *client, redisContext *connection, int count, const char **arguments,
                const size_t *sizes) {
    forget_reply(client);
    client->reply = redisCommandArgv(connection, count, arguments, sizes);
    return client->reply;
}

static bool is_error(const Client *client, const char *word) {
    return client->reply->type == REDIS_REPLY_ERROR &&
           strncmp(client->reply->str, word, strlen(word)) == 0;
}

static const char *error_of(const Client *client) {
    bool error = client->reply->type == REDIS_REPLY_ERROR;
    return error ? client->reply->str : "it is no reply to a script of weir";
}

static void check_login(lua_State *L, Client *client) {
    if (client->reply->type == REDIS_REPLY_ERROR)
        raise_fault(L, EX_NOPERM, "Redis at %s refused the login: %s", client->config->redis.url,
                    client->reply->str);
}

static void log_in(lua_State *L, Client *client, redisContext *connection) {
    const RedisAddress *address = &client->config->redis;
    if (address->password) {
        const char *words[] = {"AUTH", address->user, address->password};
        if (!address->user) words[1] = address->password;
        if (ask(client, connection, address->user ? 3 : 2, words, NULL)) check_login(L, client);
    }
    if (address->db && !connection->err) {
        char db[16];
        snprintf(db, sizeof db, "%d", address->db);
        const char *words[] = {"SELECT", db};
        if (ask(client, connection, 2, words, NULL)) check_login(L, client);
    }
    // asked before anything large is sent: Redis hangs up on that from a stranger
    const char *ping[] = {"PING"};
    if (!connection->err && ask(client, connection, 1, ping, NULL) && is_error(client, "NOAUTH"))
        check_login(L, client);
}

static int unreachable(lua_State *L, const Client *client, const char *why) {
    const char *url = client->config->redis.url;
    const char *starter = strstr(url, "/.weir/") ? "weir dev" : "it"; // that folder is of weir dev
    return raise_fault(L, EX_UNAVAILABLE,
                       "Redis at %s cannot be reached: %s; is %s running, or is another meant "
                       "(--redis URL)?",
                       url, why, starter);
}

static void connect_once(lua_State *L, Client *client, redisContext **connection) {
    const RedisAddress *address = &client->config->redis;
    struct timeval timeout = {.tv_sec = PATIENCE_MS / 1000};
    hang_up(connection);
    *connection = address->socket ? redisConnectUnixWithTimeout(address->socket, timeout)
                                  : redisConnectWithTimeout(address->host, address->port, timeout);
    if (!*connection) abort();
    if (!(*connection)->err) redisSetTimeout(*connection, timeout);
    if (!(*connection)->err) log_in(L, client, *connection);
}

// A connection that works. One that once did and died is tried again for a while: Redis may be
// starting anew.
static void connect_to(lua_State *L, Client *client, redisContext **connection) {
    int64_t end = *connection ? now_ms() + PATIENCE_MS : 0;
    if (*connection && !(*connection)->err) return;
    for (;;) {
        connect_once(L, client, connection);
        if (!(*connection)->err) return;
        if (now_ms() >= end) {
            char why[sizeof(*connection)->errstr];
            memcpy(why, (*connection)->errstr, sizeof why);
            hang_up(connection);
            unreachable(L, client, why);
        }
        wait_readable(L, -1, PAUSE_MS);
    }
}

// ---- calls --------------------------------------------------------------------------------------

static void give(Client *client, const char *bytes, size_t size) {
    if ((client->count & (client->count - 1)) == 0) {
        size_t capacity = client->count ? 2 * client->count : 1;
        client->arguments = xrealloc(client->arguments, capacity * sizeof *client->arguments);
        client->sizes = xrealloc(client->sizes, capacity * sizeof *client->sizes);
    }
    client->arguments[client->count] = bytes;
    client->sizes[client->count++] = size;
}

// The argument on top of the stack; its text stays with `owner`, a table, until the call is over.
static void give_value(lua_State *L, Client *client, int owner) {
    size_t size;
    const char *bytes = lua_tolstring(L, -1, &size); // makes a string of a number, in place
    if (!bytes) luaL_error(L, "an argument of a group cannot be a %s", luaL_typename(L, -1));
    give(client, bytes, size);
    lua_rawseti(L, owner, (lua_Integer)client->count);
}

// EVALSHA sha 1 key worker capacity nqueues, then the groups: verb n argument...
static void give_groups(lua_State *L, Client *client, int groups) {
    lua_newtable(L);
    int owner = lua_gettop(L);
    client->count = 0;
    give(client, "EVALSHA", strlen("EVALSHA"));
    give(client, client->sha, strlen(client->sha));
    give(client, "1", 1);
    lua_pushfstring(L, "%s:{0}:", client->config->prefix);
    give_value(L, client, owner);
    give(client, "", 0);  // no worker
    give(client, "0", 1); // takes no runs
    give(client, "0", 1);
    for (int group = 1; group <= groups; group++) {
        luaL_checktype(L, group, LUA_TTABLE);
        lua_Integer count = luaL_len(L, group);
        lua_rawgeti(L, group, 1);
        give_value(L, client, owner);
        lua_pushinteger(L, count - 1);
        give_value(L, client, owner);
        for (lua_Integer i = 2; i <= count; i++) {
            lua_rawgeti(L, group, i);
            give_value(L, client, owner);
        }
    }
}

static bool load_script(Client *client) {
    size_t size;
    const char *text = script_text(&size);
    const char *words[] = {"SCRIPT", "LOAD", text};
    const size_t sizes[] = {strlen("SCRIPT"), strlen("LOAD"), size};
    if (!ask(client, client->calls, 3, words, sizes)) return false;
    if (client->reply->type != REDIS_REPLY_STRING) return true; // an error: looked at by the caller
    free(client->sha);
    client->sha = xstrdup(client->reply->str);
    return true;
}

static int refused(lua_State *L, const Client *client, int status, const char *what) {
    const Config *config = client->config;
    const char *why = error_of(client);
    char text[TROUBLE_TEXT];
    trouble_text(trouble_of(why), why, &config->redis, config->prefix, text);
    return raise_fault(L, status, "Redis at %s %s: %s", config->redis.url, what, text);
}

// Raises what Redis answered, unless it may answer another thing soon.
static void face(lua_State *L, const Client *client) {
    switch (trouble_of(error_of(client))->kind) {
    case TROUBLE_LOGIN:
    case TROUBLE_RIGHT: refused(L, client, EX_NOPERM, "refused a call"); break;
    case TROUBLE_OTHER: refused(L, client, EX_SOFTWARE, "refused a call"); break;
    default: break;
    }
}

static int give_up(lua_State *L, const Client *client) {
    if (client->reply) return refused(L, client, EX_UNAVAILABLE, "cannot serve just now");
    return unreachable(L, client, client->calls->errstr);
}

static void push_reply(lua_State *L, const redisReply *reply) {
    luaL_checkstack(L, 4, "a reply is nested too deeply");
    switch (reply->type) {
    case REDIS_REPLY_ARRAY:
        lua_createtable(L, (int)reply->elements, 0);
        for (size_t i = 0; i < reply->elements; i++) {
            push_reply(L, reply->element[i]);
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
        break;
    case REDIS_REPLY_INTEGER: lua_pushinteger(L, reply->integer); break;
    case REDIS_REPLY_NIL: lua_pushboolean(L, 0); break;
    default: lua_pushlstring(L, reply->str, reply->len); break;
    }
}

// One try. True: there is an answer in client->reply, perhaps an error.
static bool try_call(lua_State *L, Client *client, int groups) {
    connect_to(L, client, &client->calls);
    if (!client->sha && (!load_script(client) || !client->sha)) return client->reply;
    give_groups(L, client, groups);
    bool answered =
        ask(client, client->calls, (int)client->count, client->arguments, client->sizes);
    lua_settop(L, groups);
    if (!answered || !is_error(client, "NOSCRIPT")) return answered;
    free(client->sha);
    client->sha = NULL;
    return false;
}

static int call(lua_State *L) {
    Client *client = client_of(L);
    int groups = lua_gettop(L);
    if (client->under_way) return luaL_error(L, "call: replies are due; receive them first");
    int64_t end = now_ms() + PATIENCE_MS;
    for (;;) {
        bool answered = try_call(L, client, groups);
        if (answered && client->reply->type == REDIS_REPLY_ARRAY) break;
        if (answered) face(L, client);
        if (now_ms() > end) return give_up(L, client);
        if (answered) wait_readable(L, -1, PAUSE_MS);
    }
    push_reply(L, client->reply);
    forget_reply(client);
    return 1;
}

// ---- calls under way ----------------------------------------------------------------------------
//
// The next call is made while the reply of the one before is awaited. Replies come in the order of
// the calls. When the connection died, all that lack a reply are sent again, in that order.

static void forget_oldest(Client *client) {
    free(client->sent[0].bytes);
    client->under_way--;
    memmove(client->sent, client->sent + 1, (size_t)client->under_way * sizeof *client->sent);
}

// A connection that dies is noticed when its replies are wanted.
static void put_on_wire(Client *client, const Sent *sent) {
    int done = 0;
    if (client->calls->err) return;
    redisAppendFormattedCommand(client->calls, sent->bytes, sent->size);
    while (!done && redisBufferWrite(client->calls, &done) == REDIS_OK) {
    }
}

// The script is there, as far as anybody knows. False: that could not be found out.
static bool make_ready(lua_State *L, Client *client) {
    connect_to(L, client, &client->calls);
    return client->sha || (load_script(client) && client->sha);
}

static int send_call(lua_State *L) {
    Client *client = client_of(L);
    int groups = lua_gettop(L);
    if (client->under_way == UNDER_WAY)
        return luaL_error(L, "send: %d calls are under way; receive first", UNDER_WAY);
    int64_t end = now_ms() + PATIENCE_MS;
    while (!client->under_way && !make_ready(L, client)) {
        if (client->reply) face(L, client);
        if (now_ms() > end) return give_up(L, client);
        wait_readable(L, -1, PAUSE_MS);
    }
    give_groups(L, client, groups);
    Sent *sent = &client->sent[client->under_way];
    long long size =
        redisFormatCommandArgv(&sent->bytes, (int)client->count, client->arguments, client->sizes);
    if (size < 0) abort();
    sent->size = (size_t)size;
    client->under_way++;
    put_on_wire(client, sent);
    return 0;
}

// The next reply on the wire. False: the connection is gone.
static bool take_reply(lua_State *L, Client *client) {
    redisContext *calls = client->calls;
    forget_reply(client);
    if (calls->err || redisGetReplyFromReader(calls, (void **)&client->reply) != REDIS_OK)
        return false;
    if (client->reply) return true;
    wait_readable(L, calls->fd, PATIENCE_MS);
    return redisGetReply(calls, (void **)&client->reply) == REDIS_OK;
}

// All that is under way, once what is said to the calls behind a refused one was heard: it does not
// count either. False: the script could not be loaded.
static bool send_again(lua_State *L, Client *client, bool refused) {
    for (int i = 1; refused && i < client->under_way; i++) refused = take_reply(L, client);
    if (!make_ready(L, client)) return false;
    for (int i = 0; i < client->under_way; i++) put_on_wire(client, &client->sent[i]);
    return true;
}

static int receive_reply(lua_State *L) {
    Client *client = client_of(L);
    int64_t end = now_ms() + PATIENCE_MS;
    if (!client->under_way) return luaL_error(L, "receive: nothing was sent");
    for (bool sent = true;;) {
        bool answered = sent ? take_reply(L, client) : client->reply != NULL;
        if (answered && client->reply->type == REDIS_REPLY_ARRAY) break;
        bool forgotten = answered && is_error(client, "NOSCRIPT");
        if (answered && !forgotten) face(L, client);
        if (now_ms() > end) return give_up(L, client);
        if (forgotten) {
            free(client->sha);
            client->sha = NULL;
        } else if (answered) {
            wait_readable(L, -1, PAUSE_MS);
        }
        sent = send_again(L, client, sent && answered);
    }
    forget_oldest(client);
    push_reply(L, client->reply);
    forget_reply(client);
    return 1;
}

// A command of Redis itself. Nil when it is refused: not everybody may ask everything.
static int ask_redis(lua_State *L) {
    Client *client = client_of(L);
    int count = lua_gettop(L);
    connect_to(L, client, &client->calls);
    lua_newtable(L);
    int owner = lua_gettop(L);
    client->count = 0;
    for (int i = 1; i <= count; i++) {
        lua_pushvalue(L, i);
        give_value(L, client, owner);
    }
    if (!ask(client, client->calls, count, client->arguments, client->sizes))
        return unreachable(L, client, client->calls->errstr);
    if (client->reply->type == REDIS_REPLY_ERROR)
        lua_pushnil(L);
    else
        push_reply(L, client->reply);
    forget_reply(client);
    return 1;
}

// ---- messages -----------------------------------------------------------------------------------

// Redis confirms each channel: from then on no message of it is missed.
static void subscribe(lua_State *L, Client *client) {
    connect_to(L, client, &client->messages);
    client->count = 0;
    give(client, "SUBSCRIBE", strlen("SUBSCRIBE"));
    for (int64_t i = 0; i < client->channels.count; i++)
        give(client, client->channels.items[i], strlen(client->channels.items[i]));
    bool alive =
        ask(client, client->messages, (int)client->count, client->arguments, client->sizes);
    for (int64_t i = 1; alive && i < client->channels.count; i++) {
        forget_reply(client);
        alive = redisGetReply(client->messages, (void **)&client->reply) == REDIS_OK;
    }
    if (!alive) unreachable(L, client, client->messages->errstr);
    if (client->reply->type == REDIS_REPLY_ERROR) check_login(L, client);
}

static void forget_channels(Client *client) {
    for (int64_t i = 0; i < client->channels.count; i++) free((char *)client->channels.items[i]);
    free(client->channels.items);
    client->channels = (TextList){0};
}

static int listen_to(lua_State *L) {
    Client *client = client_of(L);
    int count = lua_gettop(L);
    hang_up(&client->messages);
    forget_channels(client);
    client->channels.items = xcalloc((size_t)count, sizeof *client->channels.items);
    for (int i = 1; i <= count; i++) {
        const char *name =
            lua_pushfstring(L, "%s:{0}:%s", client->config->prefix, luaL_checkstring(L, i));
        client->channels.items[client->channels.count++] = xstrdup(name);
        lua_pop(L, 1);
    }
    subscribe(L, client);
    return 0;
}

// Takes the next message out of what was read. False: there is none yet.
static bool take_message(lua_State *L, Client *client) {
    for (;;) {
        forget_reply(client);
        if (redisGetReplyFromReader(client->messages, (void **)&client->reply) != REDIS_OK ||
            !client->reply)
            return false;
        const redisReply *reply = client->reply;
        if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 ||
            strcmp(reply->element[0]->str, "message") != 0)
            continue;
        size_t prefix = strlen(client->config->prefix) + strlen(":{0}:");
        lua_pushstring(L, reply->element[1]->str + prefix);
        lua_pushlstring(L, reply->element[2]->str, reply->element[2]->len);
        forget_reply(client);
        return true;
    }
}

static int message(lua_State *L) {
    Client *client = client_of(L);
    bool for_ever = lua_isnoneornil(L, 1);
    int64_t end = for_ever ? 0 : now_ms() + luaL_checkinteger(L, 1);
    if (!client->messages) return luaL_error(L, "message: listen first");
    while (!take_message(L, client)) {
        int64_t rest = end - now_ms();
        if (!client->messages->err) {
            if (!wait_readable(L, client->messages->fd, for_ever ? -1 : rest > 0 ? rest : 0))
                return 0;
            if (redisBufferRead(client->messages) == REDIS_OK) continue;
        }
        subscribe(L, client);
        return 0;
    }
    return 2;
}

// ---- files and the terminal ---------------------------------------------------------------------

static int read_bundle(lua_State *L) {
    Client *client = client_of(L);
    char fault[BUNDLE_FAULT_SIZE];
    if (bundle_read(luaL_checkstring(L, 1), &client->bundle, fault) < 0) {
        bundle_free(&client->bundle);
        return raise_fault(L, EX_NOINPUT, "%s", fault);
    }
    lua_createtable(L, 0, (int)client->bundle.count);
    for (size_t i = 0; i < client->bundle.count; i++) {
        const Source *source = &client->bundle.sources[i];
        lua_pushlstring(L, source->text, source->size);
        lua_setfield(L, -2, source->path);
    }
    bundle_free(&client->bundle);
    return 1;
}

static void close_file(Client *client) {
    if (client->file && client->file != stdin) fclose(client->file);
    client->file = NULL;
}

static int read_text(lua_State *L) {
    Client *client = client_of(L);
    const char *path = luaL_checkstring(L, 1);
    client->file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    if (!client->file)
        return raise_fault(L, EX_NOINPUT, "cannot read %s: %s", path, strerror(errno));
    luaL_Buffer text;
    luaL_buffinit(L, &text);
    size_t size;
    do {
        size = fread(luaL_prepbuffer(&text), 1, LUAL_BUFFERSIZE, client->file);
        luaL_addsize(&text, size);
    } while (size == LUAL_BUFFERSIZE);
    int fault = ferror(client->file) ? errno : 0;
    close_file(client);
    if (fault) return raise_fault(L, EX_NOINPUT, "cannot read %s: %s", path, strerror(fault));
    luaL_pushresult(&text);
    return 1;
}

static void close_input(Client *client) {
    if (client->input > STDERR_FILENO) close(client->input);
    client->input = -1;
}

// Opens what `more` reads. Its size, when it is a file that can be read a second time.
static int open_input(lua_State *L) {
    Client *client = client_of(L);
    const char *path = luaL_checkstring(L, 1);
    bool is_stdin = strcmp(path, "-") == 0;
    close_input(client);
    client->input = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    struct stat about;
    if (client->input < 0 || fstat(client->input, &about) < 0)
        return raise_fault(L, EX_NOINPUT, "cannot read %s: %s", path, strerror(errno));
    if (S_ISDIR(about.st_mode))
        return raise_fault(L, EX_NOINPUT, "cannot read %s: %s", path, strerror(EISDIR));
    if (is_stdin || !S_ISREG(about.st_mode)) return 0;
    lua_pushinteger(L, about.st_size);
    return 1;
}

// What there is to read, some of it; nothing at its end.
static int read_more(lua_State *L) {
    Client *client = client_of(L);
    char bytes[INPUT_BYTES];
    ssize_t size;
    do {
        wait_readable(L, client->input, -1);
        size = read(client->input, bytes, sizeof bytes);
    } while (size < 0 && (errno == EINTR || errno == EAGAIN));
    if (size < 0) return raise_fault(L, EX_NOINPUT, "cannot read on: %s", strerror(errno));
    if (size == 0) return 0;
    lua_pushlstring(L, bytes, (size_t)size);
    return 1;
}

static int write_text(lua_State *L) {
    int descriptor = (int)luaL_checkinteger(L, 1);
    size_t size;
    const char *text = luaL_checklstring(L, 2, &size);
    while (size > 0) {
        ssize_t written = write(descriptor, text, size);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0 && errno == EAGAIN) {
            poll(&(struct pollfd){.fd = descriptor, .events = POLLOUT}, 1, -1);
            continue;
        }
        // whoever reads has had enough (weir show RUN | head): nothing to tell anybody
        if (written < 0 && errno == EPIPE) return raise_fault(L, STATUS_UNREAD, "%s", "");
        if (written < 0) return raise_fault(L, EX_IOERR, "cannot write: %s", strerror(errno));
        text += written;
        size -= (size_t)written;
    }
    return 0;
}

static int is_terminal(lua_State *L) {
    lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
    return 1;
}

// Of whichever of stderr and stdout is a terminal.
static struct winsize terminal_size(void) {
    struct winsize size = {0};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0) ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    return size;
}

static int width(lua_State *L) {
    struct winsize size = terminal_size();
    lua_pushinteger(L, size.ws_col > 0 ? size.ws_col : 80);
    return 1;
}

static int height(lua_State *L) {
    struct winsize size = terminal_size();
    lua_pushinteger(L, size.ws_row > 0 ? size.ws_row : 24);
    return 1;
}

static int show(lua_State *L) {
    log_foot(luaL_optstring(L, 1, NULL));
    return 0;
}

static int monotonic_ms(lua_State *L) {
    lua_pushinteger(L, now_ms());
    return 1;
}

// ---- a command ----------------------------------------------------------------------------------

static int open_module(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"call", call},
        {"send", send_call},
        {"receive", receive_reply},
        {"listen", listen_to},
        {"message", message},
        {"read", read_text},
        {"open", open_input},
        {"more", read_more},
        {"write", write_text},
        {"is_terminal", is_terminal},
        {"width", width},
        {"now_ms", monotonic_ms},
        {"bundle", read_bundle},
        {"height", height},
        {"show", show},
        {"ask", ask_redis},
        {"pause", pause_for},
        {"heed_interrupts", heed_interrupts},
        {NULL, NULL},
    };
    luaL_newlibtable(L, functions);
    lua_pushvalue(L, lua_upvalueindex(1));
    luaL_setfuncs(L, functions, 1);
    return 1;
}

// cli.main(command, options) -> exit status
static int run_command(lua_State *L) {
    const Client *client = lua_touserdata(L, 1);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushvalue(L, 1);
    lua_pushcclosure(L, open_module, 1);
    lua_setfield(L, -2, "weir.native.client");

    lua_getglobal(L, "require");
    lua_pushliteral(L, "weir.cli");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "main");
    lua_pushstring(L, config_command(client->config));
    config_push(L, client->config);
    lua_call(L, 2, 1);
    return 1;
}

static bool is_fault(lua_State *L, int index) {
    if (!lua_istable(L, index)) return false;
    bool fault = lua_getfield(L, index, "status") == LUA_TNUMBER;
    lua_pop(L, 1);
    return fault;
}

// Where it came from is of interest only for a fault of weir's own.
static int on_raised(lua_State *L) {
    if (is_fault(L, 1)) return 1;
    luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
    return 1;
}

// The line on stderr and the exit status for what was raised.
static int report(lua_State *L) {
    if (!is_fault(L, -1)) {
        fprintf(stderr, "weir: %s\n", lua_tostring(L, -1));
        return EX_SOFTWARE;
    }
    lua_getfield(L, -1, "status");
    lua_getfield(L, -2, "message");
    fprintf(stderr, "weir: %s\n", lua_tostring(L, -1));
    return (int)lua_tointeger(L, -2);
}

int client_run(const Config *config) {
    Client client = {.config = config, .input = -1};
    signal(SIGPIPE, SIG_IGN); // a connection that died is an error to look at
    Vm *vm = vm_open(config);
    if (!vm) return EX_SOFTWARE;
    lua_State *L = vm_lua(vm);

    lua_pushcfunction(L, on_raised);
    lua_pushcfunction(L, run_command);
    lua_pushlightuserdata(L, &client);
    bool raised = lua_pcall(L, 1, 1, -3) != LUA_OK;
    int status = raised ? report(L) : (int)lua_tointeger(L, -1);

    vm_close(vm);
    forget_reply(&client);
    forget_channels(&client);
    hang_up(&client.calls);
    hang_up(&client.messages);
    bundle_free(&client.bundle);
    close_file(&client);
    close_input(&client);
    while (client.under_way) forget_oldest(&client);
    free(client.arguments);
    free(client.sizes);
    free(client.sha);
    return status;
}
