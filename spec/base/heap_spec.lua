local heap = require "weir.base.heap"

describe("a heap", function()
  it("gives the smallest key first", function()
    local made, given = heap.new(), {}
    for _, key in ipairs { 5, 3, 8, 1, 9, 2, 7 } do made:push(key, "v" .. key) end
    assert.same({ "v1", 1 }, { made:peek() })
    for i = 1, 7 do given[i] = made:pop() end
    assert.same({ "v1", "v2", "v3", "v5", "v7", "v8", "v9" }, given)
    assert.is_nil(made:peek())
  end)

  it("keeps the order of going in where keys are equal", function()
    local made, given = heap.new(), {}
    for i = 1, 50 do made:push(i % 2, i) end
    for i = 1, 50 do given[i] = made:pop() end
    for i = 1, 25 do assert.equal(2 * i, given[i]) end
    for i = 1, 25 do assert.equal(2 * i - 1, given[25 + i]) end
  end)

  it("agrees with a sorted list, whatever comes and goes", function()
    local made, listed, order = heap.new(), {}, 0
    math.randomseed(7)
    for _ = 1, 2000 do
      if #listed == 0 or math.random(3) > 1 then
        order = order + 1
        local key = math.random(40)
        made:push(key, order)
        table.insert(listed, { key, order })
        table.sort(listed, function(a, b)
          if a[1] ~= b[1] then return a[1] < b[1] end
          return a[2] < b[2]
        end)
      else
        local value, key = made:pop()
        assert.same(table.remove(listed, 1), { key, value })
      end
      assert.equal(#listed, made.size)
    end
  end)
end)
