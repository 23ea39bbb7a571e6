local suggest = require "weir.base.suggest"

describe("suggest.find", function()
  local names = { "validate-order", "process-order", "process-payment", "ship" }

  it("finds a mistyped name", function()
    assert.equal("process-order", suggest.find("proces-order", names))
    assert.equal("process-order", suggest.find("process_order", names))
    assert.equal("process-payment", suggest.find("process-paymnet", names))
    assert.equal("ship", suggest.find("shp", names))
    assert.equal("ship", suggest.find("hsip", names))
  end)

  it("does not count capitals", function()
    assert.equal("validate-order", suggest.find("Validate-Order", names))
  end)

  it("finds nothing where nothing is near", function()
    assert.is_nil(suggest.find("refund", names))
    assert.is_nil(suggest.find("ship", {}))
    assert.is_nil(suggest.find("", names))
    assert.is_nil(suggest.find("ab", { "xy" }))
  end)

  it("takes the first by bytes among equals, however they are listed", function()
    assert.equal("task-a", suggest.find("task-x", { "task-b", "task-a", "task-c" }))
    assert.equal("task-a", suggest.find("task-x", { "task-a", "task-c", "task-b" }))
  end)

  it("finds what plain edit distance finds", function()
    -- the whole table, without a band
    local function plain(a, b)
      local d = {}
      for i = 0, #a do
        d[i] = { [0] = i }
        for j = 1, #b do
          if i == 0 then
            d[0][j] = j
          else
            local same = a:byte(i) == b:byte(j)
            local cost = math.min(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (same and 0 or 1))
            if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
              cost = math.min(cost, d[i - 2][j - 2] + 1)
            end
            d[i][j] = cost
          end
        end
      end
      return d[#a][#b]
    end
    local made, state = { "" }, 1
    for n = 1, 120 do
      local letters = {}
      for i = 1, n % 9 do
        state = (state * 1103515245 + 12345) % 2147483648
        letters[i] = ("abc"):sub(state // 65536 % 3 + 1, state // 65536 % 3 + 1)
      end
      made[#made + 1] = table.concat(letters)
    end
    for _, name in ipairs(made) do
      local limit = math.max(1, #name // 3)
      for _, other in ipairs(made) do
        assert.equal(plain(name, other) <= limit and other or nil, suggest.find(name, { other }))
      end
    end
  end)

  it("compares no name that is longer than people write", function()
    local name = ("x"):rep(65)
    assert.is_nil(suggest.find(name, { name }))
    assert.is_nil(suggest.find(("x"):rep(1000000), { "x" }))
    assert.equal(("x"):rep(63), suggest.find(("x"):rep(64), { ("x"):rep(1000000), ("x"):rep(63) }))
  end)

  it("ends a search over very many with what it has found", function()
    local many = { ("a"):rep(63) .. "b" }
    for i = 2, 100000 do many[i] = ("z"):rep(60) .. "zzzz" end
    many[100001] = ("a"):rep(64)
    assert.equal(many[1], suggest.find(("a"):rep(64), many))
  end)
end)
