-- Runs of hosts, replayed by weir.testing from `weir show RUN --json`; and specs with weir.testing in the binary.

local cjson = require "cjson"
local support = require "tests.support"
local testing = require "weir.testing"

local RUNS = {
  { "process-order", '{"order_id":"order-1","amount":5}' },
  { "process-order", '{"order_id":"order-1","amount":60000}' },
  { "process-order", '{"order_id":"order-1","amount":20000,"patience":"50ms"}' },
  { "parallel-branches", '{"number":10,"text":"hello"}' }, { "custom-serialization", '{"complex":"data"}' },
  { "error-handling", '{"dividend":6,"divisor":0}' }, { "retry-by-hand", '{"works_on":3}' },
  { "retry-by-policy", '{"works_on":3}' }, { "retry-by-policy", '{"works_on":4}' },
  { "timeout-handling", '{"takes":"10s","patience":"50ms"}' },
  { "timeout-abandoning", '{"takes":1,"patience":"50ms"}' },
  { "fastest-quote", '{"carriers":[{"name":"a","takes":"1h","price":3},{"name":"b","takes":"10ms","price":9}]}' },
  { "trip", '{"to":"Vienna","sold_out":true}' }, { "ci", "{}" }, { "ci", '{"broken":"unit-tests"}' },
  { "map-reduce", '{"text":"a b a c a"}' }, { "batch", '{"items":["a","b"]}' },
}

describe("runs of a host", function()
  local host, folder

  lazy_setup(function()
    folder = support.folder()
    host = support.host { "workflows" }
  end)

  lazy_teardown(function()
    host:stop()
    support.remove(folder)
  end)

  local function show(id)
    local reply = host:weir("show", id, "--json")
    assert.equal(0, reply.status, reply.stderr)
    return reply.stdout
  end

  -- A run and all below it, as they are shown; and how many of them can go on, as they did something that lasts.
  local function collect(id, texts)
    local text = show(id)
    local operations = cjson.decode(text).operations
    texts[#texts + 1] = text
    texts.lasting = (texts.lasting or 0) + (#operations > 0 and 1 or 0)
    for _, operation in ipairs(operations) do
      if type(operation.run) == "string" and operation.started_at ~= cjson.null then collect(operation.run, texts) end
    end
    return texts
  end

  local function replays(text)
    local path = folder .. "/runs.json"
    support.write(path, text)
    return testing.new { dir = "workflows" }:replays(path)
  end

  for i, run in ipairs(RUNS) do
    it(("of %s with %s can go on"):format(run[1], run[2]), function()
      local id = "run-" .. i
      host:weir("start", run[1], "--id", id, "--data", run[2], "--wait")
      local texts = collect(id, {})
      assert.is_true(replays("[" .. table.concat(texts, ",") .. "]") >= texts.lasting)
      assert.equal(1, replays(texts[1]))
    end)
  end

  it("that were cancelled, and that wait, can go on", function()
    host:weir("start", "timeout-configured", "--id", "waits", "--data", '{"takes":"1d"}')
    host:wait_for("waits", "waiting")
    assert.equal(1, replays(show "waits"))
    host:weir("cancel", "waits")
    host:wait_for("waits", "cancelled")
    local texts = collect("waits", {})
    assert.equal(2, replays("[" .. table.concat(texts, ",") .. "]"))
  end)

  it("that were retried can go on", function()
    host:weir("start", "trip", "--id", "again", "--data", '{"to":"Vienna","sold_out":true}', "--wait")
    assert.equal(0, host:weir("retry", "again", "--scratch").status)
    host:wait_for("again", "failed")
    local texts = collect("again", {})
    assert.is_true(replays("[" .. table.concat(texts, ",") .. "]") >= texts.lasting)
  end)
end)

describe("weir test", function()
  it("has weir.testing, and prints the run that a spec did not want", function()
    local folder = support.folder()
    assert(os.execute(("mkdir '%s/spec' '%s/workflows'"):format(folder, folder)))
    support.write(folder .. "/workflows/greet.lua", [[
      return require "weir".workflow { id = "greet", run = function(ctx)
        ctx:sleep "30d"
        return ctx:invoke { id = "ask", workflow = "name" }
      end }]])
    support.write(folder .. "/spec/greet_spec.lua", [[
      local testing = require "weir.testing"
      it("greets", function()
        local runner = testing.new { dir = "workflows" }
        runner:mock("name", "Ada")
        assert.completed(runner:run "greet")
      end)
      it("asks no question", function()
        assert.completed(testing.new { dir = "workflows" }:run "greet")
      end)]])
    local reply = support.weir("test", "-C", folder)
    support.remove(folder)
    assert.equal(1, reply.status)
    assert.is_truthy(reply.stdout:find("1 success / 1 failure", 1, true), reply.stdout)
    assert.is_truthy(reply.stdout:find('mock it: runner:mock("name", …)', 1, true))
    assert.is_truthy(reply.stdout:find("✗ greet-1  greet", 1, true))
  end)
end)
