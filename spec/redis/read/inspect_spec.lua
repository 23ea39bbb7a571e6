local redis = require "spec.support.redis"

describe("inspect", function()
  local store = redis.store()

  it("brings all fields of a run, values in place", function()
    local long = '"' .. ("x"):rep(100) .. '"'
    store:say("start", "r", "w", long, "7", "", 0)
    local answer = store:unchanged(function() return store:say("inspect", "r") end)
    local fields = {}
    for i = 4, #answer, 2 do fields[answer[i]] = answer[i + 1] end
    assert.same({ "run", "", "ready 0 0" }, { table.unpack(answer, 1, 3) })
    assert.same({
      state = "ready", workflow = "w", data = long, seed = "7", created_at = tostring(redis.BEGIN),
    }, fields)
  end)

  it("is missing when there is none", function()
    assert.same({ "missing" }, store:say("inspect", "none"))
  end)

  it("brings a bounded number of fields a call, whoever asks", function()
    for id in ("ab"):gmatch "." do
      store:start(id)
      store.a:claim(1)
      for i = 1, 3 do
        local group = {}
        for j = 1, 500 do group[j] = { "resolve", "s" .. i .. "-" .. j, "completed", 1, "1", "step" } end
        store.a:turn(id, table.unpack(group))
      end
    end
    local function fields_of(answer) return (#answer - 3) // 2 end
    local both = store.client:ask(0, { "inspect", "a" }, { "inspect", "b", "0" }, { "inspect", "b", "0" }).groups
    assert.is_true(fields_of(both[1]) >= 900)
    assert.is_true(fields_of(both[1]) + fields_of(both[2]) + fields_of(both[3]) <= 3200)
    assert.equal("0", both[3][2]) -- no room was left: it is asked again
    local fields = store:run "a"
    for number = 1, 1500 do assert.matches("^s%d%-%d+\tcompleted\t", fields[tostring(number)]) end
  end)

  it("brings a bounded number of bytes a call, and every value in the end", function()
    store:start "r"
    store.a:claim(1)
    local large = ("x"):rep(300000)
    for i = 1, 9 do store.a:turn("r", { "resolve", "s" .. i, "completed", 1, '"' .. i .. large .. '"', "step" }) end
    local answer = store:say("inspect", "r")
    assert.not_equal("", answer[2])
    assert.is_true(#table.concat(answer) < 2 * 1024 * 1024)
    local fields = store:run "r"
    for i = 1, 9 do
      assert.equal('"' .. i .. large .. '"', fields[tostring(i)]:match "([^\t]*)$")
      assert.matches("step$", fields["o:s" .. i])
    end
  end)
end)
