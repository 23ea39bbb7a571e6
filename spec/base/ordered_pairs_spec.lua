-- The same cases on the pure order and, where it is built, on the native one; then both on random
-- tables.

local dice = require "spec.support.dice"
local ordered_pairs = require "weir.base.ordered_pairs"

local implementations = { pure = ordered_pairs.pure }
local has_native, native = pcall(require, "weir.native.order")
if has_native then implementations.native = native end

local function walked(walk, t)
  local keys, values = {}, {}
  for key, value in walk(t) do
    keys[#keys + 1] = key
    values[#values + 1] = value
  end
  return keys, values
end

for name, subject in pairs(implementations) do
  describe("order, " .. name, function()
    local unordered = false
    subject.setup(function() return unordered end)
    after_each(function() unordered = false end)

    local function by_next(t) return subject.next, t end

    it("walks integers ascending, then strings by bytes", function()
      local t = { b = 1, a = 2, [10] = 3, [-1] = 4, [2] = 5, [1] = 6, B = 7, ["\xC3\xA9"] = 8,
                  ["a\0b"] = 9, ["a\0"] = 10, [""] = 11, [0] = 12 }
      local keys = { -1, 0, 1, 2, 10, "", "B", "a", "a\0", "a\0b", "b", "\xC3\xA9" }
      assert.same(keys, (walked(subject.pairs, t)))
      assert.same(keys, (walked(by_next, t)))
    end)

    it("walks lists and empty tables", function()
      assert.same({ { 1, 2, 3 }, { "x", "y", "z" } }, { walked(subject.pairs, { "x", "y", "z" }) })
      assert.same({ { 1, 2, 3 }, { "x", "y", "z" } }, { walked(by_next, { "x", "y", "z" }) })
      assert.same({}, (walked(subject.pairs, {})))
      assert.is_nil(subject.next({}))
    end)

    it("returns the table, as plain pairs does", function()
      for _, t in ipairs { { 1 }, { a = 1 }, {} } do
        local iterator, state, first = subject.pairs(t)
        assert.is_function(iterator)
        assert.equal(t, state)
        assert.is_nil(first)
      end
    end)

    it("passes over what the loop clears", function()
      for _, t in ipairs { { 1, 2, 3, 4 }, { a = 1, b = 2, c = 3, d = 4 } } do
        local seen = 0
        for key in subject.pairs(t) do
          seen = seen + 1
          t[key] = nil
          t[2], t.b = nil, nil
        end
        assert.equal(3, seen)
        assert.is_nil(next(t))
      end
    end)

    it("honours __pairs, which may yield", function()
      local t = setmetatable({}, { __pairs = function(self)
        coroutine.yield("asked")
        return function(_, key) return not key and "only" or nil, 1 end, self, nil, "dropped"
      end })
      local walk = coroutine.wrap(function()
        assert.equal(3, select("#", subject.pairs(t)))
        coroutine.yield("before the walk")
        return (walked(subject.pairs, t))
      end)
      assert.same({ "asked", "before the walk", "asked", { "only" } },
        { walk(), walk(), walk(), walk() })
    end)

    it("refuses keys without an order", function()
      for _, key in ipairs { true, 1.5, {}, print } do
        local type_name = math.type(key) or type(key)
        local t = { a = 1, [key] = 1 }
        local message = ("keys of type %s cannot be ordered; use integers or strings")
          :format(type_name)
        local ok, raised = pcall(function() subject.pairs(t) end)
        assert.is_false(ok)
        assert.matches("ordered_pairs_spec.lua:%d+: pairs: " .. message, raised)
        ok, raised = pcall(function() subject.next(t) end)
        assert.is_false(ok)
        assert.matches("ordered_pairs_spec.lua:%d+: next: " .. message, raised)
        assert.has_error(function() local _ = subject.next(t, key) end)
      end
    end)

    it("walks them in any order, last, where that is allowed", function()
      unordered = true
      local t = { "x", "y", z = 1, [true] = 2, [print] = 3, [1.5] = 4 }
      local keys = walked(by_next, t)
      assert.same({ 1, 2, "z" }, { keys[1], keys[2], keys[3] })
      assert.equal(6, #keys)
      assert.equal(6, #walked(subject.pairs, t))
      assert.equal(true, subject.next { [true] = 1 })
    end)

    it("goes on after a key that is gone", function()
      assert.same({ "c", 3 }, { subject.next({ a = 1, c = 3 }, "b") })
      assert.same({ 7, 1 }, { subject.next({ [7] = 1 }, 5) })
      assert.is_nil(subject.next({ 1 }, math.maxinteger))
    end)

    it("refuses what is no table", function()
      for _, value in ipairs { 1, "text", true } do
        assert.error_matches(function() subject.pairs(value) end, "table expected, got ")
        assert.error_matches(function() subject.next(value) end, "table expected, got ")
      end
      assert.error_matches(function() subject.pairs(nil) end, "table expected, got nil")
    end)
  end)
end

describe("order", function()
  it("is the same in both, on random tables", function()
    if not has_native then pending("native order not built") return end
    math.randomseed(dice.seed)
    for _ = 1, dice.times(2000) do
      local t = {}
      for _ = 1, math.random(0, 20) do
        local key = math.random(-5, 15)
        if math.random() < 0.5 then
          key = ""
          for _ = 1, math.random(0, 3) do key = key .. string.char(math.random(0, 255)) end
        end
        t[key] = math.random(9)
      end
      local note = dice.repeats(dice.seed)
      local expected = walked(ordered_pairs.pure.pairs, t)
      assert.same(expected, walked(native.pairs, t), note)
      assert.same(expected, walked(function() return native.next, t end, t), note)
      assert.same(expected, walked(function() return ordered_pairs.pure.next, t end, t), note)
    end
  end)
end)
