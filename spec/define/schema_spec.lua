-- JSON Schema: each keyword with data that it takes, and data that it refuses with what is said.

local json = require "weir.json"
local schema = require "weir.define.schema"

local function violations(definition, data)
  local found = assert(schema.compile(definition))(data)
  if not found then return nil end
  local lines = {}
  for i, entry in ipairs(found) do lines[i] = entry.path .. ": " .. entry.message end
  return lines
end

-- { schema, data that it takes, ... and then data that it refuses with what is said }
local function check(definition, good, bad)
  for i = 1, good.n or #good do
    assert.is_nil(violations(definition, good[i]))
  end
  for _, case in ipairs(bad) do
    assert.same({ table.unpack(case, 2) }, violations(definition, case[1]))
  end
end

describe("schema", function()
  it("type", function()
    check({ type = "string" }, { "", "x" }, {
      { 5, "/: must be string, is 5" },
      { 5.5, "/: must be string, is 5.5" },
      { true, "/: must be string, is boolean" },
      { json.null, "/: must be string, is null" },
      { json.array {}, "/: must be string, is array" },
      { {}, "/: must be string, is object" },
      { nil, "/: must be string, is null" },
    })
    check({ type = "integer" }, { 5, 5.0, math.mininteger }, {
      { 5.5, "/: must be integer, is 5.5" }, { "5", "/: must be integer, is string" } })
    check({ type = "number" }, { 5, 5.5 }, { { "5", "/: must be number, is string" } })
    check({ type = "boolean" }, { true, false }, { { 0, "/: must be boolean, is 0" } })
    check({ type = "null" }, { json.null }, { { false, "/: must be null, is boolean" } })
    check({ type = "array" }, { json.array {}, { 1, 2 } },
      { { {}, "/: must be array, is object" } })
    check({ type = "object" }, { {}, { a = 1 } }, { { { 1 }, "/: must be object, is array" } })
    check({ type = { "string", "null" } }, { "x", json.null },
      { { 5, "/: must be string or null, is 5" } })
    assert.is_nil(violations({ type = { "string", "null" } }, nil))
  end)

  it("required", function()
    check({ required = { "a", "b" } }, { { a = 1, b = false }, 5, "text" }, {
      { { b = json.null }, "/a: is required" },
      { {}, "/a: is required", "/b: is required" },
    })
  end)

  it("properties, with every violation and its path", function()
    local item = { type = "object", properties = { name = { type = "string", minLength = 1 } } }
    check({
      type = "object",
      required = { "items" },
      properties = { items = { type = "array", items = item }, total = { minimum = 0 } },
    }, { { items = json.array {} }, { items = { { name = "x" } }, total = 0, more = 1 } }, {
      { { items = { { name = "a" }, { name = "" }, {}, { name = 5 } }, total = -1 },
        "/items/1/name: must have at least 1 character, has 0",
        "/items/3/name: must be string, is 5",
        "/total: must be at least 0, is -1" },
      { 5, "/: must be object, is 5" },
    })
    check({ properties = { ["a/b"] = { type = "string" }, ["c~d"] = false } }, {}, {
      { { ["a/b"] = 1, ["c~d"] = 2 }, "/a~1b: must be string, is 1", "/c~0d: is not allowed" },
    })
  end)

  it("additionalProperties", function()
    local strict = { properties = { amount = true }, additionalProperties = false }
    check(strict, { {}, { amount = 1 }, 5 }, {
      { { zebra = 1, amuont = 1 },
        '/amuont: is not allowed; did you mean "amount"?', "/zebra: is not allowed" },
    })
    local loose = { additionalProperties = { type = "integer" }, properties = { name = true } }
    check(loose, { { name = "x", a = 1 } },
      { { { name = "x", b = "y" }, "/b: must be integer, is string" } })
    check({ additionalProperties = true }, { { a = 1 } }, {})
  end)

  it("items, minItems, maxItems", function()
    local definition = { items = { type = "integer" }, minItems = 1, maxItems = 2 }
    check(definition, { { 1 }, { 1, 2 }, {}, "x" }, {
      { json.array {}, "/: must have at least 1 item, has 0" },
      { { 1, 2, "x" }, "/2: must be integer, is string", "/: must have at most 2 items, has 3" },
    })
  end)

  it("enum and const", function()
    check({ enum = { "a", 5, json.null, false, { x = { 1, 2 } }, json.array {} } },
      { "a", 5, 5.0, json.null, false, { x = { 1, 2 } }, json.array {} }, {
      { "b", '/: must be one of "a", 5, null, false, {"x":[1,2]}, [], is "b"' },
      { true, '/: must be one of "a", 5, null, false, {"x":[1,2]}, [], is true' },
      { {}, '/: must be one of "a", 5, null, false, {"x":[1,2]}, [], is {}' },
    })
    check({ const = "v1" }, { "v1" }, { { "v2", '/: must be "v1", is "v2"' } })
    check({ const = { a = 1 } }, { { a = 1 }, { a = 1.0 } },
      { { { a = 1, b = 2 }, '/: must be {"a":1}, is {"a":1,"b":2}' },
        { {}, '/: must be {"a":1}, is {}' } })
    check({ const = json.null }, { json.null }, { { false, "/: must be null, is false" } })
    check({ const = false }, { false }, { { json.null, "/: must be false, is null" } })
    check({ const = "x" }, {},
      { { ("y"):rep(100), '/: must be "x", is "' .. ("y"):rep(56) .. "…" } })
  end)

  it("bounds of numbers", function()
    check({ minimum = 0, maximum = 10 }, { 0, 10, 0.5, "text", {} }, {
      { -1, "/: must be at least 0, is -1" }, { 10.5, "/: must be at most 10, is 10.5" } })
    check({ exclusiveMinimum = 0, exclusiveMaximum = 1 }, { 0.5 }, {
      { 0, "/: must be more than 0, is 0" }, { 1, "/: must be less than 1, is 1" } })
  end)

  it("lengths in characters, not bytes", function()
    check({ minLength = 2, maxLength = 3 }, { "äö", "äöü", 5 }, {
      { "ä", "/: must have at least 2 characters, has 1" },
      { "äöüß", "/: must have at most 3 characters, has 4" } })
  end)

  it("pattern, in Unicode and with a limit", function()
    check({ pattern = "^[A-Z]{2}-\\d+$" }, { "AB-1", 5 },
      { { "ab-1", '/: must match "^[A-Z]{2}-\\\\d+$", is "ab-1"' } })
    check({ pattern = "b" }, { "abc" }, {})
    check({ pattern = "^.$" }, { "ä" }, {})
    check({ pattern = "^(a+)+$" }, { "aaa" }, {
      { ("a"):rep(64) .. "b",
        '/: cannot be matched against "^(a+)+$": error PCRE2_ERROR_MATCHLIMIT' } })
  end)

  it("lets a pattern keep its verbs, its comments and its quotes", function()
    check({ pattern = "(*UCP)^\\w$" }, { "é" }, {})
    check({ pattern = "(?x) b # c" }, { "abc" }, { { "ac", '/: must match "(?x) b # c", is "ac"' } })
    check({ pattern = "\\Qb." }, { "ab.c" }, { { "abc", '/: must match "\\\\Qb.", is "abc"' } })
    check({ pattern = "a|c$" }, { "xxc" }, { { "xcx", '/: must match "a|c$", is "xcx"' } })
  end)

  it("bounds a pattern over all places at which a match may begin", function()
    local limit = "error PCRE2_ERROR_MATCHLIMIT"
    for _, case in ipairs {
      { "[a-z0-9._]+@[a-z0-9.]+", ("a"):rep(400000) .. "@!", limit },
      { "\\s+$", (" "):rep(400000) .. "x", limit },
      { "(a*)*b", ("a"):rep(5000), limit },
      { "[a-z]++@", ("a"):rep(400000) .. "!", "it has more than 4096 bytes" },
      { "(?>[a-z]+)@", ("a"):rep(400000) .. "!", "it has more than 4096 bytes" },
    } do
      local pattern, value, reason = table.unpack(case)
      check({ pattern = pattern }, {}, {
        { value, ("/: cannot be matched against %s: %s"):format(json.encode(pattern), reason) } })
    end
    check({ pattern = "x$" }, { ("y"):rep(400000) .. "x" }, {}) -- what is linear is within it
  end)

  it("tries no pattern on what is bad already", function()
    check({ pattern = "^(a+)+$", maxLength = 3 }, {}, {
      { ("a"):rep(64) .. "b", "/: must have at most 3 characters, has 65" } })
  end)

  it("describes ten violations and counts the others", function()
    local items = json.array {}
    for i = 1, 500000 do items[i] = i end
    local found = violations({ items = { type = "string" } }, items)
    assert.equal(11, #found)
    assert.equal("/9: must be string, is 10", found[10])
    assert.equal(": and 499990 more", found[11])

    local fields = {}
    for i = 1, 200000 do fields[("addr%06d"):format(i)] = 1 end
    found = violations({ additionalProperties = false, properties = { addr000002x = true } }, fields)
    assert.equal(11, #found)
    assert.equal('/addr000001: is not allowed; did you mean "addr000002x"?', found[1])
    assert.equal("/addr000010: is not allowed", found[10])
    assert.equal(": and 199990 more", found[11])
    found = violations({ additionalProperties = { type = "string", enum = { "x" } } }, fields)
    assert.equal("/addr000010: must be string, is 1", found[10])
    assert.equal(": and 199990 more", found[11])
  end)

  it("says no more of a violation than people read", function()
    local deep, wide = "x", {}
    for _ = 1, 500 do deep = { deep } end
    for i = 1, 100 do wide["k" .. i] = i end
    check({ const = 1 }, {}, {
      { deep, "/: must be 1, is " .. ("["):rep(57) .. "…" },
      { { a = wide, b = { 1 } }, '/: must be 1, is {"a":{…},"b":[1]}' },
    })
    local key = ("k"):rep(100000)
    local found = violations({ additionalProperties = false }, { [key] = 1 })
    assert.equal("/" .. ("k"):rep(255) .. "…: is not allowed", found[1])
  end)

  it("anyOf, oneOf, allOf", function()
    local text, short = { type = "string" }, { maxLength = 2 }
    check({ anyOf = { text, { type = "object", required = { "a" } } } }, { "x", { a = 1 } },
      { { {}, "/: matches nothing of anyOf: must be string, is object; or: /a is required" } })
    check({ oneOf = { text, { type = "integer" }, { minimum = 5 } } }, { 4, 5.5 }, {
      { 5, "/: matches 2 schemas of oneOf, must match one" },
      { 1.5, "/: matches nothing of oneOf: must be string, is 1.5; or: must be integer, is 1.5; or:"
        .. " must be at least 5, is 1.5" } })
    check({ allOf = { text, short } }, { "ab" }, {
      { "abc", "/: must have at most 2 characters, has 3" }, { 5, "/: must be string, is 5" } })
  end)

  it("true and false", function()
    check(true, { 5 }, {})
    check({ properties = { a = false } }, { {} }, { { { a = 1 }, "/a: is not allowed" } })
    check({}, { 5, {}, json.null }, {})
  end)

  it("lets annotations be", function()
    check({ title = "t", description = "d", default = 5, examples = { 1 }, format = "date",
            ["$schema"] = "s", ["$id"] = "i", ["$comment"] = "c" }, { 5 }, {})
  end)

  it("says what is wrong with a schema, and where", function()
    local cases = {
      { { properties = { a = { minimun = 1 } } },
        'schema/properties/a: unknown keyword "minimun"; did you mean "minimum"?' },
      { { zebra = 1 }, 'schema: unknown keyword "zebra"; there are type, additional', true },
      { { type = "strin" }, 'schema/type: "strin" is no type; did you mean "string"?' },
      { { type = "xyzzy" }, 'schema/type: "xyzzy" is no type; there are array, boolean,', true },
      { { type = {} }, "schema/type: must name at least one type" },
      { { type = 5 }, "schema/type: must be a list of type names" },
      { { required = "a" }, "schema/required: must be a list of property names" },
      { { required = { 5 } }, "schema/required: must be a list of property names" },
      { { properties = { "a" } }, "schema/properties: must be a table of property names", true },
      { { items = { { type = "string" } } }, "schema/items: must be one schema", true },
      { { items = { type = "x" } }, "schema/items/type:", true },
      { { minLength = -1 }, "schema/minLength: must be an integer from 0" },
      { { minLength = "1" }, "schema/minLength: must be an integer from 0" },
      { { minimum = "1" }, "schema/minimum: must be a number" },
      { { pattern = "(" }, 'schema/pattern: missing closing parenthesis in "("' },
      { { pattern = 5 }, "schema/pattern: must be text" },
      { { anyOf = {} }, "schema/anyOf: must be a list of schemas, at least one" },
      { { anyOf = { {}, { type = "x" } } }, "schema/anyOf/1/type:", true },
      { { additionalProperties = 5 }, "schema/additionalProperties: must be a table of", true },
      { { properties = { a = "string" } }, "schema/properties/a: must be a table of", true },
      { { "type" }, "schema: must be a table of keywords, true or false" },
      { 5, "schema: must be a table of keywords, true or false" },
    }
    for _, case in ipairs(cases) do
      local definition, expected, partly = table.unpack(case)
      local compiled, message = schema.compile(definition)
      assert.is_nil(compiled)
      if partly then message = message:sub(1, #expected) end
      assert.equal(expected, message)
    end
    local endless = {}
    endless.items = endless
    assert.equal("schema: is nested deeper than 64 levels, or holds itself",
      select(2, schema.compile(endless)))
  end)

  it("names the package when PCRE2 is not there", function()
    local loaded, path, cpath = package.loaded.rex_pcre2, package.path, package.cpath
    package.loaded.rex_pcre2, package.path, package.cpath = nil, "", ""
    local _, message = schema.compile { pattern = "x" }
    package.loaded.rex_pcre2, package.path, package.cpath = loaded, path, cpath
    assert.equal("schema/pattern: needs the Lua module rex_pcre2: apt-get install lua-rex-pcre2",
      message)
  end)
end)
