local failure = require "weir.base.failure"
local json = require "weir.json"

-- A failure that was written to the journal and read again.
local function again(value) return failure.decode(failure.encode(value)) end

describe("a failure", function()
  it("is shown as its message", function()
    assert.equal("no funds", tostring(failure.new { code = "declined", message = "no funds" }))
    assert.equal("declined", tostring(failure.new { code = "declined" }))
    assert.equal("error", failure.new({}).code)
  end)

  it("knows its code and those of its causes", function()
    local cause = failure.new { code = "declined" }
    local err = failure.new { code = "child_failed", cause = failure.new { cause = cause } }
    assert.is_true(err:is("child_failed"))
    assert.is_true(err:is("error"))
    assert.is_true(err:is("declined"))
    assert.is_false(err:is("timeout"))
    cause.cause = err
    assert.is_false(err:is("timeout"))
  end)

  it("keeps retry_after in milliseconds", function()
    assert.equal(1500, failure.new({ retry_after = "1.5s" }).retry_after_ms)
    assert.has_error(function() failure.new { retry_after = "later" } end)
  end)

  it("cannot be forged or reshaped", function()
    local err = failure.new { message = "m" }
    assert.is_true(failure.is_failure(err))
    assert.is_false(failure.is_failure { code = "error", message = "m" })
    assert.is_false(failure.is_failure("m"))
    assert.has_error(function() setmetatable(err, nil) end)
    assert.equal("string", type(getmetatable(err)))
  end)

  it("has reserved codes, and error is not one of them", function()
    assert.is_true(failure.RESERVED.timeout)
    assert.is_nil(failure.RESERVED.error)
  end)
end)

describe("failure.from", function()
  it("keeps a string as Lua gave it", function()
    local _, raised = pcall(error, "no stock", 2)
    local err = failure.from(raised, "traceback")
    assert.same({ "error", raised, "traceback" }, { err.code, err.message, err.traceback })
    assert.is_nil(err.details)
  end)

  it("makes a plain table the details", function()
    local raised = { message = "no stock", sku = 7 }
    local err = failure.from(raised)
    assert.equal("no stock", err.message)
    assert.equal(raised, err.details)
    assert.equal("raised table", failure.from({ sku = 7 }).message)
  end)

  it("asks an object for its text, even one that cannot give it", function()
    local object = setmetatable({}, { __tostring = function() return "out of stock" end })
    assert.equal("out of stock", failure.from(object).message)
    local broken = setmetatable({}, { __tostring = function() error("no") end })
    assert.equal("table", failure.from(broken).message)
  end)

  it("takes anything else", function()
    assert.equal("raised nil", failure.from(nil).message)
    assert.equal("raised 42", failure.from(42).message)
    assert.equal("raised function", failure.from(print).message)
    assert.equal("null", failure.from(json.null).message)
  end)

  it("leaves a failure as it is", function()
    local err = failure.new { code = "declined", traceback = "first" }
    assert.equal(err, failure.from(err))
    assert.equal(err, failure.from(err, "second"))
  end)

  it("gives a traceback to a copy: the one raised may be a constant", function()
    local constant = failure.new { code = "declined", operation = "pay", details = { 1 } }
    local err = failure.from(constant, "traceback")
    assert.is_nil(constant.traceback)
    assert.equal("traceback", err.traceback)
    assert.same({ "declined", "pay", { 1 } }, { err.code, err.operation, err.details })
  end)
end)

describe("failure.encode", function()
  it("keeps every field and the whole chain", function()
    local err = again(failure.new {
      code = "child_failed", message = "Child execution failed: declined", run = "o/pay",
      operation = "pay", workflow = "payment", traceback = "order.lua:3", retryable = false,
      retry_after = 2,
      cause = failure.new { code = "declined", details = { amount = 5.0, card = json.null } },
    })
    assert.is_true(failure.is_failure(err))
    assert.is_true(failure.is_failure(err.cause))
    assert.is_true(err:is("declined"))
    assert.equal("o/pay pay payment order.lua:3",
      table.concat({ err.run, err.operation, err.workflow, err.traceback }, " "))
    assert.is_false(err.retryable)
    assert.equal(2000, err.retry_after_ms)
    assert.equal("float", math.type(err.cause.details.amount))
    assert.equal(json.null, err.cause.details.card)
  end)

  it("shows as text only what cannot be JSON", function()
    local cause = failure.new { details = { amount = 5 } }
    local err = again(failure.new { details = { callback = print }, cause = cause })
    assert.equal("table", err.details)
    assert.same({ amount = 5 }, err.cause.details)
  end)

  it("takes bytes that are no UTF-8", function()
    local function message(text) return again(failure.new { message = text }).message end
    assert.equal("a\u{FFFD}b\u{FFFD}\u{FFFD}", message "a\xffb\xe2\x82")
    assert.equal("\u{FFFD}", message "\xff")
    assert.equal("naïve 😀", message "naïve 😀")
  end)

  it("trusts no field that its owner may have written to", function()
    local err = failure.new { code = "c", message = "m" }
    err.message, err.code, err.run, err.retryable = {}, 5, print, "yes"
    err.retry_after_ms, err.cause, err.extra = "soon", "a string", print
    local back = again(err)
    assert.equal("5", back.code)
    assert.equal("table", back.message)
    assert.equal("a string", back.cause.message)
    assert.is_nil(back.retryable)
    assert.is_nil(back.retry_after_ms)
  end)

  it("ends where a chain bites its tail, or is too long to be JSON", function()
    local err = failure.new { message = "top" }
    err.cause = err
    assert.is_nil(again(err).cause)
    err.details = { err = err }
    assert.equal("top", again(err).message)

    err.cause = 0 / 0
    assert.is_not_nil(again(err).cause)

    local long = failure.new { message = "first" }
    for i = 1, 600 do long = failure.new { message = "level " .. i, cause = long } end
    assert.equal("level 600", again(long).message)
  end)

  it("bounds every text, and says how long it was", function()
    local x = ("x"):rep(100000)
    local err = again(failure.new {
      code = x, message = x, traceback = x, details = { x }, run = x, operation = x, workflow = x })
    local function is_cut(text, most, size)
      assert.equal(("%s… (cut: %d bytes in all)"):format(text:sub(1, most), size), text)
    end
    is_cut(err.code, 512, 100000)
    is_cut(err.message, 65536, 100000)
    is_cut(err.traceback, 16384, 100000)
    is_cut(err.details, 65536, 100004)
    is_cut(err.run, 4096, 100000)
    is_cut(err.operation, 4096, 100000)
    is_cut(err.workflow, 512, 100000)
    assert.equal(65536, #again(failure.new { message = x:sub(1, 65536) }).message)
    assert.is_true(#failure.encode(failure.new { message = ("\xff"):rep(60000000) }) < 70000)
  end)

  it("bounds details that are deep, and can be read again", function()
    local deep = { "bottom" }
    for _ = 2, 512 do deep = { deep } end
    local text = failure.encode(failure.new { cause = failure.new { details = deep } })
    assert.equal("string", type(json.decode(text).cause.details))
  end)

  -- The failure of each run of a chain, which the run below it handed on.
  local function chain(depth, message)
    local err, sizes = failure.new { code = "declined", message = message, traceback = "w.lua:1: in function" }, {}
    local run = "root"
    for level = 1, depth do
      run = run .. "/below"
      local text = failure.encode(err)
      sizes[level] = #text
      local cause = failure.decode(text)
      err = failure.new {
        code = "child_failed", message = "Child execution failed: " .. cause.message, run = run, operation = "below",
        workflow = "w", traceback = "w.lua:2: in function", cause = cause,
      }
    end
    return err, sizes
  end

  it("does not grow with the depth at which a run failed", function()
    local err, sizes = chain(64, "no funds")
    assert.is_true(sizes[64] < 8 * 1024)
    assert.is_true(err:is("declined"))
    assert.equal("Child execution failed: " .. err.cause.message, err.message)
    local bottom, links, omitted = err, 1, 0
    while bottom.cause do
      omitted = omitted + (bottom.omitted or 0)
      bottom, links = bottom.cause, links + 1
    end
    assert.equal("no funds", bottom.message)
    assert.equal(65, links + omitted)
  end)

  it("keeps 64 KiB of its causes, the innermost of all", function()
    local err, sizes = chain(40, ("m"):rep(256 * 1024))
    for _, size in ipairs(sizes) do assert.is_true(size < 140 * 1024) end
    while err.cause do err = err.cause end
    assert.equal(("m"):rep(8192), err.message:sub(1, 8192))

    local loud = failure.new { message = ("\1"):rep(65536), details = ("\1"):rep(10000) }
    local text = failure.encode(failure.new { message = "top", cause = loud })
    assert.is_true(#text < 66 * 1024)
    assert.equal("\1\1", again(failure.new { cause = loud }).cause.message:sub(1, 2))
  end)
end)
