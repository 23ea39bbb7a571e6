-- The trees, sentences and exit statuses that commands make of replies from Redis. The client is a table of answers;
-- the stories test that the real one gives the same.

local clients = require "spec.support.clients"
local json = require "weir.json"
local record = require "weir.record.record"
local terminal = require "weir.view.terminal"
local tree = require "weir.view.tree"

local PLAIN = { colours = false, columns = 80, rows = 24 }

local function run_of(fields)
  fields.root = fields.root or fields.id
  fields.workflow, fields.state = fields.workflow or "work", fields.state or "completed"
  fields.attempt, fields.created_at = fields.attempt or 1, fields.created_at or 0
  fields.operations = fields.operations or {}
  return fields
end

local function invoke(run, id, fields)
  fields = fields or {}
  fields.id, fields.kind, fields.run = id, "invoke", run .. "/" .. id
  fields.workflow, fields.state = fields.workflow or "child", fields.state or "completed"
  fields.attempts, fields.started_at = fields.attempts or 1, fields.started_at or 10
  if fields.state ~= "running" then fields.finished_at = fields.finished_at or 30 end
  return fields
end

local function by_id(...)
  local runs = {}
  for _, run in ipairs { ... } do runs[run.id] = run end
  return runs
end

describe("the tree", function()
  it("draws a run, its operations and those of its children, times standing right", function()
    local runs = by_id(
      run_of { id = "order", started_at = 5, finished_at = 2105, operations = {
        invoke("order", "validate", { workflow = "validate-order" }),
        { id = "sleep#1", kind = "sleep", state = "completed", attempts = 1, arguments = '{"duration_ms":1500}',
          started_at = 40, finished_at = 1540 },
        invoke("order", "pay", { state = "failed", finished_at = 2000,
          error = { code = "child_failed", message = "Child execution failed: no", cause = { message = "no" } } }),
      } },
      run_of { id = "order/validate", started_at = 11, finished_at = 29, operations = {
        { id = "ask", kind = "step", state = "completed", attempts = 3, started_at = 12, finished_at = 20 },
      } })
    local lines = tree.draw(tree.plant("order", runs), { style = PLAIN, now = 3000 })
    assert.same({
      "✓ order  work                                                             2.10s",
      "├─ ✓ validate  validate-order                                              20ms",
      "│  └─ ✓ ask  step  3 attempts                                               8ms",
      "├─ ✓ sleep#1   sleep 1.5s                                                 1.50s",
      "└─ ✗ pay       child  no                                                  1.99s",
    }, lines)
  end)

  it("shows an open child by its own state", function()
    local runs = by_id(
      run_of { id = "a", state = "waiting", operations = { invoke("a", "b", { state = "running" }) } },
      run_of { id = "a/b", state = "retrying", error = { message = "no luck" } })
    local row = tree.plant("a", runs).rows[1]
    assert.same({ "retrying", "no luck" }, { row.state, row.failed })
  end)

  it("draws nothing below a run that only stands for a child: it may be the one above", function()
    local shared = invoke("a", "next", { shared = true })
    shared.run = "a"
    local runs = by_id(run_of { id = "a", operations = { shared } })
    assert.same({}, tree.plant("a", runs).rows[1].rows)
  end)

  it("never draws a line wider than the terminal, whatever the names", function()
    local runs = by_id(run_of { id = ("世界"):rep(60), operations = {
      invoke("x", ("é"):rep(300), { workflow = ("w"):rep(200) }),
      invoke("x", "b", { state = "failed", error = { message = ("long\27[2J "):rep(50) } }),
    } })
    for _, columns in ipairs { 24, 40, 80, 200 } do
      local style = { colours = false, columns = columns, rows = 24 }
      for _, line in ipairs(tree.draw(tree.plant(next(runs), runs), { style = style, now = 0, origin = 0 })) do
        assert.is_true(terminal.width(line) < math.max(columns, 41), line)
        assert.is_nil(line:find("\27"))
      end
    end
  end)

  it("gathers neighbours that repeat each other", function()
    local operations = {}
    for i = 1, 1200 do operations[i] = invoke("a", "report-" .. i, { finished_at = 10 + i }) end
    operations[1201] = invoke("a", "report-1201", { state = "failed", error = { message = "no luck" } })
    for i = 1, 6 do
      operations[#operations + 1] = invoke("a", "poll#" .. i, { state = "failed",
        error = { message = "not yet " .. i } })
      operations[#operations + 1] = { id = "sleep#" .. i, kind = "sleep", state = "completed", attempts = 1,
        arguments = '{"duration_ms":1500}', started_at = 40, finished_at = 1540 }
    end
    for _, name in ipairs { "b", "c", "d", "e" } do operations[#operations + 1] = invoke("a", name) end
    local planted = tree.plant("a", by_id(run_of {
      id = "a", started_at = 5, finished_at = 2105, operations = operations,
    }))
    assert.same({
      "✓ a  work                                                                 2.10s",
      "├─ ✓ 1,200 × report-N  child, 1ms to 1.20s each                           1.20s",
      "├─ ✗ report-1201       child  no luck                                      20ms",
      "├─ ✗ 6 × poll#N        child, 20ms each  not yet 1                         20ms",
      "├─ ✓ 6 × sleep#N       sleep N.Ns, 1.50s each                             1.50s",
      "├─ ✓ b                 child                                               20ms",
      "├─ ✓ c                 child                                               20ms",
      "├─ ✓ d                 child                                               20ms",
      "└─ ✓ e                 child                                               20ms",
    }, tree.draw(tree.gather(planted), { style = PLAIN, now = 3000 }))
    assert.equal(1218, tree.size(planted))
  end)

  it("gathers none that goes on, was retried or has what failed below it", function()
    local operations, runs = {}, { }
    for i = 1, 6 do
      operations[i] = invoke("a", "b" .. i, i == 2 and { state = "running" } or nil)
      operations[6 + i] = { id = "s" .. i, kind = "step", state = "completed", attempts = 2, started_at = 1,
        finished_at = 2 }
      operations[12 + i] = invoke("a", "c" .. i)
      runs["a/c" .. i] = run_of { id = "a/c" .. i, operations = { invoke("a/c" .. i, "x", { state = "failed",
        error = { message = "no" } }) } }
    end
    runs.a = run_of { id = "a", operations = operations }
    local planted = tree.plant("a", runs)
    assert.equal(tree.size(planted), tree.size(tree.gather(planted)))
  end)

  describe("that does not fit", function()
    local function wide(n)
      local operations, children = {}, {}
      for i = 1, n do
        local state = i == 3 and "failed" or i == n - 1 and "running" or "completed"
        operations[i] = invoke("fan", "item-" .. i, { state = state, error = i == 3 and { message = "no" } or nil })
        children[i] = run_of { id = "fan/item-" .. i, state = state == "running" and "waiting" or state, operations = {
          { id = "work", kind = "step", state = "completed", attempts = 1, started_at = 1, finished_at = 2 },
        } }
      end
      local runs = by_id(run_of { id = "fan", state = "waiting", operations = operations }, table.unpack(children))
      return tree.plant("fan", runs)
    end

    it("is cut to the rows there are, always", function()
      for _, n in ipairs { 1, 5, 30, 200 } do
        for rows = 1, 40 do
          assert.is_true(tree.size(tree.prune(wide(n), rows)) <= rows, ("%d in %d"):format(n, rows))
        end
      end
    end)

    it("keeps what goes on and what failed, and counts the rest", function()
      local pruned = tree.prune(wide(200), 12)
      local names = {}
      for _, row in ipairs(pruned.rows) do names[row.name] = true end
      assert.is_true(names["item-199"])
      assert.is_true(names["item-3"])
      local counted = pruned.rows[1].hidden
      assert.same({ "completed" }, { (next(counted)) })
      assert.equal(200, counted.completed + #pruned.rows - 1)
    end)

    it("folds what completed before it hides anything", function()
      local pruned = tree.prune(wide(10), 14)
      assert.equal(10, #pruned.rows)
      assert.equal(0, #pruned.rows[1].rows)
      assert.equal(1, #pruned.rows[9].rows)
    end)

    it("leaves the tree itself alone", function()
      local whole = wide(50)
      local size = tree.size(whole)
      tree.prune(whole, 5)
      assert.equal(size, tree.size(whole))
    end)
  end)
end)

describe("the commands", function()
  local answers, printed, said, client, cli

  before_each(function()
    printed, said, answers = {}, {}, {}
    client = {
      call = function(...)
        local replies = {}
        for i, group in ipairs { ... } do
          local answer = answers[group[1]]
          replies[i] = type(answer) == "function" and answer(table.unpack(group, 2)) or answer
            or { "error", "no answer to " .. group[1] }
        end
        return { "ok", 100000, 7, replies, {}, "" }
      end,
      write = function(descriptor, text)
        local into = descriptor == 1 and printed or said
        into[#into + 1] = text
      end,
      is_terminal = function() return false end,
      changed_folders = function() return {} end,
      width = function() return 80 end,
      height = function() return 24 end,
      now_ms = function() return 0 end,
      listen = function() end,
      message = function() return nil end,
      read = function() return '{"from":"file"}\n' end,
      ask = function() return nil end,
      pause = function() return false end,
      heed_interrupts = function() end,
    }
    clients.load(client)
    cli = require "weir.cli"

    answers.hosts = { "hosts", "1", "node", "101000", "2", 0, "*", "", "" }
    answers.queues = { "queues" }
    answers.turns = { "turns" }
    answers.due = { "due", "" }
  end)

  after_each(clients.unload)

  local function run(command, ...)
    local options = { ... }
    local flags = type(options[#options]) == "table" and table.remove(options) or {}
    for name, value in pairs(flags) do options[name] = value end
    local status = cli.main(command, options)
    return status, table.concat(printed), table.concat(said)
  end

  local FULL = "nothing moves, as Redis is full: it uses 3.5 MiB, and its maxmemory is 2.0 MiB; redis-cli config set "
    .. "maxmemory BYTES, or weir delete runs that have ended (runs older than their retain go by themselves)"

  -- Redis has no memory left, unless so many bytes of what it uses do not count.
  local function full(beside)
    local memory = ("used_memory:%d\r\nmaxmemory:%d\r\nmem_not_counted_for_evict:%d\r\n"):format(
      3.5 * 2 ^ 20, 2 ^ 21, beside or 0)
    client.ask = function(word, section) return word == "INFO" and section == "memory" and memory or nil end
  end

  local function fields(extra)
    local list = { "run", "", "version", "workflow", "work", "data", "{}", "seed", "1", "created_at", "90000" }
    for field, value in pairs(extra) do list[#list + 1], list[#list + 2] = field, value end
    return list
  end

  it("version prints the version, also as JSON", function()
    client.version = "1.2.3"
    run "version"
    assert.same({ 0, 'weir 1.2.3\n{"version":"1.2.3"}\n', "" }, { run("version", { json = true }) })
  end)

  it("help prints how weir or a command is used, and topics", function()
    run "help"
    run("help", "start")
    local status, text = run("help", "states")
    assert.equal(0, status)
    assert.truthy(text:find "^usage: weir COMMAND.-usage: weir start .-A run is in one of")
  end)

  it("help of a command that there is not names the nearest", function()
    assert.same({ 64, "", "weir: there is no command sho, did you mean show?; see weir help\n" },
      { run("help", "sho") })
  end)

  describe("start", function()
    local started

    before_each(function()
      started = nil
      answers.registry = { "registry", "process-order", json.encode {
        bundle = "9f2c", queue = "default", priority = 0, retain_ms = 604800000,
        schema = '{"type":"object","required":["id"],"properties":{"id":{"type":"string"},"n":{"type":"integer"}}}',
      } }
      answers.start = function(...)
        started = { ... }
        return { "started" }
      end
    end)

    it("sends the data as it is and prints the id", function()
      local status, out = run("start", "process-order", { id = "o1", data = ' {"n": 1, "id":"a"}\n' })
      assert.same({ 0, "o1\n" }, { status, out })
      assert.same({ "o1", "process-order", '{"n": 1, "id":"a"}' }, { table.unpack(started, 1, 3) })
    end)

    it("makes an id that says what it runs", function()
      local _, out = run("start", "process-order", { data = '{"id":"a"}' })
      assert.truthy(out:find("^process%-order%-%w%w%w%w%w%w%w%w%w%w%w%w\n$"))
    end)

    it("hands on what was asked for", function()
      local asked = { data = '{"id":"a"}', queue = "q", priority = -5, delay_ms = 10, tag = { "a=b=c" } }
      run("start", "process-order", asked)
      assert.same({ 4, "queue", "q", "priority", -5, "delay_ms", 10, "tags", '{"a":"b=c"}' },
        { table.unpack(started, 6) })
    end)

    it("names the nearest of the workflows that there are", function()
      local status, out, err = run("start", "proces-order")
      assert.same({ 66, "", 'weir: no workflow "proces-order"; did you mean "process-order"?\n' }, { status, out, err })
    end)

    it("starts any workflow when told so, and warns", function()
      local status, _, err = run("start", "unheard-of", { id = "x", any = true })
      assert.equal(0, status)
      assert.equal('weir: warning: no host knows workflow "unheard-of"; the run waits until one announces it\n', err)
    end)

    it("refuses bad data with every violation", function()
      local status, _, err = run("start", "process-order", { data = '{"n":"x"}' })
      assert.equal(64, status)
      assert.truthy(err:find("/id", 1, true))
      assert.truthy(err:find("/n", 1, true))
      assert.is_nil(started)
    end)

    it("refuses data that is not valid JSON, and ids that no run may have", function()
      local status, _, err = run("start", "process-order", { data = "{id:1}" })
      assert.equal(64, status)
      assert.truthy(err:find("^weir: %-%-data is not valid JSON: .*; quote it for the shell"))
      for _, id in ipairs { "a/b", "a~2", "", ("x"):rep(513), "a\nb" } do
        assert.equal(64, (run("start", "process-order", { data = '{"id":"a"}', id = id })))
      end
      assert.equal(64, (run("start", "process-order", { data = '{"id":"a"}', tag = { "novalue" } })))
    end)

    it("refuses data that a host which may run it does not accept", function()
      local function hosts(...)
        answers.hosts = { "hosts", "1", "wide", "101000", "2", 0, "*", "9f2c", "1000" }
        table.move({ ... }, 1, select("#", ...), #answers.hosts + 1, answers.hosts)
      end
      local data = ('{"id":"%s"}'):format(("x"):rep(200))
      hosts()
      assert.equal(0, (run("start", "process-order", { data = data })))
      hosts("2", "other-queue", "101000", "2", 0, "gpu", "9f2c", "100")
      assert.equal(0, (run("start", "process-order", { data = data })))
      hosts("2", "gone", "90000", "2", 0, "*", "9f2c", "100")
      assert.equal(0, (run("start", "process-order", { data = data })))
      hosts("2", "narrow", "101000", "2", 0, "gpu\tdefault", "9f2c", "100")
      started = nil
      local status, _, err = run("start", "process-order", { data = data })
      assert.same({ 64, "weir: payload_too_large: the data is larger than the 100 bytes that host narrow accepts "
        .. "(--max-payload)\n" }, { status, err })
      assert.is_nil(started)
    end)

    it("finds the same run again, when it was asked the same", function()
      answers.start = { "exists", "process-order", '{"n":5.0,"id":"a"}', "running" }
      assert.equal(0, (run("start", "process-order", { id = "o1", data = '{"id":"a","n":5}' })))
    end)

    it("asks again while what had its id is being deleted", function()
      local calls = 0
      answers.start = function()
        calls = calls + 1
        return { calls < 3 and "deleting" or "started" }
      end
      assert.equal(0, (run("start", "process-order", { id = "o1", data = '{"id":"a"}' })))
      assert.equal(3, calls)
    end)

    it("gives up when that takes too long", function()
      local now = 0
      client.now_ms = function()
        now = now + 1000
        return now
      end
      answers.start = { "deleting" }
      local status, _, err = run("start", "process-order", { id = "o1", data = '{"id":"a"}' })
      assert.equal(75, status)
      assert.equal("weir: the run that had the id o1 is still being deleted; start it again in a moment\n", err)
    end)

    it("refuses an id that another run has", function()
      answers.start = { "exists", "process-order", '{"id":"b"}', "running" }
      local status, _, err = run("start", "process-order", { id = "o1", data = '{"id":"a"}' })
      assert.equal(64, status)
      assert.truthy(err:find('duplicate_id: there is a run "o1" already, of other data', 1, true))
      answers.start = { "exists", "refund", '{"id":"a"}', "running" }
      status, _, err = run("start", "process-order", { id = "o1", data = '{"id":"a"}' })
      assert.equal(64, status)
      assert.truthy(err:find('another workflow, "refund"', 1, true))
    end)

    it("warns of a queue that no living host serves", function()
      answers.hosts = { "hosts", "1", "node", "90000", "2", 0, "*", "", "", "2", "other", "101000", "2", 0, "a\tb",
        "9f2c", "" }
      local status, _, err = run("start", "process-order", { data = '{"id":"a"}', queue = "gpu" })
      assert.equal(0, status)
      assert.truthy(err:find('warning: no host serves queue "gpu"', 1, true))
      said = {}
      assert.equal("", select(3, run("start", "process-order", { data = '{"id":"a"}', queue = "b" })))
    end)

    it("warns when no host is alive, but not of one whose beat is late", function()
      answers.hosts = { "hosts", "1", "node", "90000", "2", 0, "*", "9f2c", "" }
      local _, _, err = run("start", "process-order", { data = '{"id":"a"}' })
      assert.truthy(err:find("warning: no host is alive; the run waits until one is (weir serve DIR)", 1, true))
      said = {}
      answers.hosts = { "hosts", "1", "node", "99000", "2", 0, "*", "9f2c", "" }
      assert.equal("", select(3, run("start", "process-order", { data = '{"id":"a"}' })))
    end)
  end)

  describe("wait", function()
    it("prints the result as it is stored, byte for byte", function()
      answers.watch = { "ended", "completed" }
      answers.inspect = fields { state = "completed", result = '{"b": 1,"a":[ ]}', finished_at = "95000" }
      assert.same({ 0, '{"b": 1,"a":[ ]}\n', "" }, { run("wait", "a") })
    end)

    it("tells why a run failed: the error, what caused it, where", function()
      answers.watch = { "ended", "failed" }
      answers.inspect = fields { state = "failed", finished_at = "95000", error = json.encode {
        code = "child_failed", message = "Child execution failed: declined", run = "a", operation = "pay",
        workflow = "payment", traceback = "order.lua:5: in function",
        cause = { code = "error", message = "declined", run = "a/pay", workflow = "payment", details = { reason = 7 } },
      } }
      local status, out, err = run("wait", "a")
      assert.same({ 1, "" }, { status, out })
      assert.equal([[
weir: run a failed: Child execution failed: declined
  child_failed in operation "pay" (payment) of a
    order.lua:5: in function
  caused by error: declined
    in a/pay (payment)
    details {"reason":7}
]], err)
    end)

    it("gives up in time", function()
      answers.watch = { "live", "waiting" }
      answers.status = { "status", { "state", "waiting", "workflow", "work", "created_at", "90000" } }
      local clock = 0
      client.now_ms = function() return clock end
      client.message = function(rest)
        clock = clock + rest
        return nil
      end
      local status, out, err = run("wait", "a", { timeout_ms = 3000 })
      assert.same({ 75, "" }, { status, out })
      assert.equal("weir: run a is still waiting after 3.00s; weir why a says what it waits for\n", err)
    end)

    it("looks again when the connection was lost", function()
      local looked = 0
      answers.watch = function()
        looked = looked + 1
        return { looked < 3 and "live" or "ended", "completed" }
      end
      answers.inspect = fields { state = "completed", result = "1" }
      assert.equal(0, (run("wait", "a")))
      assert.equal(3, looked)
    end)

    it("knows when there is no such run", function()
      answers.watch = { "missing" }
      local status, _, err = run("wait", "nope")
      assert.same({ 66, 'weir: there is no run "nope"; weir list shows the runs\n' }, { status, err })
    end)
  end)

  it("show --json is the run as JSON", function()
    local list = fields { state = "completed", result = "[]" }
    answers.inspect = list
    local status, out = run("show", "a", { json = true })
    assert.equal(0, status)
    assert.equal(record.json(record.read("a", table.move(list, 4, #list, 1, {}))) .. "\n", out)
  end)

  it("show reads a long run page by page, and again when it went on meanwhile", function()
    local asked, state = {}, "running"
    answers.inspect = function(_, cursor)
      asked[#asked + 1] = cursor
      if cursor == "0" then return { "run", "17", state, "state", state, "workflow", "w", "created_at", "90000" } end
      state = "completed"
      return { "run", "", state, "data", "{}", "result", "[]" }
    end
    local status, out = run("show", "a", { json = true })
    assert.equal(0, status)
    assert.same({ "0", "17", "0", "17" }, asked)
    assert.equal("completed", json.decode(out).state)
  end)

  it("cancel goes through all, and the worst decides", function()
    answers.cancel = function(id)
      return id == "a" and { "cancelled", "waiting" } or id == "b" and { "ended", "completed" } or { "missing" }
    end
    assert.equal(0, (run("cancel", "a")))
    assert.equal(1, (run("cancel", "b", "a")))
    assert.equal(66, (run("cancel", "c", "b", "a")))
    assert.equal("weir: run b has ended: it is completed\n", said[1])
  end)

  describe("delete", function()
    it("calls until all is gone, and takes nothing that was begun meanwhile", function()
      local said_to_delete = {}
      answers.delete = function(...)
        said_to_delete[#said_to_delete + 1] = table.concat({ ... }, " ")
        return { #said_to_delete < 3 and "deleting" or "deleted" }
      end
      assert.same({ 0, "", "" }, { run("delete", "r") })
      assert.same({ "r", "r resume", "r resume" }, said_to_delete)
    end)

    local function says(status, text, ...)
      local answer = { ... }
      it("says " .. text, function()
        answers.delete, answers.inspect = answer, { "missing" }
        assert.same({ status, "", "weir: " .. text .. "\n" }, { run("delete", "r/a") })
      end)
    end

    says(66, 'there is no run "r/a"; weir list shows the runs', "missing")
    says(1, "run r/a is waiting; it can be deleted when it has ended: weir cancel r/a, weir wait r/a", "live",
      "waiting")
    says(1, "a detached run below r/a still goes on; wait for it or cancel it: weir show r/a", "live_below")
    says(1, "run r/a is failed, and a retry of r would go on with it; delete the whole tree: weir delete r", "in_use",
      "failed")
    says(1, "run r has not taken the result of r/a; delete the whole tree: weir delete r", "in_use", "completed")

    it("goes through all, and the worst decides", function()
      answers.delete = function(id) return { id == "a" and "missing" or "deleted" } end
      assert.equal(66, (run("delete", "a", "b")))
      assert.equal(64, (run "delete"))
    end)
  end)

  describe("list", function()
    before_each(function()
      answers.list = function(set, before)
        if before ~= "" then return { "list" } end
        return set == "failed" and { "list", "3", "c/x" } or { "list", "2", "b", "1", "a" }
      end
      answers.status = function(...)
        local reply = { "status" }
        for _, id in ipairs { ... } do
          reply[#reply + 1] = id == "gone" and {} or {
            "state", id == "a" and "completed" or id == "b" and "waiting" or "failed", "workflow", "work",
            "created_at", "90000", "started_at", "90001", "finished_at", id ~= "b" and "90010" or nil,
            id == "c/x" and "error" or nil, id == "c/x" and '{"message":"outer","cause":{"message":"no luck"}}' or nil,
          }
        end
        return reply
      end
    end)

    it("stands newest first, under its heads", function()
      local _, out = run("list", { limit = 50 })
      local lines = {}
      for line in out:gmatch("[^\n]+") do lines[#lines + 1] = line end
      assert.truthy(lines[1]:find("^STATE%s+RUN%s+WORKFLOW"))
      assert.truthy(lines[2]:find("^waiting%s+b%s+work%s+10.0s ago"))
      assert.truthy(lines[3]:find("^completed%s+a%s+work%s+10.0s ago%s+9ms$"))
    end)

    it("knows states, and what made failed runs fail", function()
      local _, out = run("list", { limit = 50, state = "failed" })
      assert.truthy(out:find("failed%s+c/x%s.*no luck"))
      local status, _, err = run("list", { limit = 50, state = "faild" })
      assert.same({ 64, "weir: --state cannot be faild; did you mean failed?\n" }, { status, err })
    end)

    it("shows no more than it was told to", function()
      local _, out = run("list", { limit = 1 })
      assert.is_nil(out:find("completed", 1, true))
    end)
  end)

  describe("why", function()
    local function glance(...)
      answers.status = { "status", { "workflow", "work", "created_at", "90000", ... } }
    end

    local function says(pattern)
      printed = {}
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
      says 'queue "default" as the next; a worker takes it'
      glance("state", "ready", "ahead", 3)
      says "behind 3 other runs"
      answers.turns = { "turns", "1.2", "node", "r1", "97000" }
      says "has room %(worker 2 of node has been in r1 for 3.00s%)\n$"
      answers.turns = { "turns" }
      glance("state", "ready", "queue", "?work")
      says 'for a host that knows workflow "work"'
    end)

    it("says that no host is alive to execute it", function()
      glance("state", "ready", "queue", "gpu")
      answers.hosts = { "hosts" }
      says "none is alive; start one"
      answers.hosts = { "hosts", "1", "node", "101000", "2", 0, "default", "", "" }
      says 'queue "gpu", which no host serves'
    end)

    it("tells of attempts and of hosts that are gone", function()
      glance("state", "retrying", "attempt", "2", "wake", "101500", "error", '{"message":"boom"}')
      says "attempt 2 failed %(boom%) and the next begins in 1.50s"
      glance("state", "running", "owner", "1.2")
      answers.inspect = fields { state = "running" }
      says "the host that ran it is gone"
    end)

    it("tells of a Redis that is full, which holds up all but what has ended", function()
      full()
      glance("state", "ready", "queue", "gpu")
      local _, out = run("why", "a")
      assert.equal("a: " .. FULL .. "\n", out)
      printed = {}
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

    it("tells what a cancel waits for, and what its clean-up does", function()
      glance("state", "waiting")
      local journal = { state = "waiting", cancel = "1", ["1"] = "\tcancelled\t98000\t0\tby hand",
                        ["o:nap"] = '\t98000\tsleep\t0\t1\ta.lua:3\t\t{"duration_ms":4000}' }
      answers.inspect = function() return fields(journal) end
      says "^a: it is to end %(cancelled%), as soon as its children have: it has slept for 2.00s"
      journal["o:tidy"] = '\t99000\tsleep\t1\t1\ta.lua:5\t\t{"duration_ms":3000}'
      says('^a: it is to end %(cancelled%) and cleans up %(weir cancel a %-%-now leaves that out%): '
        .. 'it has slept for 1.00s %("tidy" at a.lua:5%) and goes on in 2.00s\n$')
    end)

    it("is JSON when asked", function()
      glance("state", "completed", "finished_at", "95000")
      local _, out = run("why", "a", { json = true })
      assert.same({ run = "a", why = "it completed 5.00s ago and waits for nothing" }, json.decode(out))
      printed = {}
      _, out = run("why", { json = true })
      assert.equal(json.null, json.decode(out).run)
      assert.equal("nothing is to be done: start a run with weir start WORKFLOW", json.decode(out).why)
    end)

    it("tells of runs that wait for each other", function()
      glance("state", "waiting")
      answers.inspect = function(id)
        local other = id == "a" and "b" or "a"
        return fields { state = "waiting", ["w:pay"] = other, ["o:pay"] = "\t98000\tinvoke\t0\t1\tf.lua:9\tw\t" }
      end
      says "for its child a %(w%) at f.lua:9: these runs wait for each other %(a deadlock%); weir cancel a\n$"
    end)

    it("tells why nothing moves at all", function()
      local function everything()
        printed = {}
        return (select(2, run("why")))
      end
      assert.equal("nothing is to be done: start a run with weir start WORKFLOW\n", everything())
      answers.due = { "due", "160000" }
      assert.truthy(everything():find("the next run wakes in 1m", 1, true))
      answers.queues = { "queues", "default", 2, "x", "?typo", 1, "y" }
      assert.truthy(everything():find('1 run is waiting for a host that knows workflow "typo"', 1, true))
      answers.hosts = { "hosts" }
      assert.equal("nothing moves as no host is alive, with 3 runs ready; start one: weir serve DIR\n", everything())
    end)
  end)

  describe("of a graph", function()
    local entry = "invoke\t0\t1\tetl.lua:3\tjob\t"

    -- extract has completed, transform goes on or ended in some other way; load and report have not begun.
    local function graph(extra)
      local shape = json.encode { nodes = json.array {
        { key = "extract", workflow = "job" },
        { key = "transform", workflow = "job", depends_on = json.array { "extract" } },
        { key = "load", workflow = "job", depends_on = json.array { "transform" } },
        { key = "report", workflow = "job", depends_on = json.array { "load" } },
      } }
      local list = fields { state = "waiting", graph = shape, started_at = "90000",
                            ["o:extract"] = "1\t90000\t" .. entry, ["1"] = "extract\tcompleted\t92000\t1\t7" }
      for field, value in pairs(extra) do list[#list + 1], list[#list + 2] = field, value end
      answers.inspect = function(id)
        return id == "etl" and list or id == "other" and fields { state = "completed" } or { "missing" }
      end
      answers.status = function(...)
        local reply = { "status" }
        for _, id in ipairs { ... } do
          local known = id == "etl" or id == "other" or id == "etl/transform"
          reply[#reply + 1] = known and { "state", "waiting", "workflow", "job", "created_at", "92000" } or {}
        end
        return reply
      end
    end

    local RUNNING = { ["o:transform"] = "\t92000\t" .. entry }
    local FAILED = { ["o:transform"] = "2\t92000\t" .. entry,
                     ["2"] = 'transform\tfailed\t93000\t1\t{"code":"error","message":"disk full"}' }

    it("deps tells both ways, with those that have not begun", function()
      graph(FAILED)
      local status, out = run("deps", "etl/load")
      assert.equal(0, status)
      assert.equal([[
depends on
  ✗ transform  failed  etl/transform  1.00s  disk full
required by
  · report  pending  etl/report
in all: depends on 2 nodes, required by 1
]], out)
    end)

    it("deps asks how what goes on stands", function()
      graph(RUNNING)
      local _, out = run("deps", "etl/extract")
      assert.truthy(out:find("depends on\n  nothing\n", 1, true), out)
      assert.truthy(out:find("required by\n  ◌ transform  waiting  etl/transform  8.00s\n", 1, true), out)
    end)

    it("deps as JSON has the run ids of direct ones", function()
      graph(RUNNING)
      local _, out = run("deps", "etl/load", { json = true })
      assert.equal('{"depends_on":["etl/transform"],"required_by":["etl/report"],"run":"etl/load"}\n', out)
    end)

    it("deps of the graph itself has all nodes", function()
      graph(RUNNING)
      local status, out = run("deps", "etl")
      assert.equal(0, status)
      assert.equal([[
  NODE       STATE      TOOK   DEPENDS ON
✓ extract    completed  2.00s
◌ transform  waiting    8.00s  extract
· load       pending           transform
· report     pending           load
]], out)
      printed = {}
      local _, text = run("deps", "etl", { json = true })
      assert.equal("etl/transform", json.decode(text).nodes[3].depends_on[1])
    end)

    it("deps of the graph tells which nodes run whatever came before", function()
      graph {}
      answers.inspect = fields { state = "waiting", graph = json.encode { nodes = json.array {
        { key = "a", workflow = "job" }, { key = "b", workflow = "job" },
        { key = "first", workflow = "job", depends_on = json.array { "a", "b" }, when = "any" },
        { key = "sweep", workflow = "job", depends_on = json.array { "first" }, when = "settled" },
      } } }
      local _, out = run("deps", "etl")
      assert.truthy(out:find("· first  pending        any of a, b\n", 1, true), out)
      assert.truthy(out:find("· sweep  pending        settled of first\n", 1, true), out)
    end)

    it("deps says what is no graph, no node, and no run", function()
      graph(RUNNING)
      local status, _, err = run("deps", "other")
      assert.equal(1, status)
      assert.equal("weir: run other is neither a graph nor a node of one; weir show other shows its children\n", err)
      said = {}
      status, _, err = run("deps", "etl/lod")
      assert.same({ 66, 'weir: graph "etl" has no node "lod"; did you mean etl/load?\n' }, { status, err })
      assert.equal(66, (run("deps", "none")))
      assert.equal(66, (run("deps", "none/load")))
    end)

    it("why says what a pending node waits for", function()
      graph(RUNNING)
      local _, out = run("why", "etl/load")
      assert.equal("etl/load: it is not started: it depends on etl/transform, which is running "
        .. "(weir why etl/transform)\n", out)
    end)

    it("why says what kept a node from beginning, however far it is", function()
      graph(FAILED)
      local _, out = run("why", "etl/load")
      assert.equal("etl/load: it is not started: it depends on etl/transform, which failed: disk full; "
        .. "weir retry etl/transform goes on\n", out)
      printed = {}
      _, out = run("why", "etl/report")
      assert.equal("etl/report: it is not started: it depends on etl/load, which is not started either because "
        .. "etl/transform failed: disk full; weir retry etl/transform goes on\n", out)
    end)

    it("why names the nearest node", function()
      graph(RUNNING)
      local status, _, err = run("why", "etl/repord")
      assert.same({ 66, 'weir: graph "etl" has no node "repord"; did you mean etl/report?\n' }, { status, err })
    end)

    it("show draws it, --dot prints it, and the two forms exclude each other", function()
      graph(FAILED)
      local _, out = run("show", "etl")
      assert.truthy(out:find("\n✓ extract 2.00s ━━ ✗ transform 1.00s ── · load ── · report\n", 1, true), out)
      assert.truthy(out:find("\ncritical path  extract → transform  3.00s\n", 1, true), out)
      assert.truthy(out:find("\n✗ transform  disk full\n", 1, true), out)
      printed = {}
      _, out = run("show", "etl", { dot = true })
      assert.truthy(out:find('^digraph "etl" {\n'), out)
      assert.truthy(out:find('"load" -> "report";', 1, true), out)
      for _, forms in ipairs { { "json", "dot" }, { "json", "watch" }, { "dot", "watch" } } do
        assert.equal(64, (run("show", "etl", { [forms[1]] = true, [forms[2]] = true })))
      end
      said = {}
      local status, _, err = run("show", "etl", { watch = true })
      assert.same({ 64, "weir: show --watch needs a terminal; use weir wait etl\n" }, { status, err })
    end)
  end)

  describe("doctor", function()
    before_each(function() answers.audit = { "audit", "0", 3 } end)

    it("is silent when all is well", function()
      assert.same({ 0, "", "" }, { run "doctor" })
    end)

    it("says each fault once", function()
      local pages = { { "audit", "9", 2, "x: is lost" }, { "audit", "0", 1, "x: is lost", "y: is odd" } }
      answers.audit = function(cursor) return pages[cursor == "0" and 1 or 2] end
      assert.same({ 1, "x: is lost\ny: is odd\n" }, { table.unpack({ run "doctor" }, 1, 2) })
    end)

    it("looks at the settings of Redis", function()
      local settings = { appendonly = "no", ["maxmemory-policy"] = "allkeys-lru" }
      client.ask = function(word, _, name) return word == "CONFIG" and { name, settings[name] } or nil end
      local status, out = run "doctor"
      assert.equal(1, status)
      assert.truthy(out:find("config set appendonly yes", 1, true))
      assert.truthy(out:find("maxmemory-policy is allkeys-lru", 1, true))
    end)

    it("says that Redis is full, and does not take its hosts for dead", function()
      full()
      answers.hosts = { "hosts", "1", "node", "90000", "2", "3", "*", "", "" }
      assert.same({ 1, FULL .. "\n" }, { table.unpack({ run "doctor" }, 1, 2) })
    end)

    it("does not count what Redis does not", function()
      full(2 ^ 21)
      assert.same({ 0, "", "" }, { run "doctor" })
    end)
  end)

  it("says what is wrong with weir itself, with a traceback", function()
    answers.inspect = nil
    local status, _, err = run("show", "a", { json = true })
    assert.equal(70, status)
    assert.equal("weir: Redis refused inspect: no answer to inspect\n", err)
    client.call = function() error("a bug") end
    said = {}
    status, _, err = run("show", "a", { json = true })
    assert.equal(70, status)
    assert.truthy(err:find("stack traceback", 1, true))
  end)
end)
