-- `weir why`: a sentence for each way in which a run can stand.

local commands = require "spec.support.commands"
local json = require "weir.json"

local FULL = commands.FULL

describe("weir why", function()
  local side, answers, fields, full, run

  before_each(function()
    side = commands.new()
    answers, fields, full, run = side.answers, side.fields, side.full, side.run
  end)

  after_each(commands.unload)

  describe("why", function()
    local function glance(...)
      answers.status = { "status", { "workflow", "work", "created_at", "90000", ... } }
    end

    local function says(pattern)
      side.printed = {}
      local status, out = run("why", "a")
      assert.equal(0, status)
      assert.truthy(out:find(pattern), out)
    end

    it("tells of runs that have ended", function()
      glance("state", "completed", "finished_at", "95000")
      says "^a: it completed 5.00s ago and waits for nothing\n$"
      glance("state", "failed", "finished_at", "95000", "error", '{"message":"boom"}')
      says "it failed 5.00s ago: boom"
    end)

    it("tells of what has not begun", function()
      glance("state", "scheduled", "wake", "105000")
      says "starts in 5.00s"
      glance("state", "ready", "ahead", 0)
      says 'queue "default" as the next; the next free worker takes it'
      glance("state", "ready", "ahead", 3)
      says "behind 3 other runs"
      answers.turns = { "turns", "1.2", "node", "r1", "97000" }
      says "takes it %(worker 2 of node has been in r1 for 3.00s%)\n$"
      answers.turns = { "turns" }
      glance("state", "ready", "queue", "?work")
      says 'for a host that knows workflow "work"'
      glance("state", "ready", "queue", "?work", "attempt", "2")
      says '^a: no host has its workflow "work" any more; save its file again .-, or end the run with weir cancel a\n$'
    end)

    it("says that no host is alive to execute it", function()
      glance("state", "ready", "queue", "gpu")
      answers.hosts = { "hosts" }
      says "none is alive; start one"
      answers.hosts = { "hosts", "1", "node", "101000", "2", 0, "default", "", "", "", "", "" }
      says 'queue "gpu", which no host serves'
    end)

    it("names newer code of its workflow that a host does not load", function()
      local function host(number, expires, bundle, faults)
        local refused = ('[["flows","%s","%s"]]'):format(bundle, faults)
        return number, "h" .. number, expires, "2", 0, "*", "9f2c", "", refused, "", ""
      end
      local function hosts(...)
        answers.hosts = { "hosts", ... }
        answers.registry = { "registry", "work", '{"bundle":"9f2c"}' }
      end
      glance("state", "failed", "finished_at", "99000", "error", '{"message":"boom"}')
      hosts(host("1", "101000", "9f2c", "a.lua:1: one\\nb.lua:2: two"))
      says "boom; host h1 still serves bundle 9f2c: a.lua:1: one %(and 1 more%)\n$"
      hosts(host("1", "101000", "1b7e", "a.lua:1: one")) -- another one serves this workflow
      says "boom\n$"
      hosts(host("1", "90000", "9f2c", "a.lua:1: one")) -- it is gone
      says "boom\n$"
      glance("state", "ready", "queue", "?new", "workflow", "new")
      hosts(host("1", "101000", "1b7e", "a.lua:1: one"))
      says 'knows workflow "new"; .-; host h1 still serves bundle 1b7e: a.lua:1: one\n$'
      glance("state", "completed", "finished_at", "99000")
      says "waits for nothing\n$"
    end)

    it("tells of attempts and of hosts that are gone", function()
      glance("state", "retrying", "attempt", "2", "wake", "101500", "error", '{"message":"boom"}')
      says "attempt 2 failed %(boom%) and the next begins in 1.50s"
      glance("state", "running", "owner", "1.2")
      answers.inspect = fields { state = "running" }
      says "the host that ran it is dead"
    end)

    it("tells of a Redis that is full, which holds up all but what has ended", function()
      full()
      glance("state", "ready", "queue", "gpu")
      local _, out = run("why", "a")
      assert.equal("a: " .. FULL .. "\n", out)
      side.printed = {}
      _, out = run "why"
      assert.equal(FULL .. "\n", out)
      glance("state", "completed", "finished_at", "95000")
      says "^a: it completed 5.00s ago"
    end)

    it("goes down to what really holds it up", function()
      glance("state", "waiting")
      answers.inspect = function(id)
        if id == "a" then
          return fields { state = "waiting",
            ["o:pay"] = '\t98000\tinvoke\t0\t1\torder.lua:9\tpayment\t{"timeout_ms":5000}' }
        end
        return fields { state = "waiting", ["o:sleep#1"] = '\t99000\tsleep\t0\t1\tpay.lua:3\t\t{"duration_ms":4000}' }
      end
      says("^a: it has waited 2.00s for its child a/pay %(payment%) at order.lua:9 %(times out in 3.00s%): "
        .. 'it has slept for 1.00s %("sleep#1" at pay.lua:3%) and goes on in 3.00s\n$')
    end)

    it("tells how often a poll was asked", function()
      glance("state", "waiting")
      local arguments = '{"calls":12,"failures":0,"pause_ms":5000,"until_ms":160000}'
      answers.inspect = function() return fields { state = "waiting",
                                                   ["o:p"] = "\t98000\tpoll\t0\t1\ta.lua:3\t\t" .. arguments } end
      says('^a: poll "p" %(a.lua:3%) was asked 12 times, and is asked again in 3.00s %(times out in 1m%)\n$')
      arguments = '{"calls":1,"failures":2,"pause_ms":500}'
      says('poll "p" %(a.lua:3%) was asked once and failed after that, and is asked again any moment\n$')
    end)

    it("counts the branches that it waits for", function()
      glance("state", "waiting")
      answers.inspect = fields { state = "waiting", progress = json.encode { groups = {
        { id = "m", verb = "map", done = 212, failed = 3, total = 5000, state = "running" },
        { id = "p", verb = "parallel", done = 2, failed = 0, total = 2, state = "completed" },
      } }, ["o:m:1:nap"] = '\t98000\tsleep\t0\t1 4\ta.lua:3\t\t{"duration_ms":4000}',
        ["o:m:2:nap"] = '\t98000\tsleep\t0\t1 4\ta.lua:3\t\t{"duration_ms":4000}' }
      says('^a: ctx:map "m" is at 212 of 5,000, 3 failed; of 2 open operations, the first: it has slept for 2.00s '
        .. '%("m:1:nap" at a.lua:3%) and goes on in 2.00s\n$')
    end)

    it("tells what a cancel waits for, and what its clean-up does", function()
      glance("state", "waiting")
      local journal = { state = "waiting", cancel = "1", ["1"] = "\tcancelled\t98000\t0\tby hand",
                        ["o:nap"] = '\t98000\tsleep\t0\t1\ta.lua:3\t\t{"duration_ms":4000}' }
      answers.inspect = function() return fields(journal) end
      says "^a: it is to end %(cancelled%), when its children have ended: it has slept for 2.00s"
      journal["o:tidy"] = '\t99000\tsleep\t1\t1\ta.lua:5\t\t{"duration_ms":3000}'
      says('^a: it is to end %(cancelled%) and cleans up %(weir cancel a %-%-now ends it without%): '
        .. 'it has slept for 1.00s %("tidy" at a.lua:5%) and goes on in 2.00s\n$')
    end)

    it("is JSON when asked", function()
      glance("state", "completed", "finished_at", "95000")
      local _, out = run("why", "a", { json = true })
      assert.same({ run = "a", why = "it completed 5.00s ago and waits for nothing" }, json.decode(out))
      side.printed = {}
      _, out = run("why", { json = true })
      assert.equal(json.null, json.decode(out).run)
      assert.equal("there is no run to execute: start one with weir start WORKFLOW", json.decode(out).why)
    end)

    it("tells of runs that wait for each other", function()
      glance("state", "waiting")
      answers.inspect = function(id)
        local other = id == "a" and "b" or "a"
        return fields { state = "waiting", ["w:pay"] = other, ["o:pay"] = "\t98000\tinvoke\t0\t1\tf.lua:9\tw\t" }
      end
      says "for its child a %(w%) at f.lua:9: these runs wait for each other %(a deadlock%); weir cancel a\n$"
    end)

    it("tells why no run moves", function()
      local function everything()
        side.printed = {}
        return (select(2, run("why")))
      end
      assert.equal("there is no run to execute: start one with weir start WORKFLOW\n", everything())
      answers.due = { "due", "160000" }
      assert.truthy(everything():find("the next run wakes in 1m", 1, true))
      answers.queues = { "queues", "default", 2, "x", "0", "?typo", 1, "y", "0" }
      assert.truthy(everything():find('1 run is waiting for a host that knows workflow "typo"', 1, true))
      answers.hosts = { "hosts" }
      assert.equal("no run moves: no host is alive, with 3 runs ready; start one: weir serve DIR\n", everything())
      answers.queues = { "queues" }
      answers.hosts = { "hosts", "1", "one", "101000", "2", 0, "*", "", "", '[["flows","9f2c","a.lua:1: x"]]', "", "" }
      assert.truthy(everything():find("; host one still serves bundle 9f2c: a.lua:1: x\n", 1, true))
    end)
  end)
end)
