-- Runs every example in workflows/ on one host, through the binary as a user would, and compares
-- results as JSON values. Where an example is about the shape of a run (what began before what,
-- which child was cancelled), its operations are compared too.

local cjson = require "cjson"
local support = require "tests.support"

local host, redis
local last_id = 0

local function show(id)
  local reply = host:weir("show", id, "--json")
  assert.equal(0, reply.status, reply.stderr)
  return cjson.decode(reply.stdout)
end

---Starts a run on the host, waits for its end and returns it.
local function perform(workflow, data)
  last_id = last_id + 1
  local id = ("example-%d"):format(last_id)
  local start = host:weir("start", workflow, "--id", id, "--data", data, "--wait")
  local run = show(id)
  assert.equal(run.state == "completed" and 0 or 1, start.status, start.stderr)
  return run
end

---A field of each operation of a run, under the operation's id.
local function each(field, run)
  local values = {}
  for _, operation in ipairs(run.operations) do
    values[operation.id] = operation[field]
  end
  return values
end

local function completes(workflow, data, expected)
  local run = perform(workflow, data)
  assert.equal("completed", run.state, cjson.encode(run.error))
  assert.same(expected, run.result)
  return run
end

local function fails(workflow, data)
  local run = perform(workflow, data)
  assert.equal("failed", run.state)
  return run.error, run
end

local function files_in(folder)
  local files = {}
  local listing <close> = assert(io.popen("ls " .. folder .. "/*.lua"))
  for path in listing:lines() do
    files[#files + 1] = path
  end
  return files
end

---The command in the opening comment of an example: its workflow and its data.
local function command_in(path)
  local file <close> = assert(io.open(path))
  local lines = {}
  for line in file:lines() do
    local comment = line:match("^%-%-(.*)")
    if not comment then
      break
    end
    lines[#lines + 1] = comment:match("^   (.*)")
  end
  local command = table.concat(lines, " "):gsub("\\ ", " ")
  return command:match("^weir run (%S+) %-%-dir workflows%s+%-%-data '(.*)'$")
end

describe("the examples", function()
  lazy_setup(function()
    redis = support.restricted_redis()
    host = support.host({ "workflows" }, { redis = redis })
  end)

  lazy_teardown(function()
    host:stop()
    redis:stop()
  end)

  describe("as their opening comments say", function()
    for _, path in ipairs(files_in("workflows")) do
      it(path .. " runs", function()
        local workflow, data = command_in(path)
        assert.is_truthy(workflow, path .. " shows no command to run it")
        local run = perform(workflow, data)
        assert.equal("completed", run.state, cjson.encode(run.error))
      end)
    end
  end)

  describe("by weir run, with a Redis of their own", function()
    it("take data from the command line", function()
      local run = support.weir(
        "run", "task-a", "--dir", "workflows", "--data", '{"value":10,"message":"hello"}'
      )
      assert.equal(0, run.status, run.stderr)
      assert.same({ doubled = 20, uppercased = "HELLO" }, cjson.decode(run.stdout))
    end)

    it("take data from a file", function()
      local run = support.weir(
        "run", "process-order", "--dir", "workflows", "--data", "@tests/fixtures/order.json"
      )
      assert.equal(0, run.status, run.stderr)
      assert.same({
        status = "completed",
        order_id = "order-17",
        transaction_id = "txn-order-17",
      }, cjson.decode(run.stdout))
    end)
  end)

  describe("hello", function()
    it("greets", function()
      completes("hello", '{"name":"Ada"}', "Hello, Ada!")
      completes("hello", "{}", "Hello, world!")
    end)
  end)

  describe("task-a", function()
    it("uses the results of two children, one after the other", function()
      local run = completes("task-a", '{"value":10,"message":"hello"}', {
        doubled = 20,
        uppercased = "HELLO",
      })
      assert.same({ ["call-task-b"] = 20, ["call-task-c"] = "HELLO" }, each("result", run))
      assert.same({ ["call-task-b"] = 0, ["call-task-c"] = 1 }, each("after", run))
      assert.equal(run.id, show(run.id .. "/call-task-b").parent)
    end)

    it("refuses data that its schema does not allow, and starts nothing", function()
      local start = host:weir(
        "start", "task-a", "--id", "refused", "--data", '{"value":"ten"}', "--wait"
      )
      assert.equal(64, start.status)
      assert.matches("value", start.stderr)
      assert.matches("message", start.stderr)
      assert.equal(66, host:weir("show", "refused").status)
    end)
  end)

  describe("parallel", function()
    it("starts both children before it has the result of either", function()
      local run = completes("parallel", '{"number":10,"text":"hello"}', {
        doubled = 20,
        uppercased = "HELLO",
      })
      assert.same({ ["call-b"] = 0, ["call-c"] = 0 }, each("after", run))
    end)

    it("runs branches side by side, each in its own scope", function()
      local run = completes("parallel-branches", '{"number":10,"text":"hello"}', {
        quadrupled = 40,
        uppercased = "HELLO",
      })
      local after = each("after", run)
      assert.equal(0, after["all#1:quadrupled:first"])
      assert.equal(0, after["all#1:uppercased:first"])
      assert.is_true(after["all#1:quadrupled:again"] > 0)
    end)
  end)

  describe("conditional", function()
    it("invokes its child when the data asks for it", function()
      local run = completes("conditional", '{"needs_processing":true,"text":"  a  b "}', {
        text = "a b",
      })
      assert.same({ ["process-data"] = "processor" }, each("workflow", run))
    end)

    it("invokes nothing otherwise", function()
      local run = completes("conditional", '{"needs_processing":false,"text":" a "}', {
        text = " a ",
      })
      assert.same({}, run.operations)
    end)
  end)

  describe("chained", function()
    it("hands each result to the next child", function()
      local run = completes("chained", '"The cat saw the dog"', {
        words = 5,
        most_common = "the",
        count = 2,
      })
      assert.same({ ["step-1"] = 0, ["step-2"] = 1, ["step-3"] = 2 }, each("after", run))
    end)

    it("hands on a list that is empty", function()
      completes("chained", '"..."', { words = 0, count = 0 })
    end)
  end)

  describe("error-handling", function()
    it("gives the result when nothing fails", function()
      completes("error-handling", '{"dividend":6,"divisor":2}', { quotient = 3 })
    end)

    it("goes on after a caught failure, with the failed child started once", function()
      local run = completes("error-handling", '{"dividend":6,"divisor":0}', {
        quotient = 6,
        instead_of = "Child execution failed: cannot divide by zero",
      })
      assert.same({
        ["risky-operation"] = "failed",
        ["sleep#1"] = "completed",
        fallback = "completed",
      }, each("state", run))
      assert.equal(1, each("attempts", run)["risky-operation"])
    end)

    it("reports success as a status", function()
      completes("error-status", '{"balance":10,"amount":4}', {
        status = "success",
        result = { balance = 6 },
      })
    end)

    it("finds the child's own error below the failure", function()
      completes("error-status", '{"balance":10,"amount":14}', { status = "refused", missing = 4 })
    end)
  end)

  describe("process-order", function()
    it("validates, then takes the payment", function()
      local run = completes("process-order", '{"order_id":"order-1","amount":5}', {
        status = "completed",
        order_id = "order-1",
        transaction_id = "txn-order-1",
      })
      assert.same({ validate = "completed", pay = "completed" }, each("state", run))
      assert.same({ charge = "step" }, each("kind", show(run.id .. "/pay")))
    end)

    it("takes no payment for an order that is not valid", function()
      local run = completes("process-order", '{"order_id":"17","amount":5}', {
        status = "rejected",
        reason = "17 is not the number of an order",
      })
      assert.same({ validate = "completed" }, each("state", run))
    end)

    it("cancels a payment that takes too long", function()
      local run = completes(
        "process-order", '{"order_id":"order-2","amount":20000,"patience":"100ms"}',
        { status = "pending", order_id = "order-2" }
      )
      assert.equal("cancelled", show(run.id .. "/pay").state)
    end)

    it("fails with the payment's failure", function()
      local failure, run = fails("process-order", '{"order_id":"order-3","amount":60000}')
      assert.equal("child_failed", failure.code)
      assert.equal("pay", failure.operation)
      assert.equal("payment_refused", failure.cause.code)
      assert.equal(1, run.attempt) -- to try again would find the same outcome
    end)
  end)

  describe("orchestrate-workflow", function()
    it("passes a user through three workflows", function()
      local run = completes("orchestrate-workflow", '{"user_id":"u1"}', {
        title = "Report on Ada Lovelace (AL)",
      })
      assert.same({
        fetch_user = "fetch-user",
        enrich_user = "enrich-user-data",
        generate_report = "generate-report",
      }, each("workflow", run))
    end)
  end)

  describe("process-document", function()
    local documents = {
      pdf = { '{"pages":["one","two"]}', { kind = "pdf", pages = 2 } },
      image = { '{"width":4,"height":3}', { kind = "image", pixels = 12 } },
      generic = { '{"text":"plain"}', { kind = "generic", bytes = 5 } },
    }
    for kind, document in pairs(documents) do
      it("hands a document to the workflow for its type: " .. kind, function()
        local data = ('{"document_type":"%s","data":%s}'):format(kind, document[1])
        local run = completes("process-document", data, document[2])
        assert.same({ ["process_" .. kind] = "process-" .. kind }, each("workflow", run))
      end)
    end
  end)

  describe("project", function()
    it("is a tree three levels deep", function()
      local run = completes("project", '{"project_id":"apollo"}', { report = "apollo: 34 in all" })
      local collected = show(run.id .. "/collect_data")
      assert.same({ issues = 0, reviews = 0 }, each("after", collected))
      local issues = show(run.id .. "/collect_data/issues")
      assert.equal("collect-source", issues.workflow)
      assert.equal(run.id, issues.root)
    end)
  end)

  describe("onboard-user", function()
    it("invokes plain functions and a durable workflow alike", function()
      local run = completes("onboard-user", '{"user_id":"u2"}', {
        status = "completed",
        notification_sent = true,
      })
      assert.equal("Welcome, alan.turing!", each("result", run).send_notification.text)
    end)
  end)

  describe("timeout", function()
    it("does not matter to a child that is in time", function()
      completes("timeout-configured", '{"takes":"20ms"}', { took = "20ms" })
      completes("timeout-handling", '{"takes":"20ms"}', {
        status = "success",
        result = { answer = 42 },
      })
    end)

    it("cancels the child and leaves the parent to its fallback", function()
      local run = completes("timeout-handling", '{"takes":"1h","patience":"100ms"}', {
        status = "timeout",
        fallback = true,
        error = 'invoke "slow" timed out after 100ms',
      })
      assert.equal("timeout", each("error", run).slow.code)
      assert.equal("cancelled", show(run.id .. "/slow").state)
    end)

    it("lets an abandoned child run on", function()
      local run = perform("timeout-abandoning", '{"takes":"1h","patience":"100ms"}')
      assert.same({ see = run.id .. "/slow" }, run.result)
      assert.equal("waiting", show(run.result.see).state)
    end)
  end)

  describe("retries", function()
    it("by hand are one operation for each attempt and each wait", function()
      local run = completes("retry-by-hand", '{"works_on":3}', {
        status = "success",
        result = { answer = 42 },
        attempts = 3,
      })
      assert.same({
        attempt_1 = "failed",
        wait_2 = "completed",
        attempt_2 = "failed",
        wait_3 = "completed",
        attempt_3 = "completed",
      }, each("state", run))
    end)

    it("by hand end when the loop does", function()
      completes("retry-by-hand", '{"works_on":9}', {
        status = "failed",
        error = "Child execution failed: not available on attempt 3",
        attempts = 3,
      })
    end)

    it("by policy are one operation", function()
      local run = completes("retry-by-policy", '{"works_on":3}', {
        status = "success",
        result = { answer = 42 },
        attempts = 3,
      })
      assert.same({ unsteady = 3 }, each("attempts", run))
    end)

    it("by policy end with the child's last error", function()
      local failure = fails("retry-by-policy", '{"works_on":9}')
      assert.equal("Child execution failed: not available on attempt 3", failure.message)
      assert.equal("unavailable", failure.cause.code)
    end)
  end)

  describe("custom-serialization", function()
    it("sends an envelope and opens the one that comes back", function()
      local run = completes("custom-serialization", '{"complex":"data"}', { complex = "DATA" })
      local child = show(run.id .. "/custom")
      assert.same({ custom = { complex = "data" } }, child.data)
      assert.same({ custom = { complex = "DATA" } }, child.result)
    end)
  end)

  describe("fan-out", function()
    local data = '{"question":"how much?"}'
    local answers = { results = {} }
    for i, name in ipairs { "service-a", "service-b", "service-c" } do
      answers.results[i] = { service = name, result = { question = "how much?" } }
    end

    it("asks one service after another", function()
      local run = completes("fan-out", data, answers)
      assert.same({
        ["invoke_service-a"] = 0,
        ["invoke_service-b"] = 1,
        ["invoke_service-c"] = 2,
      }, each("after", run))
    end)

    it("asks all at the same time", function()
      local run = completes("fan-out-parallel", data, answers)
      assert.same({
        ["invoke_service-a"] = 0,
        ["invoke_service-b"] = 0,
        ["invoke_service-c"] = 0,
      }, each("after", run))
    end)
  end)

  describe("passing-context", function()
    it("hands the first result to both that follow", function()
      local run = completes("passing-context", '{"locale":"fr","data":"Ada"}', {
        text = "Bonjour, Ada!",
        locale = "fr",
      })
      local context = { locale = "fr", greeting = "Bonjour" }
      assert.same(context, show(run.id .. "/process").data.context)
      assert.same(context, show(run.id .. "/finalize").data.context)
    end)
  end)

  describe("parent-workflow", function()
    it("computes with its child's result", function()
      completes("parent-workflow", '{"value":16}', { result = 42 })
    end)

    it("fails with its child, whose error is the cause", function()
      local failure = fails("parent-workflow", '{"value":-1}')
      assert.equal("child_failed", failure.code)
      assert.equal("Child execution failed: the input must not be negative", failure.message)
      assert.equal("the input must not be negative", failure.cause.message)
    end)
  end)

  describe("orchestrator", function()
    it("validates, processes and notifies", function()
      local run = completes("orchestrator", '{"email":" Ada@Example.com "}', { success = true })
      assert.same({ sent_to = "ada@example.com" }, each("result", run)["step-3"])
    end)

    it("starts nothing after a step that failed", function()
      local failure, run = fails("orchestrator", '{"email":"Ada"}')
      assert.equal('Child execution failed: "Ada" is no e-mail address', failure.message)
      assert.same({ ["step-1"] = "failed" }, each("state", run))
    end)

    it("gets its data when the child is in time", function()
      completes("orchestrator-with-timeout", '{"latency":"20ms"}', {
        url = "https://api.example.com",
        status = 200,
      })
    end)

    it("fails when the child is not in time", function()
      local failure, run = fails(
        "orchestrator-with-timeout", '{"latency":"1h","patience":"100ms"}'
      )
      assert.equal("timeout", failure.code)
      assert.equal('invoke "fetch-data" timed out after 100ms', failure.message)
      assert.equal("cancelled", show(run.id .. "/fetch-data").state)
    end)
  end)

  describe("quotes", function()
    it("tries a step again until it succeeds or its attempts are used up", function()
      local run = completes("all-quotes", [[{"carriers":[
        {"name":"hare","takes":"10ms","price":9},
        {"name":"newt","takes":"10ms","price":5,"drops":2},
        {"name":"toad","takes":"10ms","price":1,"drops":3}]}]], {
        prices = { hare = 9, newt = 5 },
        silent = { "toad" },
      })
      assert.equal(3, each("attempts", show(run.id .. "/newt")).ask)
      assert.equal("line_dropped", each("error", run).toad.cause.code)
    end)

    it("takes the fastest and cancels the others", function()
      local run = completes("fastest-quote", [[{"carriers":[
        {"name":"turtle","takes":"1h","price":3},
        {"name":"hare","takes":"20ms","price":9}]}]], {
        carrier = "hare",
        price = 9,
      })
      assert.equal("cancelled", show(run.id .. "/turtle").state)
    end)
  end)

  describe("the graphs", function()
    -- Every node began after those it depends on had ended.
    local function in_order(run)
      local finished = each("finished_at", run)
      for _, operation in ipairs(run.operations) do
        for _, key in ipairs(operation.started_at and operation.depends_on or {}) do
          assert.is_true(finished[key] <= operation.started_at, operation.id .. " began before " .. key .. " ended")
        end
      end
    end

    it("run one node after another, and hand results on", function()
      local run = completes("etl", '{"source":"s3://bucket/data.csv"}',
        { load = { table_name = "people", rows = 2 } })
      in_order(run)
      assert.same({ unique = true }, show(run.id .. "/transform").data)
    end)

    it("fan out", function()
      local run = completes("parallel-processing", '{"url":"x"}',
        { ["process-a"] = 10, ["process-b"] = 4, ["process-c"] = 4 })
      in_order(run)
      assert.equal("cpu", show(run.id .. "/process-a").queue)
    end)

    it("fan in", function()
      in_order(completes("map-reduce", '{"text":"a b a c a"}', { reduce = { a = 3, b = 1, c = 1 } }))
    end)

    it("go two ways, and stop behind what failed", function()
      in_order(completes("diamond", '{"n":5}', { merge = { sum = 35 } }))
      local failure, run = fails("diamond", '{"n":5,"fail":true}')
      assert.equal('node "path-b" failed: path-b is closed; 1 not started', failure.message)
      assert.same({ start = "completed", ["path-a"] = "completed", ["path-b"] = "failed", merge = "pending" },
        each("state", run))
    end)

    it("run stages, and what may fail or runs in any case", function()
      local run = completes("ci", '{"repo":"x"}', {
        coverage = { job = "coverage", ok = true }, notify = { job = "notify", ok = true },
        report = { "unit-tests: ok", "integration-tests: ok", "e2e-tests: ok" },
      })
      in_order(run)
      assert.equal("cd", show(run.id .. "/deploy").queue)
      assert.same({
        notify = { job = "notify", ok = true },
        report = { "unit-tests: ok", "integration-tests: ok", "e2e-tests: ok" },
      }, perform("ci", '{"repo":"x","broken":"coverage"}').result)

      local failure
      failure, run = fails("ci", '{"repo":"x","broken":"unit-tests"}')
      assert.same({ "unit-tests" }, failure.details.failed)
      assert.same({ "coverage", "deploy", "notify" }, failure.details.pending)
      local states = each("state", run)
      assert.same({ "completed", "pending" }, { states["e2e-tests"], states.deploy })
      assert.equal("unit-tests: ci.lua:14: unit-tests is broken", show(run.id .. "/report").result[1])
    end)

    it("are made of their input", function()
      in_order(completes("batch", '{"items":["a","b","c"]}',
        { aggregate = { total_items = 3, results = { "1:A", "2:B", "3:C" } } }))
      completes("batch", '{"items":[]}', { aggregate = { total_items = 0, results = {} } })
    end)
  end)

  describe("branches", function()
    it("go through a list, so many at a time, and tolerate failures", function()
      local run = completes("enrich", '{"customers":["Ada","","Bob"]}',
        { stored = { "1: Ada", "3: Bob" }, failed = { 2 } })
      assert.equal("3: Bob", each("result", run)["customers:3:store"])
      local failure = fails("enrich", '{"customers":["","","","","Ada"]}')
      assert.same({ "too_many_failures", 4, 3 }, { failure.code, failure.details.failed, failure.details.tolerate })
      completes("enrich-pages", '{"pages":3}', { "A1", "B1", "A2", "B2", "A3", "B3" })
    end)

    it("stand under their names, and in scopes", function()
      local run = completes("release", '{"version":"1.4"}', {
        packages = { "built for amd64", "built for arm64" },
        published = { mirror = "mirror has 1.4", announce = "told of 1.4" },
      })
      assert.equal("completed", each("state", run)["publish:mirror:upload"])
      assert.equal("there is no one to tell", fails("release", '{"version":"1.4","silent":true}').message)
    end)

    it("ask until it is done", function()
      local run = completes("export", '{"ready_after":3,"every":"10ms"}', { asked = 3, file = "export-7.csv" })
      assert.equal(3, each("attempts", run).job)
    end)

    it("tell how far they are", function()
      local run = completes("import", '{"rows":["a","b","c"]}', { "A", "B", "C" })
      assert.same({ done = 3, total = 3, status = "done" }, run.progress)
      run = perform("enrich", '{"customers":["Ada","","Bob"]}')
      assert.same({ { id = "customers", verb = "map", done = 3, failed = 1, total = 3, state = "completed" } },
        run.progress.groups)
    end)

    it("are left for the first that succeeds", function()
      local run = completes("download", '{"mirrors":[{"name":"broken","fails":true},{"name":"near","takes":"20ms"},'
        .. '{"name":"far","takes":"1h"}]}', { file = "the file, from near", mirror = "near" })
      assert.equal("cancelled", show(run.id .. "/far").state)
      assert.equal("all_failed", fails("download", '{"mirrors":[{"name":"broken","fails":true}]}').code)
      run = completes("download-hedged", '{"first":{"name":"first"},"reserve":{"name":"r","takes":"1h"}}',
        "the file, from first")
      assert.equal("cancelled", show(run.id .. "/reserve").state)
    end)
  end)

  describe("trip", function()
    it("keeps what it booked", function()
      completes("trip", '{"to":"Vienna"}',
        { to = "Vienna", paid = 500, bookings = { "flight-Vienna", "hotel-Vienna" } })
    end)

    it("takes it back when something later fails, newest first", function()
      local failure, run = fails("trip", '{"to":"Vienna","sold_out":true}')
      assert.equal("the opera in Vienna is sold out", failure.message)
      local undone = {}
      for _, operation in ipairs(run.operations) do
        if operation.id:find "^undo:" then undone[#undone + 1] = operation.id end
      end
      assert.same({ "undo:pay:refund", "undo:hotel:step", "undo:flight:step" }, undone)
    end)
  end)
end)
