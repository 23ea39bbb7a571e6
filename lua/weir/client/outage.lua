-- Whether Redis refuses writes because it has no memory or no disk left.

local redis = require "weir.client.redis"
local terminal = require "weir.view.terminal"

local outage = {}

-- Redis refuses writes after it could not write its append-only file.
local function full_disk()
  local persistence = redis.info "persistence"
  if persistence.aof_enabled == "1" and persistence.aof_last_write_status == "err" then
    return "no run moves, as Redis cannot write its append-only file: look for a full disk"
  end
end

---Says that Redis has no memory or no disk left; nil when it has. Until then nothing can be recorded, and no host can
---renew its lease.
---@return string?
function outage.sentence()
  local memory = redis.info "memory"
  local most, used = tonumber(memory.maxmemory) or 0, tonumber(memory.used_memory) or 0
  if most == 0 or used - (tonumber(memory.mem_not_counted_for_evict) or 0) <= most then return full_disk() end
  return ("no run moves, as Redis is full: it uses %s, and its maxmemory is %s; redis-cli config set maxmemory BYTES, "
    .. "or weir delete runs that have ended (runs older than their retain go by themselves)"):format(
    terminal.size(math.tointeger(used)), terminal.size(math.tointeger(most)))
end

return outage
