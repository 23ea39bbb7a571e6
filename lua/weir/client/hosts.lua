-- Which hosts are alive, and what they can run.

local hosts = {}

local LATE_MS = 3000 -- a host counts as alive for so long after its lease: a busy machine sends heartbeats late

---Whether a host is alive, as far as Redis can tell.
---@param host weir.HostEntry
---@param now integer
---@return boolean
function hosts.is_alive(host, now) return host.expires_at + LATE_MS > now end

---A word for how a host is, as far as Redis can tell.
---@param host weir.HostEntry
---@param now integer
---@return "serving"|"draining"|"late"|"gone" state late: its lease has ended, and its heartbeat may only be late
function hosts.state(host, now)
  if not hosts.is_alive(host, now) then return "gone" end
  if host.expires_at < now then return "late" end
  return host.drains and "draining" or "serving"
end

---@param list weir.HostEntry[]
---@param now integer
---@return boolean
function hosts.any_alive(list, now)
  for _, host in ipairs(list) do
    if hosts.is_alive(host, now) then return true end
  end
  return false
end

---@param host weir.HostEntry
---@param queue string
---@return boolean
local function serves(host, queue)
  for _, served in ipairs(host.queues) do
    if served == "*" or served == queue then return true end
  end
  return false
end

---Whether a host that is alive serves a queue.
---@param list weir.HostEntry[]
---@param now integer
---@param queue string
---@return boolean
function hosts.serve(list, now, queue)
  for _, host in ipairs(list) do
    if hosts.is_alive(host, now) and serves(host, queue) then return true end
  end
  return false
end

---The living host of a queue that accepts the smallest payloads: any of its hosts may get the run.
---@param list weir.HostEntry[]
---@param now integer
---@param queue string
---@return weir.HostEntry? host nil: no living host of the queue has announced a limit
function hosts.strictest(list, now, queue)
  local strictest
  for _, host in ipairs(list) do
    if host.max_payload and hosts.is_alive(host, now) and serves(host, queue)
      and (not strictest or host.max_payload < strictest.max_payload) then
      strictest = host
    end
  end
  return strictest
end

local SHOWN = 16 -- of the name of a bundle

---The folders of living hosts whose present files do not load.
---@param list weir.HostEntry[]
---@param now integer
---@param bundle? string only where this one still serves
---@return string[] sentences each "host one still serves bundle 9f2c: order.lua:12: …"
function hosts.refusals(list, now, bundle)
  local sentences = {}
  for _, host in ipairs(list) do
    for _, refusal in ipairs(hosts.is_alive(host, now) and host.refused or {}) do
      if not bundle or refusal.bundle == bundle then
        local more = #refusal.faults - 1
        sentences[#sentences + 1] = ("host %s still serves bundle %s: %s%s"):format(host.node,
          refusal.bundle:sub(1, SHOWN), refusal.faults[1], more > 0 and (" (and %d more)"):format(more) or "")
      end
    end
  end
  return sentences
end

return hosts
