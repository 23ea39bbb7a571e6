-- The counts of a dataset (weir.client.stats) as lines for people: a label and a text each, and tables. Pure.

local json = require "weir.json"
local strings = require "weir.base.strings"
local terminal = require "weir.view.terminal"

local stats_view = {}

local SHOWN = 16 -- of the name of a bundle
local LABEL = 11 -- columns
local LINES = 10 -- of a table, unless all are asked for

local plain, number, count, span = terminal.plain, terminal.number, terminal.count, terminal.span

local function given(value) return value ~= nil and value ~= json.null end

---Runs a second: "0", "0.02", "3.4", "1,200".
---@param rate number
---@return string
function stats_view.rate(rate)
  if rate == 0 then return "0" end
  if rate < 1 then return ("%.2f"):format(rate) end
  return rate < 100 and ("%.1f"):format(rate) or number(math.floor(rate + 0.5))
end

local UNFINISHED = { "running", "ready", "waiting", "retrying", "scheduled" }
local ENDED = { "failed", "completed", "cancelled" }

local function counted(states, names)
  local words = {}
  for _, name in ipairs(names) do
    if states[name] > 0 then words[#words + 1] = ("%s %s"):format(number(states[name]), name) end
  end
  return table.concat(words, ", ")
end

---How many runs have not ended, by state.
---@param values table of weir.client.stats
---@return string
function stats_view.unfinished(values)
  local text = counted(values.states, UNFINISHED)
  return text == "" and "none" or text
end

---How many runs that ended are kept, by state.
---@param values table
---@return string
function stats_view.ended(values)
  local text = counted(values.states, ENDED)
  return text == "" and "none" or text
end

---@param values table
---@return string
function stats_view.rates(values)
  local rates = values.rates
  if not given(rates) then return "not known: no host was alive in the last minute" end
  local words = {}
  for _, name in ipairs { "started", "completed", "failed", "cancelled" } do
    if rates[name] > 0 or name ~= "cancelled" then
      words[#words + 1] = ("%s %s"):format(stats_view.rate(rates[name]), name)
    end
  end
  return ("%s a second, over %s"):format(table.concat(words, ", "), span(rates.over_ms))
end

---@param values table
---@return string? text nil: there is none
function stats_view.oldest(values)
  local oldest = values.oldest
  if not given(oldest) then return nil end
  return ("%s (%s), %s, created %s ago"):format(plain(oldest.run), plain(oldest.workflow), oldest.state,
    span(values.at - oldest.created_at))
end

---@param values table
---@return string
function stats_view.redis(values)
  local words = { values.redis.version, "durability " .. values.redis.durability }
  local memory, most = values.redis.memory_bytes, values.redis.max_memory_bytes
  if given(memory) then
    words[#words + 1] = terminal.size(memory) .. (given(most) and most > 0 and " of " .. terminal.size(most) or "")
  end
  local policy = values.redis.max_memory_policy
  if given(policy) and policy ~= "noeviction" then words[#words + 1] = "maxmemory-policy " .. policy end
  words[#words + 1] = "commit " .. values.commit
  return table.concat(words, ", ")
end

---@param queue table
---@param now integer
---@return string
local function queue_text(queue, now)
  local since = queue.next_ready_at
  local waits = given(since) and (", the next of them for %s"):format(span(now - since)) or ""
  return ("%s: %s ready%s%s"):format(plain(queue.queue), number(queue.ready), waits,
    queue.served and "" or ", served by no host")
end

---How a host is: "2 workers, holding 812 runs, 3 running".
---@param host table
---@param now integer
---@return string
local function host_text(host, now)
  local words = { count(host.workers, "worker"), "holding " .. count(host.held, "run") }
  if host.running > 0 then words[#words + 1] = number(host.running) .. " running" end
  if #host.queues > 0 and host.queues[1] ~= "*" then words[#words + 1] = "queues " .. table.concat(host.queues, " ") end
  if host.bundles[1] then words[#words + 1] = "bundle " .. host.bundles[1]:sub(1, SHOWN) end
  if #host.bundles > 1 then words[#words] = ("%s and %d more"):format(words[#words], #host.bundles - 1) end
  if given(host.renewed_at) then words[#words + 1] = "heartbeat " .. span(now - host.renewed_at) .. " ago" end
  if host.state ~= "serving" then words[#words + 1] = host.state end
  return plain(table.concat(words, ", "))
end

---What a host is busy with, or does not load: lines below it.
---@param host table
---@param now integer
---@return string[]
function stats_view.host_notes(host, now)
  local lines = {}
  for _, turn in ipairs(host.turns) do
    lines[#lines + 1] = ("worker %d in %s for %s"):format(turn.worker, plain(turn.run), span(now - turn.since))
  end
  for _, refusal in ipairs(host.refused) do
    lines[#lines + 1] = ("%s still serves bundle %s:"):format(plain(refusal.folder), refusal.bundle:sub(1, SHOWN))
    for _, fault in ipairs(refusal.faults) do lines[#lines + 1] = "  " .. plain(fault) end
  end
  return lines
end

---The rows of a table of the workflows that have unfinished or failed runs, under their heads.
---@param values table
---@param all boolean? also of those that have others
---@return string[][]
function stats_view.workflow_rows(values, all)
  local rows = { { "WORKFLOW", "RUNNING", "READY", "WAITING", "RETRYING", "SCHEDULED", "FAILED" } }
  for _, one in ipairs(values.by_workflow) do
    local row = { plain(one.workflow) }
    for at, state in ipairs { "running", "ready", "waiting", "retrying", "scheduled", "failed" } do
      row[at + 1] = one[state] > 0 and number(one[state]) or "-"
    end
    if all or one.unfinished > 0 or one.failed > 0 then rows[#rows + 1] = row end
  end
  return rows
end

---The rows of a table of the queues, under their heads.
---@param values table
---@return string[][]
function stats_view.queue_rows(values)
  local rows = { { "QUEUE", "READY", "WAITS", "NEXT", "" } }
  for _, queue in ipairs(values.queues) do
    rows[#rows + 1] = {
      plain(queue.queue), number(queue.ready),
      given(queue.next_ready_at) and span(values.at - queue.next_ready_at) or "-",
      given(queue.next_run) and plain(queue.next_run) or "-", queue.served and "" or "served by no host",
    }
  end
  if values.unknown > 0 then
    rows[#rows + 1] = { "?", number(values.unknown), "-", "-", "of workflows that no host knows" }
  end
  return rows
end

---The rows of a table of the hosts, under their heads.
---@param values table
---@return string[][]
function stats_view.host_rows(values)
  local rows = { { "HOST", "STATE", "WORKERS", "RUNNING", "HOLDS", "HEARTBEAT", "BUNDLE", "QUEUES" } }
  for _, host in ipairs(values.hosts) do
    rows[#rows + 1] = {
      plain(host.node), host.state, number(host.workers), number(host.running), number(host.held),
      given(host.renewed_at) and span(values.at - host.renewed_at) or "-", (host.bundles[1] or "-"):sub(1, SHOWN),
      plain(table.concat(host.queues, " ")),
    }
  end
  return rows
end

local function add_workflows(add, style, values)
  add("workflows", number(values.workflows))
  local rows = stats_view.workflow_rows(values)
  local left = #rows - 1 - LINES
  if #rows == 1 then return end
  for i = #rows, LINES + 2, -1 do rows[i] = nil end
  for _, row in ipairs(terminal.columns(rows, style.columns - 1 - LABEL, 1)) do
    add("", strings.trim_end(table.concat(row, "  ")))
  end
  if left > 0 then add("", ("… and %s more"):format(number(left))) end
end

local function add_queues(add, values)
  if #values.queues == 0 then add("queues", "no run is ready") end
  for i, queue in ipairs(values.queues) do add(i == 1 and "queues" or "", queue_text(queue, values.at)) end
  if values.unknown > 0 then add("unknown", count(values.unknown, "run") .. " of workflows no host knows") end
end

local function add_hosts(add, values)
  if #values.hosts == 0 then add("hosts", "none") end
  for i, host in ipairs(values.hosts) do
    add(i == 1 and "hosts" or "", ("%s: %s"):format(plain(host.node), host_text(host, values.at)))
    for _, line in ipairs(stats_view.host_notes(host, values.at)) do add("", line) end
  end
end

local function add_bundles(add, values)
  for i, bundle in ipairs(values.bundles) do
    if i > LINES then return add("", ("… and %s more: weir bundles"):format(number(#values.bundles - LINES))) end
    add(i == 1 and "bundles" or "", ("%s: %s, %s"):format(bundle.bundle:sub(1, SHOWN),
      count(bundle.workflows, "workflow"), count(bundle.attempts, "attempt")))
  end
end

---All of it, as lines.
---@param values table
---@param style weir.Style
---@param clipped boolean? no line is wider than the terminal
---@return string[]
function stats_view.lines(values, style, clipped)
  local lines, runs = {}, values.runs
  local function add(label, text)
    if clipped then text = terminal.clip(text, style.columns - 1 - LABEL) end
    lines[#lines + 1] = terminal.paint(style, "dim", terminal.pad(label, LABEL)) .. text
  end
  add("runs", stats_view.unfinished(values))
  add("ended", stats_view.ended(values) .. (values.sampled and " (estimates, from a sample)" or ""))
  add("roots", ("%s started, %s failed, %s waiting or to start later"):format(count(runs.roots, "root"),
    number(runs.failed), number(runs.delayed)))
  add("retained", ("at most %s to expire, %s due now, %s being deleted"):format(
    count(runs.expiring, "ended run"), number(runs.due), count(runs.deleting, "tree")))
  add("rates", stats_view.rates(values))
  local oldest = stats_view.oldest(values)
  if oldest then add("oldest", oldest) end
  add_workflows(add, style, values)
  add_queues(add, values)
  add_hosts(add, values)
  add_bundles(add, values)
  add("redis", stats_view.redis(values))
  return lines
end

return stats_view
