local redis = require "spec.support.redis"

describe("progress", function()
  local store = redis.store()

  it("takes the place of what the run had said before", function()
    store:start("p", "w")
    store.a:claim(1)
    store.a:turn("p", { "progress", '{"done":1}' }, { "progress", '{"done":2}' }, redis.suspend)
    assert.equal('{"done":2}', store:run("p").progress)
    assert.equal("waiting", store:state "p")
    local fields, list = {}, store:say("status", "p")[2]
    for i = 1, #list, 2 do fields[list[i]] = list[i + 1] end
    assert.equal('{"done":2}', fields.progress)
  end)

  it("stays when the run has ended, and is no operation", function()
    store:start("p", "w")
    store.a:claim(1)
    store.a:turn("p", { "progress", '{"done":3}' }, { "complete", "1" })
    assert.equal('{"done":3}', store:run("p").progress)
    assert.equal("completed", store:state "p")
  end)
end)
