-- The commands of weir on a table of answers in place of Redis. The stories test that Redis gives the same answers.

local clients = require "spec.support.clients"

local commands = { unload = clients.unload }

commands.FULL = "no run moves, as Redis is full: it uses 3.5 MiB, and its maxmemory is 2.0 MiB; redis-cli config set "
  .. "maxmemory BYTES, or weir delete runs that have ended (runs older than their retain go by themselves)"

---@class weir.spec.Side
---@field answers table<string, table|function> verb -> its reply, or a function that makes it
---@field client table what C gives the command line
---@field printed string[]
---@field said string[] on stderr

-- The functions that C gives the command line.
local function native(side)
  return {
    call = function(...)
      local replies = {}
      for i, group in ipairs { ... } do
        local answer = side.answers[group[1]]
        replies[i] = type(answer) == "function" and answer(table.unpack(group, 2)) or answer
          or { "error", "no answer to " .. group[1] }
      end
      return { "ok", 100000, 7, replies, {}, "" }
    end,
    write = function(descriptor, text)
      local into = descriptor == 1 and side.printed or side.said
      into[#into + 1] = text
    end,
    is_terminal = function() return false end,
    changed_folders = function() return {} end,
    width = function() return 80 end,
    height = function() return 24 end,
    now_ms = function() return 0 end,
    listen = function() end,
    message = function() return nil end,
    read = function() return '{"from":"file"}\n' end,
    ask = function() return nil end,
    pause = function() return false end,
    heed_interrupts = function() end,
  }
end

---Loads the commands anew, with one living host and nothing to do.
---@return weir.spec.Side
function commands.new()
  local side = { printed = {}, said = {}, answers = { rights = { "rights" },
    hosts = { "hosts", "1", "node", "101000", "2", 0, "*", "", "", "", "", "" },
    queues = { "queues" }, turns = { "turns" }, due = { "due", "" },
  } }
  side.client = native(side)
  clients.load(side.client)
  local cli = require "weir.cli"

  -- Runs a command. Returns its exit status, and all that was printed and said since `printed` and `said` were cleared.
  function side.run(command, ...)
    local options = { ... }
    local flags = type(options[#options]) == "table" and table.remove(options) or {}
    for name, value in pairs(flags) do options[name] = value end
    local status = cli.main(command, options)
    return status, table.concat(side.printed), table.concat(side.said)
  end

  -- Redis has no memory left, unless so many bytes of what it uses do not count.
  function side.full(beside)
    local memory = ("used_memory:%d\r\nmaxmemory:%d\r\nmem_not_counted_for_evict:%d\r\n"):format(
      3.5 * 2 ^ 20, 2 ^ 21, beside or 0)
    side.client.ask = function(word, section) return word == "INFO" and section == "memory" and memory or nil end
  end

  -- The reply of `inspect` for a run with these fields.
  function side.fields(extra)
    local list = { "run", "", "version", "workflow", "work", "data", "{}", "seed", "1", "created_at", "90000" }
    for field, value in pairs(extra) do list[#list + 1], list[#list + 2] = field, value end
    return list
  end

  return side
end

return commands
