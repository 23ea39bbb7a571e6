-- Workflows that newer files lack leave the registry in memory as they do in Redis
-- (spec/redis/worker/announce_spec.lua): once no run needs them.

local driver = require "weir.memory.driver"

local UNTIL_WOKEN = 'pcall(ctx.sleep, ctx, { id = "long", duration = "1d" }) '

-- Files of workflows: id -> body of run.
local function files(bodies)
  local texts = {}
  for id, body in pairs(bodies) do
    texts[id .. ".lua"] = ('local weir = require "weir"\nreturn weir.workflow { id = %q, '
      .. 'retry = { attempts = 1 }, run = function(ctx, data) %s end }'):format(id, body)
  end
  return { files = texts }
end

local function begin(made, id, workflow)
  made:begin_run(id, workflow, "{}", 1, {})
  made:settle()
end

describe("a workflow that newer files lack", function()
  it("is unknown", function()
    local made = driver.new(files { kept = "return 1", gone = "return 2" })
    assert.is_true(made:is_open "gone")
    made:deploy(files { kept = "return 1" })
    assert.is_true(made:is_open "kept")
    assert.is_false(made:is_open "gone")
    assert.is_nil(made.registry.gone)
  end)

  it("stays while runs of it have not ended", function()
    local made = driver.new(files { gone = UNTIL_WOKEN .. "return 2" })
    begin(made, "r", "gone")
    made:deploy(files { kept = "return 1" })
    assert.is_true(made:is_open "gone")
    made:advance(86400000)
    assert.equal("completed", made:read("r").state)
    assert.is_nil(made.registry.gone)
  end)

  it("stays for attempts on its bundle, which may invoke it, and for no others", function()
    local made = driver.new(files { parent = UNTIL_WOKEN .. 'return ctx:invoke { id = "c", workflow = "gone" }',
                                    gone = 'return "old"' })
    begin(made, "r", "parent")
    made:deploy(files { parent = 'return ctx:invoke { id = "c", workflow = "gone" }' })
    assert.is_false(made:is_open "gone")
    begin(made, "new", "parent")
    assert.equal("unknown_workflow", made:read("new").error.code)
    made:advance(86400000)
    assert.equal('"old"', made:read("r").result)
    assert.equal("b1", made:read("r/c").bundle)
    assert.is_nil(made.registry.gone)
  end)

  it("may be invoked by a run on code that is older still, on that code", function()
    local parent = UNTIL_WOKEN .. 'return ctx:invoke { id = "c", workflow = "gone" }'
    local made = driver.new(files { parent = parent, gone = 'ctx:sleep "1ms" return "oldest"' })
    begin(made, "r", "parent")
    made:deploy(files { parent = parent, gone = 'return "old"' })
    made:deploy(files { parent = parent })
    assert.is_nil(made.registry.gone)
    made:advance(86400001)
    assert.equal('"oldest"', made:read("r").result)
    assert.equal("b1", made:read("r/c").bundle)
  end)

  it("lets a run that is retried wait until files have it again", function()
    local made = driver.new(files { gone = "error 'a bug'" })
    begin(made, "r", "gone")
    assert.equal("failed", made:read("r").state)
    made:deploy(files { kept = "return 1" })
    assert(made:plan_retry("r", {}))
    made:settle()
    assert.equal("ready", made:read("r").state)
    made:deploy(files { gone = 'return "mended"' })
    made:settle()
    assert.equal('"mended"', made:read("r").result)
  end)

  it("is there again when newer files have it", function()
    local made = driver.new(files { gone = UNTIL_WOKEN })
    begin(made, "r", "gone")
    made:deploy(files { kept = "return 1" })
    made:deploy(files { gone = 'return "back"' })
    made:cancel("r", "by hand")
    made:settle()
    assert.is_true(made:is_open "gone")
    assert.equal("b3", made.registry.gone.bundle)
    assert.is_nil(made.registry.kept)
  end)
end)
