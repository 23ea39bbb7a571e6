-- Which effects go with one turn, and which with the next.

local effects = require "weir.replay.effects"

describe("effects", function()
  it("that are more than one turn should carry are told in parts, in order", function()
    local made = effects.new()
    for i = 1, 2000 do made:add("cancel", { child = "c" .. i, message = "why" }) end
    assert.is_true(made:overflows())
    local told = {}
    repeat
      local part, all = made:take()
      assert.equal(0, #part % 4)
      assert.is_true(#part <= 4 * 104) -- an effect weighs more than its arguments
      table.move(part, 1, #part, #told + 1, told)
    until all
    assert.equal(8000, #told)
    for i = 1, 2000 do assert.equal("c" .. i, told[4 * i - 2]) end
    assert.is_false(made:overflows())
    assert.same({}, (made:take()))
  end)

  it("of many bytes as well, and one that is too large alone goes alone", function()
    local made = effects.new()
    local large = ("x"):rep(1500000)
    for i = 1, 3 do
      made:add("resolve", { operation = "o" .. i, value = large })
    end
    assert.is_true(made:overflows())
    for i = 1, 3 do assert.equal("o" .. i, made:take()[2]) end
    made:add("resolve", { operation = "o4", value = large:rep(3) })
    assert.is_false(made:overflows())
    assert.equal("o4", made:take()[2])
  end)

  it("that are joined go together, also where one turn should carry no more", function()
    for before = 1, 6 do
      local made, parts = effects.new(), 0
      for i = 1, before do made:add("reset", { operation = "o" .. i }) end
      for i = 1, 300 do
        made:add("resolve", { operation = "c" .. i, state = "timeout" })
        made:join()
        made:add("cancel", { child = "c" .. i, message = "why" })
        made:separate()
      end
      local all
      repeat
        local part
        part, all = made:take()
        parts = parts + 1
        assert.equal("cancel", part[#part - 3])
        assert.is_true(#part <= 10 * 52)
      until all
      assert.is_true(parts >= 6)
    end
  end)

  it("that were told last can be taken back", function()
    local made = effects.new()
    made:add("reset", { operation = "a", mark = "drop" })
    made:add "reset_done"
    made:take_back "reset_done"
    made:add("reset", { operation = "b", mark = "drop" })
    assert.same({ "reset", "a", "drop", "reset", "b", "drop" }, (made:take()))
  end)

  -- A suspension or an end that is left over would be followed by what the next turn tells.
  it("leave room for how the run goes on", function()
    local made = effects.new()
    for i = 1, 104 do made:add("cancel", { child = "c" .. i, message = "why" }) end
    assert.is_false(made:overflows())
    made:close "suspend"
    local _, all = made:take()
    assert.is_true(all)
  end)

  it("are read again by the names of their arguments", function()
    local made = effects.new()
    local invoke = made:add("invoke", { operation = "a", child = "r/a", data = "{}", max_depth = 64, priority = 3,
      deps = "x\ty" })
    made:add("deps", { operation = "d", entry = "e", keys = { "k", "l" } })
    made:patch(invoke, "result", "7")
    made:speculate(5, 2000, invoke)
    made:close("suspend", { wake_in = 10 })
    local list, all = made:take()
    assert.is_true(all)
    local header, told = effects.read(list)
    assert.same({ number = 5, at = 2000, count = 1 }, header)
    local seen = {}
    for i, effect in ipairs(told) do
      for field, value in pairs(effect.fields) do
        if value == "" then effect.fields[field] = nil end
      end
      seen[i] = { effect.name, effect.fields }
    end
    assert.same({
      { "invoke", { operation = "a", child = "r/a", data = "{}", max_depth = 64, result = "7", priority = 3,
        deps = "x\ty" } },
      { "deps", { operation = "d", entry = "e", keys = { "k", "l" } } },
      { "suspend", { wake_in = 10 } },
    }, seen)
    assert.same({ nil, {} }, { effects.read((made:take())) })
  end)

  it("that were patched are weighed", function()
    local made = effects.new()
    local handles = {}
    for i = 1, 3 do handles[i] = made:add("invoke", { operation = "o" .. i }) end
    assert.is_false(made:overflows())
    for _, handle in ipairs(handles) do made:patch(handle, "result", ("x"):rep(1500000)) end
    assert.is_true(made:overflows())
    for i = 1, 3 do assert.equal("o" .. i, made:take()[2]) end
  end)
end)
