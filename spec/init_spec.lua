-- The functions of `require "weir"` that authors call: definitions with every field checked, and errors.

local definition = require "weir.define.definition"
local weir = require "weir"

local function define(fields)
  fields.id = fields.id or "order"
  fields.run = fields.run or function() end
  local made = weir.workflow(fields)
  return made
end

local function refusal(fields)
  local ok, raised = pcall(define, fields)
  assert.is_false(ok)
  return (raised:gsub("^[^:]+:%d+: ", ""))
end

describe("weir.workflow", function()
  it("fills in what is not given", function()
    local run = function() end
    local made = define { run = run }
    assert.equal("order", made.id)
    assert.equal(run, made.run)
    assert.equal("default", made.queue)
    assert.equal(0, made.priority)
    assert.equal(7 * 86400 * 1000, made.retain_ms)
    assert.equal(60 * 1000, made.cancel_grace_ms)
    assert.is_nil(made.timeout_ms)
    assert.is_nil(made.validate)
    assert.same({ attempts = 3, delay_ms = 1000, backoff = "exponential", max_delay_ms = 300000,
                  jitter = true }, made.retry)
  end)

  it("reads every field", function()
    local made = define {
      timeout = "30s", queue = "slow", priority = -100, retain = 0, cancel_grace = 1.5,
      retry = { attempts = 1 }, schema = { type = "object" },
    }
    assert.equal(30000, made.timeout_ms)
    assert.equal("slow", made.queue)
    assert.equal(-100, made.priority)
    assert.equal(0, made.retain_ms)
    assert.equal(1500, made.cancel_grace_ms)
    assert.equal(1, made.retry.attempts)
    assert.same({ type = "object" }, made.schema)
    assert.is_nil(made.validate {})
    assert.equal("/", made.validate(5)[1].path)
  end)

  it("takes a function as the schema", function()
    local schema = function(data) return data end
    local made = define { schema = schema }
    assert.equal(schema, made.transform)
    assert.is_nil(made.validate)
  end)

  it("knows where it was defined", function()
    local line = debug.getinfo(1, "l").currentline
    local made = weir.workflow {
      id = "here",
      run = function() end,
    }
    assert.matches("init_spec.lua$", made.file)
    assert.equal(line + 1, made.line)
  end)

  it("knows the line of run when it was called as a tail call", function()
    local line = debug.getinfo(1, "l").currentline
    local made = (function()
      return weir.workflow { id = "tail",
        run = function() end }
    end)()
    assert.equal(line + 3, made.line)
  end)

  it("refuses writes", function()
    local made = define {}
    assert.error_matches(function() made.id = "other" end,
      'workflow "order" cannot be written %(field \'id\'%)')
    assert.is_true(definition.is(made))
    assert.is_false(definition.is {})
    assert.is_false(definition.is(nil))
    assert.equal('workflow "order"', getmetatable(made))
  end)

  it("names the author's line and the workflow", function()
    local line = debug.getinfo(1, "l").currentline + 1
    local ok, raised = pcall(function() local _ = weir.workflow { id = "a", run = 1 } end)
    assert.is_false(ok)
    assert.matches('init_spec.lua:' .. line .. ': workflow "a": run must be a function', raised)
  end)

  it("refuses what it cannot use", function()
    local cases = {
      { { retrys = 1 }, 'workflow "order": unknown field "retrys"; did you mean "retry"?' },
      { { zebra = 1 }, 'workflow "order": unknown field "zebra"; a workflow has id, run, schema,'
        .. " retry, timeout, queue, priority, retain, cancel_grace" },
      { { id = "" }, 'workflow "": id is empty' },
      { { id = "a/b" }, 'workflow "a/b": id "a/b" must not contain "/", which separates run ids' },
      { { id = "a~2" }, 'workflow "a~2": id "a~2" must not contain "~", which separates run ids' },
      { { id = 5 }, "weir.workflow: id must be text, not a number" },
      { { id = ("x"):rep(513) }, "id has 513 bytes; 512 are allowed", true },
      { { id = "\xFF" }, "id is not valid UTF-8", true },
      { { id = "a\nb" }, "has a control character", true },
      { { id = "a\u{85}b" }, "has a control character", true },
      { { id = "a\u{202E}b" }, [["a\u{202E}b" has a control character]], true },
      { { id = "a\u{2069}" }, [["a\u{2069}" has a control character]], true },
      { { priority = 101 }, 'workflow "order": priority must be an integer from -100 to 100' },
      { { priority = "5" }, 'workflow "order": priority must be an integer from -100 to 100' },
      { { queue = "a,b" }, 'workflow "order": queue "a,b": "*" and "," mean several queues' },
      { { queue = "*" }, 'workflow "order": queue "*": "*" and "," mean several queues' },
      { { queue = {} }, 'workflow "order": queue must be text, not a table' },
      { { timeout = 0 }, 'workflow "order": timeout must be longer than 0' },
      { { timeout = "soon" }, 'workflow "order": timeout: "soon" is no duration', true },
      { { retain = -1 }, 'workflow "order": retain: a duration cannot be negative' },
      { { retry = { attempts = 0 } }, 'workflow "order": retry.attempts must be', true },
      { { schema = { typ = "object" } },
        'workflow "order": schema: unknown keyword "typ"; did you mean "type"?' },
      { { schema = 5 }, 'workflow "order": schema: must be a table of keywords', true },
      { { schema = true }, 'workflow "order": schema must be a table or a function' },
    }
    for _, case in ipairs(cases) do
      local fields, expected, partly = table.unpack(case)
      local raised = refusal(fields)
      if partly then
        assert.is_truthy(raised:find(expected, 1, true), raised)
      else
        assert.equal(expected, raised)
      end
    end
    assert.error_matches(function() local _ = weir.workflow { id = "a" } end,
      'workflow "a": lacks the field "run"')
    assert.error_matches(function() local _ = weir.workflow { run = print } end,
      'weir.workflow: lacks the field "id"')
    assert.error_matches(function() local _ = weir.workflow "order" end,
      "takes a table of fields, not a string")
  end)
end)

describe("weir.error", function()
  it("makes an error of one's own", function()
    local made = weir.error { code = "sold_out", message = "none left", details = { left = 0 },
                              retryable = false, retry_after = "2s" }
    assert.equal("none left", tostring(made))
    assert.is_true(made:is "sold_out")
    assert.same({ left = 0 }, made.details)
    assert.is_false(made.retryable)
    assert.equal(2000, made.retry_after_ms)
    assert.equal("error", weir.error { message = "plain" }.code)
  end)

  it("refuses reserved codes and unknown fields, at the author's line", function()
    local function at_line(call, message)
      local line = debug.getinfo(2, "l").currentline
      local ok, raised = pcall(call)
      assert.is_false(ok)
      assert.matches("init_spec.lua:" .. line .. ": weir.error:? ?" .. message, raised)
    end
    at_line(function() local _ = weir.error { code = "timeout" } end, 'the code "timeout" is weir')
    at_line(function() local _ = weir.error { mesage = "x" } end, 'unknown field "mesage"; did you')
    at_line(function() local _ = weir.error { code = 5 } end, "code must be text")
    at_line(function() local _ = weir.error { retryable = 1 } end, "retryable must be true or")
    at_line(function() local _ = weir.error { retry_after = "x" } end, "retry_after: ")
    at_line(function() local _ = weir.error { message = { "x" } } end, "message must be text")
    at_line(function() local _ = weir.error "x" end, "takes a table")
  end)
end)

describe("weir.fatal", function()
  it("makes an error that is not retried", function()
    local made = weir.fatal("no such customer", { id = 5 })
    assert.equal("error", made.code)
    assert.equal("no such customer", made.message)
    assert.same({ id = 5 }, made.details)
    assert.is_false(made.retryable)
  end)

  it("takes a caught error as its message, and refuses fields", function()
    assert.equal("none left", weir.fatal(weir.error { message = "none left" }).message)
    assert.equal("17", weir.fatal(setmetatable({}, { __tostring = function() return "17" end })).message)
    local ok, raised = pcall(function() local _ = weir.fatal { code = "fraud", message = "no" } end)
    assert.is_false(ok)
    assert.matches("init_spec.lua:%d+: weir.fatal takes a message; for a code of your own: weir.error {", raised)
  end)
end)

describe("weir", function()
  it("has JSON", function()
    assert.equal("null", tostring(weir.null))
    assert.equal("[]", weir.json.encode(weir.array {}))
  end)
end)
