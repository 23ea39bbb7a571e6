local redis = require "spec.support.redis"

describe("sources", function()
  local store = redis.store { bare = true }

  it("brings the files of a bundle", function()
    local files = { ["w.lua"] = "return 1", ["lib/x.lua"] = ("x"):rep(100000) .. "\0\r\n" }
    local bundle = store:announce({ w = {} }, files)
    local answer = store:say("sources", bundle)
    local found = {}
    for i = 2, #answer, 2 do found[answer[i]] = answer[i + 1] end
    assert.equal("sources", answer[1])
    assert.same(files, found)
  end)

  it("is missing when no host announced it", function()
    assert.same({ "missing" }, store:say("sources", "0123456789abcdef"))
  end)
end)
