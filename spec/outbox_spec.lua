-- What goes with one turn, and what with the next.

local outbox = require "weir.replay.effects"

describe("effects", function()
  it("that are more than one turn should carry are told in parts, in order", function()
    local made = outbox.new()
    for i = 1, 2000 do made:tell("cancel", "c" .. i, "why") end
    assert.is_true(made:overflows())
    local told = {}
    repeat
      local part, all = made:take()
      assert.equal(0, #part % 3)
      assert.is_true(#part <= 3 * 113) -- an effect weighs more than its arguments
      table.move(part, 1, #part, #told + 1, told)
    until all
    assert.equal(6000, #told)
    for i = 1, 2000 do assert.equal("c" .. i, told[3 * i - 1]) end
    assert.is_false(made:overflows())
    assert.same({}, (made:take()))
  end)

  it("of many bytes as well, and one that is too large alone goes alone", function()
    local made = outbox.new()
    local large = ("x"):rep(1500000)
    for i = 1, 3 do
      made:tell("record", "o" .. i, large)
      made:weigh(#large)
    end
    assert.is_true(made:overflows())
    for i = 1, 3 do assert.equal("o" .. i, made:take()[2]) end
    made:tell("record", "o4", large:rep(3))
    assert.is_false(made:overflows())
    assert.equal("o4", made:take()[2])
  end)

  it("that are joined go together, also where one turn should carry no more", function()
    for before = 1, 6 do
      local made, parts = outbox.new(), 0
      for i = 1, before do made:tell("forget", "o" .. i, "") end
      for i = 1, 300 do
        made:tell("resolve", "c" .. i, "timeout")
        made:join()
        made:tell("cancel", "c" .. i, "why")
        made:separate()
      end
      local all
      repeat
        local part
        part, all = made:take()
        parts = parts + 1
        assert.equal("cancel", part[#part - 2])
        assert.is_true(#part <= 3 * 114)
      until all
      assert.is_true(parts >= 6)
    end
  end)

  it("that were told last can be taken back", function()
    local made = outbox.new()
    made:tell("forget", "a", "")
    made:tell "afresh"
    made:take_back "afresh"
    made:tell("forget", "b", "")
    assert.same({ "forget", "a", "", "forget", "b", "" }, (made:take()))
  end)

  -- A suspension or an end that is left over would be followed by what the next turn tells.
  it("leave room for how the run goes on", function()
    local made = outbox.new()
    for i = 1, 113 do made:tell("cancel", "c" .. i, "why") end
    assert.is_false(made:overflows())
    made:close("suspend", "", "")
    local _, all = made:take()
    assert.is_true(all)
  end)
end)
