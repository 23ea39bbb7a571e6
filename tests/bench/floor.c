// floor: the writes of one invoke, nine commands, 100 invokes in a script call:
//
//   1  HSET child     it is created: state ready, workflow, data, seed, created_at
//   2  HSET parent    its operation is recorded; state waiting
//   3  ZADD delayed   the parent waits without a deadline
//   4  ZADD ready     the child stands in its queue
//   5  ZREM ready     it is claimed
//   6  HSET child     state running, owner, started_at
//   7  HSET child     state completed, result, finished_at
//   8  HSET parent    the outcome under its number; state running
//   9  ZREM delayed   the parent waits no more
//
// As with 200 parents in flight, a call writes for 100 parents and the next one for another 100;
// each parent invokes 10 times, in 10 calls of its own. All keys are fresh.
//
// And those of one run that is started, claimed and completed, 250 runs in a call: 1, 4, 5, 6 and 7
// of a root, which also gets its place among the roots.
#include "floor.h"

#include "base/xmalloc.h"
#include "measure.h"

#include <stdio.h>

enum { IN_A_CALL = 100, RUNS_IN_A_CALL = 250, SEQUENCE = 10, CALLS = 400, ROUND_TRIPS = 2000 };

static const char WRITES[] =
    "local call, prefix, now = redis.call, KEYS[1], ARGV[1]\n"
    "local ready, delayed = prefix .. 'ready:default', prefix .. 'delayed'\n"
    "for i = 2, #ARGV, 4 do\n"
    "  local id, operation, number, seed = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]\n"
    "  local parent, child = prefix .. 'r:' .. id, prefix .. 'r:' .. id .. '/' .. operation\n"
    "  call('HSET', child, 'state', 'ready', 'workflow', 'no-op', 'data', '{}', 'seed', seed,\n"
    "       'created_at', now)\n"
    "  call('HSET', parent, 'o:' .. operation, '\\t' .. now .. '\\tinvoke\\tno-op', 'state', "
    "'waiting')\n"
    "  call('ZADD', delayed, '+inf', id)\n"
    "  call('ZADD', ready, seed, child)\n"
    "  call('ZREM', ready, child)\n"
    "  call('HSET', child, 'state', 'running', 'owner', '1.1', 'started_at', now)\n"
    "  call('HSET', child, 'state', 'completed', 'result', '1', 'finished_at', now)\n"
    "  call('HSET', parent, number, operation .. '\\tcompleted\\t' .. now .. '\\t1\\t1',\n"
    "       'state', 'running')\n"
    "  call('ZREM', delayed, id)\n"
    "end\n"
    "return 1\n";

static const char RUNS[] =
    "local call, prefix, now = redis.call, KEYS[1], ARGV[1]\n"
    "local ready, places, roots = prefix .. 'ready:default', {}, {}\n"
    "for i = 2, #ARGV do\n"
    "  local run = prefix .. 'r:' .. ARGV[i]\n"
    "  call('HSET', run, 'state', 'ready', 'workflow', 'no-op', 'data', '{\"n\":1}', 'seed',\n"
    "       '7244605811453713', 'created_at', now)\n"
    "  roots[#roots + 1], roots[#roots + 2] = now, ARGV[i]\n"
    "  places[#places + 1], places[#places + 2] = i, ARGV[i]\n"
    "end\n"
    "call('ZADD', prefix .. 'roots', unpack(roots))\n"
    "call('ZADD', ready, unpack(places))\n"
    "call('ZPOPMIN', ready, #ARGV - 1)\n"
    "for i = 2, #ARGV do\n"
    "  local run = prefix .. 'r:' .. ARGV[i]\n"
    "  call('HSET', run, 'state', 'running', 'owner', '1.1', 'started_at', now)\n"
    "  call('HSET', run, 'state', 'completed', 'result', '1', 'finished_at', now)\n"
    "end\n"
    "return 1\n";

static void load(Rig *rig, const char *text, char sha[41]) {
    redisReply *reply = command(rig, "SCRIPT LOAD %s", text);
    snprintf(sha, 41, "%s", reply->str);
    freeReplyObject(reply);
}

static void write_call(Rig *rig, const char *sha, int number) {
    static char texts[IN_A_CALL][3][24];
    const char *words[5 + 4 * IN_A_CALL] = {"EVALSHA", sha, "1", "floor:{0}:", "1790000000000"};
    char operation[8], outcome[8];
    int turn = number / 2 % SEQUENCE, group = number / 2 / SEQUENCE * 2 + number % 2;
    snprintf(operation, sizeof operation, "i%d", turn + 1);
    snprintf(outcome, sizeof outcome, "%d", turn + 1);
    for (int i = 0; i < IN_A_CALL; i++) {
        const char **at = words + 5 + 4 * i;
        snprintf(texts[i][0], sizeof texts[i][0], "w%d", group * IN_A_CALL + i);
        snprintf(texts[i][1], sizeof texts[i][1], "%d", number * IN_A_CALL + i);
        at[0] = texts[i][0];
        at[1] = operation;
        at[2] = outcome;
        at[3] = texts[i][1];
    }
    redisAppendCommandArgv(rig->redis, 5 + 4 * IN_A_CALL, words, NULL);
}

static void write_runs(Rig *rig, const char *sha, int number) {
    static char ids[RUNS_IN_A_CALL][32];
    const char *words[5 + RUNS_IN_A_CALL] = {"EVALSHA", sha, "1", "floor:{0}:", "1790000000000"};
    for (int i = 0; i < RUNS_IN_A_CALL; i++) {
        snprintf(ids[i], sizeof ids[i], "no-op-%016d", number * RUNS_IN_A_CALL + i);
        words[5 + i] = ids[i];
    }
    redisAppendCommandArgv(rig->redis, 5 + RUNS_IN_A_CALL, words, NULL);
}

// Calls a second of this script, in a database of its own.
static double measure(Rig *rig, const char *text, void (*write)(Rig *, const char *, int)) {
    char sha[41];
    redisReply *reply;
    load(rig, text, sha);
    freeReplyObject(command(rig, "SELECT 1"));
    double begin = now_s();
    for (int i = 0; i < CALLS; i++) {
        write(rig, sha, i);
        if (redisGetReply(rig->redis, (void **)&reply) != REDIS_OK ||
            reply->type != REDIS_REPLY_INTEGER)
            give_up("Redis does not take the floor's writes");
        freeReplyObject(reply);
    }
    double took = now_s() - begin;
    freeReplyObject(command(rig, "FLUSHDB"));
    freeReplyObject(command(rig, "SELECT 0"));
    return CALLS / took;
}

double floor_invokes(Rig *rig) {
    return IN_A_CALL * measure(rig, WRITES, write_call);
}

double floor_runs(Rig *rig) {
    return RUNS_IN_A_CALL * measure(rig, RUNS, write_runs);
}

double floor_round_trip(Rig *rig) {
    static double took[ROUND_TRIPS];
    char sha[41];
    load(rig, "return 1", sha);
    for (int i = 0; i < ROUND_TRIPS; i++) {
        double begin = now_s();
        freeReplyObject(command(rig, "EVALSHA %s 0", sha));
        took[i] = now_s() - begin;
    }
    return median(took, ROUND_TRIPS);
}
