local redis = require "spec.support.redis"

describe("tag", function()
  local store = redis.store()

  it("takes the place of the tags that the run had", function()
    store:start("p", "w", { tags = '{"shop":"berlin"}' })
    store.a:claim(1)
    store.a:turn("p", { "tag", '{"lane":"2","shop":"berlin"}' }, redis.suspend)
    assert.equal('{"lane":"2","shop":"berlin"}', store:run("p").tags)
    assert.equal("waiting", store:state "p")
    local fields, list = {}, store:say("status", "p")[2]
    for i = 1, #list, 2 do fields[list[i]] = list[i + 1] end
    assert.equal('{"lane":"2","shop":"berlin"}', fields.tags)
  end)
end)
