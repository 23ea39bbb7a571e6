local redis = require "spec.support.redis"
local rights = require "spec.support.rights"

describe("rights", function()
  local store = redis.store()

  it("names each right that the user lacks, unless no script runs without it", function()
    local blind = {}
    for _, right in ipairs(rights.needed(store.redis)) do
      store.redis:call("ACL", "SETUSER", redis.USER, (right:gsub("^%+", "-")))
      local ok, answer = pcall(store.say, store, "rights")
      store.redis:call("ACL", "SETUSER", redis.USER, right)
      if not ok then
        assert.truthy(answer:find "permissions" or answer:find "can't run" or answer:find "ACL failure", answer)
      elseif answer[2] ~= right:match("%w+"):upper() then
        blind[#blind + 1] = right
      end
      assert.is_nil(answer[3])
    end
    assert.same({ "+config|get" }, blind)
    assert.same({ "rights" }, store:say "rights")
  end)
end)
