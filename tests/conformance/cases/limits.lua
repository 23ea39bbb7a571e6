-- Limits: of a payload (64 KiB here), of depth (8 here), of tags.

local BIG = [[ local big = ("x"):rep(70000) ]]

return {
  { "data of a child that is too large",
    run = BIG .. [[ return ctx:invoke { id = "c", workflow = "echo", data = big } ]],
    fails = "payload_too_large", expect = { r = { attempt = 1, operations = "" } } },
  { "a result that is too large", run = BIG .. [[ return big ]], fails = "payload_too_large" },
  { "a child's result that is too large", run = [[ return ctx:invoke { id = "c", workflow = id .. "-child" } ]],
    child = BIG .. [[ return big ]], fails = "child_failed",
    expect = { ["r/c"] = { error = "~payload_too_large" } } },
  { "a step's result that is too large", run = BIG .. [[ return ctx:step("s", function() return big end) ]],
    fails = "payload_too_large" },
  { "it can be caught", run = BIG .. [[
      local ok, raised = pcall(ctx.invoke, ctx, { id = "c", workflow = "echo", data = big })
      return { ok, raised.code, raised.message } ]],
    expect = { r = { result = '~%[false,"payload_too_large"' } } },
  { "encode may not return too much",
    run = BIG .. [[ return ctx:invoke { id = "c", workflow = "echo",
      encode = function() return '"' .. big .. '"' end } ]],
    fails = "payload_too_large" },
  { "the largest data that is allowed", run = [[
      local most = ("x"):rep(65534)
      return #ctx:invoke { id = "c", workflow = "noted", data = most } + #ctx:step("s", function() return most end) ]],
    loose = { "run r/c log" }, result = 131068 },
  { "a tag that is too long", fields = "retry = { attempts = 1 },", run = [[ ctx:tag("t", ("x"):rep(1025)) ]],
    fails = "error" },
  { "one tag too many", fields = "retry = { attempts = 1 },", run = [[ for i = 1, 101 do ctx:tag("t" .. i, i) end ]],
    fails = "error" },
  { "a graph within a child counts for the depth",
    code = [[
      return { weir.graph { id = id, nodes = { { key = "n", workflow = id .. "-child" } } },
        weir.workflow { id = id .. "-child", retry = { attempts = 1 },
          run = function(ctx) return ctx:invoke { id = "x", workflow = id } end } } ]],
    fails = "child_failed", expect = { r = { error = "~goes deeper than 8 runs" } } },
}
