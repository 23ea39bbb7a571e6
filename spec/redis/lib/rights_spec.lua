-- A user of Redis who lacks a right: Redis takes nothing back of a script that it stops, so nothing may be written
-- before.

local redis = require "spec.support.redis"
local rights = require "spec.support.rights"

describe("a user who lacks a right", function()
  local store = redis.store()

  local function set(rule)
    assert.equal("OK", store.redis:call("ACL", "SETUSER", redis.USER, rule))
  end

  -- The commands that the scripts write with, as they stand there.
  local function written()
    local listing <close> = assert(io.popen [[grep -rhoE '"[A-Z]{3,}"' redis-scripts]])
    local listed, writes, found = store.redis:call("COMMAND", "LIST", "FILTERBY", "ACLCAT", "write"), {}, {}
    for _, command in ipairs(listed) do writes[command] = true end
    for word in listing:lines() do
      local command = word:match("%u+"):lower()
      if writes[command] then found[command] = true end
    end
    return found
  end

  -- All that there is, but for the clock of the specs.
  local function contents()
    local keys, dumps = store.redis:call("KEYS", "*"), {}
    for _, key in ipairs(keys) do dumps[key] = store.redis:call("DUMP", key) end
    return dumps
  end

  it("to what the scripts write with has written nothing", function()
    store:start "p"
    store.a:claim(1)
    local turn = store.a:turn_of("p", redis.invoke { operation = "c", child = "p/c" }, redis.suspend)
    local commands = written()
    assert.is_true(commands.zadd and commands.publish == nil)
    for _, command in ipairs { "publish", "hget", "hmget" } do commands[command] = true end
    local before = contents()
    for command in pairs(commands) do
      set("-" .. command)
      local ok, message = pcall(store.a.ask, store.a, 5, turn)
      set("+" .. command)
      assert.is_false(ok, command)
      message = message:gsub("^ERR The user executing the", "NOPERM"):gsub("^ERR ACL failure in", "NOPERM")
      assert.matches("^NOPERM", message, nil, nil, command)
      assert.same(before, contents(), command)
    end
    assert.same({ "cold p/c" }, store.a:claim(5, turn))
    assert.same({}, store:faults())
  end)

  it("is not asked for a command that no script uses", function()
    local used = {}
    local listing <close> = assert(io.popen [[grep -rhoE '"[A-Z]{3,}"' redis-scripts --exclude=rights.lua]])
    for word in listing:lines() do used[word] = true end
    local text = assert(io.open "redis-scripts/lib/rights.lua"):read "a"
    for word in text:gmatch '"%u%u%u+"' do assert.is_true(used[word], word) end
  end)

  -- Redis 8 refuses to check a command that has too few arguments, or too many.
  it("is found by checks that every Redis takes", function()
    local text = assert(assert(io.open "redis-scripts/lib/rights.lua"):read "a":match "local USED = (%b{})")
    local used = load("return " .. text)()
    local commands = 0
    for count = 0, #used do
      for _, command in ipairs(used[count]) do
        local about = store.redis:call("COMMAND", "INFO", command)[1]
        local arity, given = about[2], count + 2 -- the command and its key
        assert.is_true(arity == given or arity < 0 and given >= -arity, command)
        commands = commands + 1
      end
    end
    assert.is_true(commands > 15)
  end)

  it("to look who waits has written nothing, where a run expires as it is claimed", function()
    store:announce { w = {}, timed = { timeout_ms = 100 } }
    store:start "q"
    store.a:claim(1)
    store:say("start", "s", "timed", "{}", "7", "", 2, "dedupe", "k", "within_ms", 1000)
    store.a:turn("q", redis.invoke {
      operation = "c", child = "q/c", workflow = "timed", options = { dedupe = "k", within_ms = 1000 },
    }, redis.suspend)
    store:pass(200)
    local before = contents()
    set "-srandmember"
    local ok = pcall(store.a.ask, store.a, 5)
    set "+srandmember"
    assert.is_false(ok)
    assert.same(before, contents())
    assert.same({ "warm q 1:c=failed" }, store.a:claim(5))
    assert.equal("failed", store:state "s")
    assert.same({}, store:faults())
  end)
end)

-- All script specs run as a user who has no more rights than the manual grants.
describe("the rights of the manual", function()
  local store = redis.store()

  it("are those to the commands that weir uses", function()
    local needed = rights.needed(store.redis)
    assert.is_true(#needed > 40)
    assert.equal(table.concat(needed, " "), table.concat(rights.documented(), " "))
    assert.equal(table.concat(needed, " "), table.concat(rights.told(), " "))
  end)
end)
