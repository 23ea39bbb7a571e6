-- One set of examples for both codecs, and random values and texts that hold the two together.
-- The C codec is tested where it has been built, as `make spec` does.

local dice = require "spec.support.dice"
local json = require "weir.json"
require "weir.base.failure" -- gives json the errors that it raises

local null, array = json.null, json.array
local codecs = { { name = "pure", codec = json.pure } }
local built, native = pcall(require, "weir.native.json")
if built then
  codecs[2] = { name = "native", codec = native.setup(null, json.array_metatable) }
end

-- The same value, types and array marks included.
local function same(a, b)
  if math.type(a) ~= math.type(b) or type(a) ~= type(b) then return false end
  if type(a) ~= "table" or a == null then
    return a == b and (a ~= 0 or 1 / a == 1 / b)
  end
  if json.is_array(a) ~= json.is_array(b) then return false end
  for key in pairs(a) do
    if b[key] == nil then return false end
  end
  for key, value in pairs(b) do
    if a[key] == nil or not same(a[key], value) then return false end
  end
  return true
end

local function nested(levels)
  local value = array {}
  for _ = 2, levels do value = array { value } end
  return value
end

for _, tested in ipairs(codecs) do
  local codec = tested.codec

  describe("json, " .. tested.name .. ":", function()
    local function encodes(expected, value)
      assert.equal(expected, (assert(codec.try_encode(value))))
    end

    local function decodes(expected, text)
      local value, message = codec.try_decode(text)
      assert.is_nil(message)
      assert.is_true(same(expected, value), text)
    end

    local function refuses(reason, value)
      local text, message = codec.try_encode(value)
      assert.is_nil(text)
      assert.equal(reason, message)
    end

    local function rejects(reason, text)
      local value, message = codec.try_decode(text)
      assert.is_nil(value)
      assert.equal(reason, message)
    end

    it("knows {} from [], null from nothing, 5 from 5.0", function()
      encodes("{}", {})
      encodes("[]", array {})
      encodes("null", null)
      encodes("5", 5)
      encodes("5.0", 5.0)
      encodes("[true,false]", { true, false })
      for _, text in ipairs { "{}", "[]", "null", "5", "5.0", "[1,null]", '{"a":[],"b":{}}' } do
        encodes(text, codec.try_decode(text))
      end
    end)

    it("writes keys sorted by bytes", function()
      encodes('{"":0,"A":1,"B":2,"a":3,"aa":4,"é":5}',
        { a = 3, B = 2, ["é"] = 5, A = 1, aa = 4, [""] = 0 })
      encodes('{"1":1,"10":2,"2":3}', { ["1"] = 1, ["10"] = 2, ["2"] = 3 })
      encodes('{"a":1,"a\\u0000":2,"a\\u0000b":3}', { a = 1, ["a\0"] = 2, ["a\0b"] = 3 })
    end)

    it("writes many keys sorted, and at every depth", function()
      local value, expected = {}, {}
      for i = 1, 1000 do
        value[("k%04d"):format(i * 7919 % 1000)] = { [("n%d"):format(i)] = {} }
        expected[i] = ("k%04d"):format(i - 1)
      end
      local keys = {}
      for key in codec.try_encode(value):gmatch('"(k%d+)"') do keys[#keys + 1] = key end
      assert.same(expected, keys)
    end)

    it("keeps int64 to the digit", function()
      local texts = {
        "0", "-1", "9007199254740993", "9223372036854775807", "-9223372036854775808",
      }
      for _, text in ipairs(texts) do
        encodes(text, codec.try_decode(text))
        assert.equal("integer", math.type(codec.try_decode(text)))
      end
      decodes(0, "-0")
    end)

    it("writes floats short, and never like integers", function()
      encodes("0.1", 0.1)
      encodes("0.30000000000000004", 0.1 + 0.2)
      encodes("1e+20", 1e20)
      encodes("100000.0", 1e5)
      encodes("999999999999999.0", 999999999999999.0)
      encodes("1e+15", 1e15)
      encodes("9007199254740992.0", 2.0 ^ 53)
      encodes("-0.0", -0.0)
      encodes("0.0", 0.0)
      encodes("5e-324", 5e-324)
      encodes("7.120236347223045e-307", 0x1p-1017)
      encodes("2.2250738585072014e-308", 0x1p-1022)
      encodes("1.7976931348623157e+308", 0x1.fffffffffffffp1023)
      decodes(-0.0, "-0.0")
      decodes(100.0, "1E2")
      decodes(0.25, "25e-2")
      decodes(0.0, "1e-999")
    end)

    it("writes strings as they are but for what JSON forbids", function()
      encodes([["\"\\/\b\f\n\r\t\u0000\u001f]] .. '\127é😀"', '"\\/\b\f\n\r\t\0\31\127é😀')
      encodes('"' .. ("ab😀\\n"):rep(1000) .. '"', ("ab😀\n"):rep(1000))
    end)

    it("reads every escape", function()
      decodes('"\\/\b\f\n\r\t', [["\"\\\/\b\f\n\r\t"]])
      decodes("A\0é€😀\u{10FFFF}", [["\u0041\u0000\u00E9\u20ac\ud83d\uDE00\udbff\udfff"]])
      decodes("a\nb\n", [["a\nb\n"]])
    end)

    it("reads past white space", function()
      decodes({ a = array { 1, 2 }, b = {} }, ' \t\r\n{ "a" : [ 1 , 2 ] , "b" : { } } \n')
      decodes(array {}, "[ ]")
    end)

    it("marks the arrays it read", function()
      local value = codec.try_decode('{"a":[1],"b":[]}')
      assert.equal(json.array_metatable, getmetatable(value.a))
      assert.is_true(json.is_array(value.b))
      table.remove(value.a)
      encodes('{"a":[],"b":[]}', value)
    end)

    it("writes raw fields, whatever the metatable", function()
      local object = setmetatable({ n = 1 }, { __index = { hidden = 2 }, __pairs = error })
      encodes('{"n":1}', object)
    end)

    it("refuses what could not come back, with its place", function()
      refuses("nil cannot be JSON", nil)
      refuses("a function cannot be JSON", print)
      refuses("a userdata cannot be JSON", io.stdout)
      refuses("a thread cannot be JSON", coroutine.create(print))
      refuses("NaN cannot be JSON", 0 / 0)
      refuses("an infinite number cannot be JSON", -math.huge)
      refuses("a string that is not UTF-8 cannot be JSON", "\xff")
      refuses("at .items[3].x: a function cannot be JSON", { items = { 1, 2, { x = print } } })
      refuses('at ["a \\"b"].c: NaN cannot be JSON', { ['a "b'] = { c = 0 / 0 } })
      refuses('at ["1"]: NaN cannot be JSON', { ["1"] = 0 / 0 })
      refuses("at .a: NaN cannot be JSON", { b = print, a = 0 / 0 })
    end)

    it("refuses tables that are neither an array nor an object", function()
      refuses("a sparse array (nothing at index 2) cannot be JSON", { 1, nil, 3 })
      refuses("at .a: a sparse array (nothing at index 1) cannot be JSON", { a = { [2] = 1 } })
      refuses("a sparse array (nothing at index 3) cannot be JSON", { 1, 2, [math.maxinteger] = 3 })
      refuses("an array with index 0 cannot be JSON", { [0] = 1, 2 })
      refuses("an array with index -5 cannot be JSON", { [-5] = 1 })
      refuses("a table with string and integer keys cannot be JSON", { 1, a = 2 })
      refuses("an array with string keys cannot be JSON", array { a = 2 })
      refuses("a key of type boolean cannot be JSON", { [true] = 1, [{}] = 2, a = 3 })
      refuses("a key of type float cannot be JSON", { [1.5] = 1 })
      refuses("at .a: a key that is not UTF-8 cannot be JSON", { a = { ["\xc0\x80"] = 1 } })
    end)

    it("refuses strings that are not UTF-8 in every way", function()
      local wrong = {
        "\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80", "\xe2\x82", "\xf0\x9f\x98",
      }
      for _, bytes in ipairs(wrong) do
        refuses("a string that is not UTF-8 cannot be JSON", "a" .. bytes)
        rejects("not UTF-8 at byte 4", '"é' .. bytes .. '"')
        rejects("not UTF-8 at byte 2", '"' .. bytes)
      end
      encodes('"\u{7ff}\u{800}\u{d7ff}\u{e000}\u{ffff}\u{10000}\u{10ffff}"',
        "\u{7ff}\u{800}\u{d7ff}\u{e000}\u{ffff}\u{10000}\u{10ffff}")
    end)

    it("cuts a long place", function()
      local value = print
      for _ = 1, 100 do value = { level = value } end
      refuses("at " .. (".level"):rep(20) .. "...: a function cannot be JSON", value)
      refuses("at ...: a function cannot be JSON", { [("k"):rep(200)] = print })
    end)

    it("nests 512 deep and no deeper", function()
      encodes(("["):rep(512) .. ("]"):rep(512), nested(512))
      decodes(nested(512), ("["):rep(512) .. ("]"):rep(512))
      rejects("nested deeper than 512 at byte 513", ("["):rep(513))
      refuses("at " .. ("[1]"):rep(40) .. "...: a table nested deeper than 512 cannot be JSON",
        nested(513))
      local cycle = {}
      cycle.a = cycle
      refuses("at " .. (".a"):rep(60) .. "...: a table nested deeper than 512 cannot be JSON",
        cycle)
    end)

    it("nests as deep as is said, up to the deepest record", function()
      local text = ("["):rep(544) .. ("]"):rep(544)
      assert.equal(text, codec.try_encode(nested(544), json.DEEPEST))
      assert.is_true(same(nested(544), (codec.try_decode(text, json.DEEPEST))))
      assert.is_nil(codec.try_encode(nested(545), json.DEEPEST))
      assert.equal("nested deeper than 544 at byte 545", select(2, codec.try_decode("[" .. text, json.DEEPEST)))
      assert.equal("[[]]", codec.try_encode(nested(2), 2))
      assert.is_nil(codec.try_encode(nested(3), 2))
      for _, wrong in ipairs { 0, -1, 545, 1000000, "x", {} } do
        assert.is_nil(codec.try_encode(nested(513), wrong))
        assert.is_nil(codec.try_decode(("["):rep(513) .. ("]"):rep(513), wrong))
      end
    end)

    it("rejects what is no JSON, with the place", function()
      rejects("expected a value at byte 1", "")
      rejects("expected a value at byte 3", "  ")
      rejects("expected a value at byte 1", "nul")
      rejects("expected a value at byte 1", "'a'")
      rejects("expected a value at byte 1", "\u{FEFF}1")
      rejects("expected a value at byte 4", "[1,]")
      rejects("expected a value at byte 2", "[,1]")
      rejects("expected ',' or ']' at byte 3", "[1")
      rejects("expected ',' or ']' at byte 4", "[1 2]")
      rejects("expected a key at byte 2", "{1:2}")
      rejects("expected a key at byte 8", '{"a":1,}')
      rejects("expected ':' at byte 6", '{"a" 1}')
      rejects("expected a value at byte 6", '{"a":}')
      rejects("expected ',' or '}' at byte 7", '{"a":1]')
      rejects("expected the end at byte 3", "1 2")
      rejects("expected the end at byte 2", "1\0")
      rejects("expected the end at byte 5", "true1")
      rejects("JSON text is a string, not a nil", nil)
      rejects("JSON text is a string, not a number", 5)
    end)

    it("rejects numbers that are no JSON or too large", function()
      rejects("expected a digit at byte 2", "-")
      rejects("expected a digit at byte 2", "-a")
      rejects("expected the end at byte 2", "01")
      rejects("expected a digit at byte 3", "1.")
      rejects("expected a digit at byte 3", "1e")
      rejects("expected a digit at byte 4", "1e+x")
      rejects("expected a value at byte 1", ".5")
      rejects("expected a value at byte 1", "+1")
      rejects("expected the end at byte 2", "0x10")
      rejects("expected a value at byte 1", "NaN")
      rejects("an integer past 64 bits at byte 2", "[9223372036854775808]")
      rejects("an integer past 64 bits at byte 1", "-9223372036854775809")
      rejects("an integer past 64 bits at byte 1", "18446744073709551616")
      rejects("an integer past 64 bits at byte 1", ("9"):rep(500))
      rejects("a number past the range of doubles at byte 2", "[1e309]")
      rejects("a number past the range of doubles at byte 1", "-1" .. ("0"):rep(400) .. ".0")
    end)

    it("rejects strings that are no JSON", function()
      rejects("a string without an end at byte 2", '["abc')
      rejects("a string without an end at byte 1", '"abc\\"')
      rejects("a control character in a string at byte 3", '"a\nb"')
      rejects("a control character in a string at byte 2", '"\0"')
      rejects("an unknown escape at byte 2", '"\\x41"')
      rejects("an unknown escape at byte 2", '"\\u00g0"')
      rejects("an unknown escape at byte 2", '"\\')
      rejects("an unknown escape at byte 2", '"\\\xff"')
      rejects("a lone surrogate at byte 2", '"\\ud800"')
      rejects("a lone surrogate at byte 2", '"\\udc00\\ud800"')
      rejects("a lone surrogate at byte 2", '"\\ud800\\u0041"')
      rejects("a lone surrogate at byte 2", '"\\ud800\\ud800"')
      rejects("a lone surrogate at byte 3", '"a\\ud83d')
    end)

    it("rejects a key given twice, also when it is spelled otherwise", function()
      rejects("a key for the second time at byte 8", '{"a":1,"a":2}')
      rejects("a key for the second time at byte 12", '{"a":false,"\\u0061":2}')
      rejects("a key for the second time at byte 11", '{"a":null,"a":null}')
    end)
  end)
end

describe("json.encode and json.decode", function()
  it("raise payload_invalid", function()
    local ok, err = pcall(json.encode, { x = print })
    assert.is_false(ok)
    assert.is_true(err:is("payload_invalid"))
    assert.equal("at .x: a function cannot be JSON", tostring(err))
    ok, err = pcall(json.decode, "[1")
    assert.is_false(ok)
    assert.is_true(err:is("payload_invalid"))
    assert.equal("expected ',' or ']' at byte 3", err.message)
  end)

  it("return the text and the value, false too", function()
    assert.equal("[1]", json.encode { 1 })
    assert.is_false(json.decode("false"))
    assert.equal(null, json.decode("null"))
  end)
end)

describe("json.same", function()
  it("goes by JSON values, not by how they are held", function()
    local function alike(a, b) return json.same(json.decode(a), json.decode(b)) end
    assert.is_true(alike('{"a":[5,null],"b":{}}', '{"b":{},"a":[5.0,null]}'))
    assert.is_false(alike("[]", "{}"))
    assert.is_false(alike('{"a":1}', '{"a":1,"b":2}'))
    assert.is_false(alike('{"a":1,"b":2}', '{"a":1}'))
    assert.is_false(alike("[1,2]", "[2,1]"))
    assert.is_false(alike("null", "{}"))
    assert.is_false(alike("1", '"1"'))
  end)
end)

describe("json.null", function()
  it("is a truthy value that no code can look into or change", function()
    assert.is_truthy(null)
    assert.equal("null", tostring(null))
    assert.has_error(function() return null.field end, "attempt to index null (field 'field')")
    assert.has_error(function() null.field = 1 end, "attempt to write to null")
    assert.has_error(function() setmetatable(null, nil) end)
    assert.is_false(json.is_array(null))
  end)
end)

describe("json.array", function()
  it("marks the table it is given and returns it", function()
    local t = {}
    assert.equal(t, array(t))
    assert.is_true(json.is_array(t))
    assert.is_true(json.is_array { 1 })
    assert.is_false(json.is_array {})
    assert.is_false(json.is_array { a = 1 })
    assert.is_false(json.is_array("[]"))
  end)

  it("takes only tables", function()
    assert.has_error(function() array(nil) end, "weir.array needs a table")
    assert.has_error(function() array(null) end, "weir.array needs a table")
  end)

  it("gives a mark that holds nothing", function()
    assert.has_error(function() getmetatable(array {}).__index = {} end)
  end)
end)

-- Random values. Texts come from a value too, spelled in another way, or are broken at random.

local random = math.random

local function any(list) return list[random(#list)] end

local PIECES = {
  "a", "order_id", " ", "\0", "\n", '"', "\\", "/", "\127", "é", "€", "😀", "\u{10FFFF}",
  ("long "):rep(30),
}

local function random_string()
  local parts = {}
  for i = 1, random(0, 4) do parts[i] = any(PIECES) end
  return table.concat(parts)
end

local LEAVES = {
  random_string,
  function() return null end,
  function() return random(2) == 1 end,
  function() return random(-1000, 1000) end,
  function() return random(0) end, -- all 64 bits
  function() return any { math.maxinteger, math.mininteger, 2 ^ 53, 2.0 ^ 63, 1e15, -0.0, 0.0 } end,
  function() return random(-1000000, 1000000) / 100 end,
  function() return random() end,
  function() -- any bits that are a finite double
    local value = string.unpack("d", string.pack("j", random(0)))
    return value - value == 0 and value or 0.5
  end,
}

local BAD_LEAVES = {
  function() return print end,
  function() return any { 0 / 0, math.huge, -math.huge } end,
  function() return random_string() .. any { "\xff", "\xe2\x82", "\xed\xa0\x80" } end,
  function() return { 1, nil, 3, [random(-2, 9)] = any { 1, print } } end,
  function() return { 1, a = 2 } end,
  function() return { [true] = 1, [1.5] = 2, [{}] = 3, [random_string()] = 4 } end,
  function() return { [random_string() .. "\xff"] = 1, [random_string()] = print } end,
  function() return array { x = 1 } end,
}

-- `bad`: one leaf in so many cannot be JSON; nil: none.
local function random_value(depth, bad)
  local kind = random(depth > 0 and 4 or 2)
  if kind <= 2 then
    if bad and random(bad) == 1 then return any(BAD_LEAVES)() end
    return any(LEAVES)()
  end
  local value = kind == 3 and array {} or {}
  for i = 1, random(0, random(50) == 1 and 40 or 4) do
    local key = kind == 3 and i or random_string() .. (random(2) == 1 and i or "")
    value[key] = random_value(depth - 1, bad)
  end
  return value
end

local function space() return any { "", "", "", " ", "\n", "\t\r " } end

local function spell_string(text)
  local parts = {}
  for _, code in utf8.codes(text) do
    local char = utf8.char(code)
    local must = code < 32 or char == '"' or char == "\\"
    if not must and random(4) > 1 then
      parts[#parts + 1] = char
    elseif code > 0xFFFF then
      parts[#parts + 1] = ("\\u%04x\\u%04X"):format(
        0xD800 + (code - 0x10000 >> 10), 0xDC00 + (code - 0x10000 & 0x3FF))
    else
      parts[#parts + 1] = ("\\u%04X"):format(code)
    end
  end
  return '"' .. table.concat(parts) .. '"'
end

-- JSON text of a value as another program might write it: other order, space, escapes, digits.
local function spell(value)
  if type(value) == "string" then return spell_string(value) end
  if math.type(value) == "float" then return any({ "%.17e", "%.17E" }):format(value) end
  if type(value) ~= "table" or value == null then return tostring(value) end
  local parts, is_array = {}, json.is_array(value)
  if is_array then
    for i, item in ipairs(value) do parts[i] = space() .. spell(item) .. space() end
  else
    for key, item in pairs(value) do
      local name = space() .. spell_string(key) .. space()
      table.insert(parts, random(#parts + 1), name .. ":" .. space() .. spell(item) .. space())
    end
  end
  local open, close = table.unpack(is_array and { "[", "]" } or { "{", "}" })
  return open .. (#parts == 0 and space() or table.concat(parts, ",")) .. close
end

local function broken(text)
  local at = random(#text + 1)
  local change = any {
    "", "", '"', "\\", "{", "]", ",", ":", "\0", "\n", "\xff", "\xc3", "1", "-", ".", "e9999",
    "null", "\\ud800", "99999999999999999999",
  }
  return text:sub(1, at - 1) .. change .. text:sub(at + random(0, 2))
end

describe("json, random:", function()
  local function times(count, test)
    math.randomseed(dice.seed)
    for i = 1, dice.times(count) do
      local ok, message = pcall(test)
      if not ok then error(("%s, generation %d: %s"):format(dice.repeats(dice.seed), i, message), 0) end
    end
  end

  -- The answer of every codec; all must agree.
  local function answer(verb, given)
    local result, message = json.pure[verb](given)
    if built then
      local native_result, native_message = native[verb](given)
      assert(same(result, native_result), "native gives another result")
      assert(message == native_message,
        ("pure: %s; native: %s"):format(message, native_message))
    end
    return result, message
  end

  it("values come back the same", function()
    times(1500, function()
      local value = random_value(4)
      local text = assert(answer("try_encode", value))
      assert(same(value, answer("try_decode", text)), text)
    end)
  end)

  it("texts come back canonical, however they were written", function()
    times(1500, function()
      local value = random_value(4)
      local read, message = answer("try_decode", space() .. spell(value) .. space())
      assert(read ~= nil, message)
      assert(answer("try_encode", read) == json.pure.try_encode(value))
    end)
  end)

  it("values that cannot be JSON are refused alike", function()
    times(1500, function()
      local value = random_value(4, 8)
      local text, message = answer("try_encode", value)
      assert(text or message:find("cannot be JSON$"))
    end)
  end)

  it("broken texts are rejected alike, and what is accepted stays", function()
    times(3000, function()
      local value, message = answer("try_decode", broken(spell(random_value(3))))
      if value == nil then
        assert(message:find(" at byte %d+$"))
      else
        assert(same(value, answer("try_decode", answer("try_encode", value))))
      end
    end)
  end)

  if not built then pending("the native codec is not built; `make spec` does") end
end)
