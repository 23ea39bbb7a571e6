-- `weir stats`: how much there is, as a few lines.

local json = require "weir.json"
local output = require "weir.cli.output"
local stats = require "weir.client.stats"
local terminal = require "weir.view.terminal"

local stats_command = {}

local LABEL = 11 -- columns
local SHOWN = 16 -- of the name of a bundle

local function queue_lines(add, values, now)
  if #values.queues == 0 then add("queues", "nothing is ready") end
  for i, queue in ipairs(values.queues) do
    local waits = queue.next_created_at ~= json.null
      and (", the next of them created %s ago"):format(terminal.span(now - queue.next_created_at)) or ""
    add(i == 1 and "queues" or "", ("%s: %s ready%s%s"):format(terminal.plain(queue.queue),
      terminal.number(queue.ready), waits, queue.served and "" or ", served by no host"))
  end
  if values.unknown > 0 then add("unknown", terminal.count(values.unknown, "run") .. " of workflows no host knows") end
end

local function host_lines(add, values, now)
  if #values.hosts == 0 then add("hosts", "none") end
  for i, host in ipairs(values.hosts) do
    add(i == 1 and "hosts" or "", ("%s: %s, holding %s%s"):format(terminal.plain(host.node),
      terminal.count(host.workers, "worker"), terminal.count(host.held, "run"), host.alive and "" or ", gone"))
    for _, turn in ipairs(host.turns) do
      add("", ("worker %d in %s for %s"):format(turn.worker, terminal.plain(turn.run), terminal.span(now - turn.since)))
    end
    for _, refusal in ipairs(host.refused) do
      add("", ("%s still serves bundle %s:"):format(terminal.plain(refusal.folder), refusal.bundle:sub(1, SHOWN)))
      for _, fault in ipairs(refusal.faults) do add("", "  " .. terminal.plain(fault)) end
    end
  end
end

---@param values table of weir.client.stats
---@param now integer ms
---@return string[][] rows label and text
local function rows_of(values, now)
  local rows, runs = {}, values.runs
  local function add(label, text) rows[#rows + 1] = { label, text } end
  add("runs", ("%s started, %s failed, %s waiting or to start later"):format(terminal.count(runs.roots, "root"),
    terminal.number(runs.failed), terminal.number(runs.delayed)))
  add("retained", ("at most %s to expire, %s due now, %s being deleted"):format(
    terminal.count(runs.expiring, "ended run"), terminal.number(runs.due), terminal.count(runs.deleting, "tree")))
  add("workflows", terminal.number(values.workflows))
  queue_lines(add, values, now)
  host_lines(add, values, now)
  local memory = values.redis.memory_bytes
  add("redis", ("%s, durability %s%s, commit %d"):format(values.redis.version, values.redis.durability,
    memory ~= json.null and ", " .. terminal.size(memory) or "", values.commit))
  return rows
end

---@param as_json boolean
function stats_command.print(as_json)
  local values, now = stats.read()
  if as_json then return output.print(json.encode(values)) end
  local style = output.style()
  for _, row in ipairs(rows_of(values, now)) do
    output.print(terminal.paint(style, "dim", terminal.pad(row[1], LABEL)) .. row[2])
  end
end

return stats_command
