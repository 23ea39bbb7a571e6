local entry = require "weir.record.entry"
local scope = require "weir.base.scope"

describe("a scope", function()
  local eu = scope.branch(scope.ROOT, "race#1:eu")
  local west = scope.branch(scope.ROOT, "race#1:eu:west")
  local deep = scope.branch(eu, "all#1:a")
  local undo = scope.branch(scope.undo "race#1:eu:charge:7", "all#1:b")

  it("begins ids with the names of its branches", function()
    assert.equal("", scope.prefix(scope.ROOT))
    assert.equal("race#1:eu:all#1:a:", scope.prefix(deep))
    assert.equal("undo:race#1:eu:charge:7:all#1:b:", scope.prefix(undo))
  end)

  it("is within those around it, whatever other names begin with", function()
    assert.is_true(scope.is_within(deep, eu))
    assert.is_true(scope.is_within(eu, eu))
    assert.is_true(scope.is_within(eu, scope.ROOT))
    assert.is_false(scope.is_within(west, eu))
    assert.is_false(scope.is_within(eu, deep))
    local around = {}
    for outer in scope.around(deep) do around[#around + 1] = outer end
    assert.same({ eu, deep }, around)
  end)

  it("is covered by those around it, and every one by the root", function()
    assert.is_true(scope.within(eu)(deep))
    assert.is_false(scope.within(eu)(west))
    assert.is_true(scope.everywhere(deep))
    local covers = scope.within_any { [west] = true, [eu] = true }
    assert.same({ true, true, true, false, false },
      { covers(deep), covers(eu), covers(west), covers(undo), covers(scope.ROOT) })
  end)

  it("says what it undoes, if it does", function()
    assert.equal("race#1:eu:charge:7", scope.undone(undo))
    assert.is_nil(scope.undone(deep))
    assert.is_nil(scope.undone(scope.branch(scope.ROOT, "undo:x")))
  end)

  it("is made again of its names and of what it undoes", function()
    assert.same({ "race#1:eu", "all#1:a" }, scope.names(deep))
    assert.same({ "all#1:b" }, scope.names(undo))
    assert.same({}, scope.names(scope.ROOT))
    for _, inner in ipairs { scope.ROOT, eu, west, deep, undo } do
      assert.equal(inner, scope.of(scope.names(inner), scope.undone(inner)))
    end
  end)

  it("comes back from the entry of an operation, whatever the ids hold", function()
    for _, inner in ipairs { scope.ROOT, eu, west, deep, undo } do
      for _, name in ipairs { "s", "charge:7", "undo:s", ":" } do
        local id = scope.prefix(inner) .. name
        local text = "3\t1790000000000\t" .. entry.write("step", 2, 4, "w.lua:7", "", '{"a":1}', scope.marks(inner))
        local held = entry.read(text, id)
        assert.equal(inner, held.scope)
        assert.same({ 3, 2, 4, "w.lua:7", "", '{"a":1}' },
          { held.number, held.after, held.attempt, held.line, held.subject, held.arguments })
      end
    end
  end)
end)
