-- JSON comes out as it went in: data, results of children and steps, details of errors.

local function through(value)
  return ([[
      local value = %s
      local far = ctx:invoke { id = "far", workflow = "noted", data = { value } }
      local near = ctx:invoke { id = "near", workflow = "echo", data = { value } }
      local done = ctx:step("done", function() return { value } end)
      return { far[1], near[1], done[1] } ]]):format(value)
end

return {
  { "an integer stays one, a float stays one", run = through "{ 5, 5.0, -0.0, 1e300, 0.1, -7 }",
    expect = { ["r [far]"] = { result = "[[5,5.0,-0.0,1e+300,0.1,-7]]" },
               ["r [near]"] = { result = "[[5,5.0,-0.0,1e+300,0.1,-7]]" } } },
  { "64 bits to the digit", run = through "{ 9223372036854775807, math.mininteger, 9007199254740993 }",
    expect = { ["r [done]"] = { result = "[[9223372036854775807,-9223372036854775808,9007199254740993]]" } } },
  { "an empty list stays one, an empty object stays one",
    run = through "{ a = weir.array {}, b = {}, c = { weir.array {}, {} } }",
    expect = { ["r [far]"] = { result = '[{"a":[],"b":{},"c":[[],{}]}]' } } },
  { "null stays, in lists and objects", run = through "{ weir.null, { a = weir.null }, weir.array { weir.null } }",
    expect = { ["r [far]"] = { result = '[[null,{"a":null},[null]]]' } } },
  { "null at the end of a list stays, and alone it is nil",
    run = [[ return { ctx:step("s", function() return { 1, weir.null } end),
      ctx:step("n", function() return weir.null end) == nil } ]],
    expect = { r = { result = "[[1,null],true]" } } },
  { "text of all kinds", run = through [["\0\1\31\127 \\ \" / é \u{FFFD} \u{10FFFF} \u{2028} \r\n\t"]],
    expect = { r = { state = "completed" } } },
  { "keys of all kinds", run = through [[{ [""] = 1, ["1"] = 2, ["a.b"] = 3, ["ü"] = 4, __proto__ = 5 }]],
    expect = { ["r [far]"] = { result = '[{"":1,"1":2,"__proto__":5,"a.b":3,"ü":4}]' } } },
  { "doubles in the shortest form that reads back",
    run = through "{ 1 / 3, 2 ^ 53, 1e15, 5e-324, 123456789.125, 1e21 }",
    expect = { r = { state = "completed" } } },
  { "deep tables", run = [[
      local value = "bottom"
      for _ = 1, 60 do value = { value } end
      return (ctx:invoke { id = "far", workflow = "noted", data = { value } }) ]],
    expect = { r = { state = "completed" } } },
  { "false and true, also alone", run = [[ return { ctx:step("f", function() return false end),
        (ctx:invoke { id = "e", workflow = "echo", data = true }),
        (ctx:invoke { id = "n", workflow = "noted", data = false }) } ]],
    result = { false, true, false } },
  { "a result of nothing is null", run = [[ ctx:sleep "1ms" ]],
    expect = { r = { state = "completed", result = "null" } } },
  { "data of a run, as it was sent",
    run = [[ return { data, math.type(data.i), math.type(data.f), weir.json.encode(data.list),
      data.null == weir.null } ]],
    play = { { "start", "r", data = { i = 1, f = 1.0, list = {}, null = false } }, { "ends", "r" } },
    expect = { r = { state = "completed" } } },
  { "data that is no object", run = [[ return { type(data), data } ]],
    play = { { "start", "r", data = "just text" }, { "ends", "r" } }, result = { "string", "just text" } },
  { "infinity is refused", run = [[ return 1 / 0 ]], fails = "payload_invalid" },
  { "a table that contains itself is refused", run = [[ local t = {} t.t = t return t ]], fails = "payload_invalid" },
  { "a key that is no text is refused", run = [[ return ctx:step("s", function() return { [true] = 1 } end) ]],
    fails = "payload_invalid" },
  { "a key of another type is refused in workflow code",
    fields = "retry = { attempts = 1 },", run = [[ for key in pairs { [true] = 1 } do return key end ]],
    fails = "error" },
  { "details of an error", run = [[
      local ok, raised = pcall(ctx.invoke, ctx, { id = "f", workflow = "fails",
        data = { details = { i = 1, f = 1.0, list = weir.array {}, null = weir.null } } })
      return raised.cause.details ]],
    expect = { r = { result = '{"f":1.0,"i":1,"list":[],"null":null}' } } },
  { "lists that weir makes are lists", run = [[ return { ctx:all {}, ctx:all { function() end },
        ctx:settle {}, weir.array {} } ]],
    expect = { r = { state = "completed" } } },
}
