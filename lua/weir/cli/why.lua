-- `weir why`: one sentence of truth about what a run, or everything, is waiting for; since when; and
-- what would unblock it.

local deps = require "weir.cli.deps"
local graph = require "weir.view.graph_view"
local json = require "weir.json"
local output = require "weir.cli.output"
local record = require "weir.record.record"
local store = require "weir.client.redis"
local terminal = require "weir.view.terminal"

local why = {}

local DEEPEST = 64 -- runs below each other that one sentence goes through

local function span(at, now) return terminal.span(now - at) end
local function until_text(at, now) return at > now and "in " .. terminal.span(at - now) or "any moment" end

-- ------------------------------------------------------------------------------------------------
-- A run that nobody has begun

local function of_queue(glance, now)
  local hosts, waited = store.hosts(), span(glance.created_at, now)
  local unknown = glance.queue:match("^%?(.+)$")
  if unknown then
    return ('it has waited %s for a host that knows workflow "%s"; start one that does (weir serve DIR)'):format(
      waited, unknown)
  end
  if not store.any_alive(hosts, now) then
    return ("it has waited %s for a host: none is alive; start one (weir serve DIR)"):format(waited)
  end
  if not store.serves(hosts, now, glance.queue) then
    return ('it has waited %s in queue "%s", which no host serves; start one that does (weir serve --queues %s)')
      :format(waited, glance.queue, glance.queue)
  end
  local ahead, busy = glance.ahead or 0, ""
  local turn = store.turns()[1]
  if turn then
    busy = (" (worker %d of %s has been in %s for %s)"):format(turn.thread, turn.node, turn.run, span(turn.since, now))
  end
  return ('it has stood for %s in queue "%s" %s; a worker takes it as soon as one has room%s'):format(
    waited, glance.queue, ahead == 0 and "as the next" or "behind " .. terminal.count(ahead, "other run"), busy)
end

-- A worker as people know it.
local function worker_name(holder)
  local host, thread = holder:match "^(%d+)%.(%d+)$"
  for _, one in ipairs((store.hosts())) do
    if one.host == host then return ("%s of %s"):format(thread, one.node) end
  end
  return holder
end

-- ------------------------------------------------------------------------------------------------
-- A run that waits

local function arguments_of(operation)
  return operation.arguments and json.decode(operation.arguments) or {}
end

local function of_step(operation, now)
  local before = arguments_of(operation)
  if before.failures then
    return ('step "%s" (%s) failed %s and is tried again %s'):format(operation.id, operation.line,
      before.failures == 1 and "once" or before.failures .. " times",
      until_text(operation.started_at + before.pause_ms, now))
  end
  return ('step "%s" (%s) has run for %s'):format(operation.id, operation.line, span(operation.started_at, now))
end

local function of_sleep(operation, now)
  local given = arguments_of(operation)
  local at = given.until_ms or operation.started_at + (given.duration_ms or 0)
  return ('it has slept for %s ("%s" at %s) and goes on %s'):format(span(operation.started_at, now), operation.id,
    operation.line, until_text(at, now))
end

local sentence_of

-- `path`: the runs that wait for each other, from the one that was asked about down. Where runs are shared that may be
-- a circle.
local function of_child(operation, now, path)
  local given = arguments_of(operation)
  local limit = given.timeout_ms
    and (" (times out %s)"):format(until_text(operation.started_at + given.timeout_ms, now)) or ""
  return ('it has waited %s for its child %s (%s) at %s%s: %s'):format(span(operation.started_at, now), operation.run,
    operation.workflow, operation.line, limit, sentence_of(operation.run, path))
end

local function of_operation(operation, now, path)
  if operation.kind == "invoke" then return of_child(operation, now, path) end
  if operation.kind == "sleep" then return of_sleep(operation, now) end
  if operation.kind == "step" then return of_step(operation, now) end
  return ('it has waited %s for %s "%s" at %s'):format(span(operation.started_at, now), operation.kind, operation.id,
    operation.line)
end

local function of_graph(run, now, first, path)
  local counts = graph.counts(graph.view(run, now).nodes)
  local goes_on = counts.running or 0
  return ("%s of %s completed%s%s; it waits for %s%s: %s"):format(
    counts.completed and terminal.number(counts.completed) or "none",
    terminal.count(#run.graph.nodes, "node"),
    counts.failed and (", %s failed"):format(terminal.number(counts.failed)) or "",
    counts.pending and (", %s not started"):format(terminal.number(counts.pending)) or "", first.run,
    goes_on > 1 and (" and %s"):format(terminal.count(goes_on - 1, "other")) or "", sentence_of(first.run, path))
end

local function of_waiting(run, now, path)
  local open = {}
  for _, operation in ipairs(run.operations) do
    if operation.state == "running" then open[#open + 1] = operation end
  end
  local ending = ""
  if run.cleans then
    ending = ("it is to end (%s) and cleans up (weir cancel %s --now leaves that out): "):format(run.cancel.state,
      run.id)
  elseif run.cancel then
    ending = ("it is to end (%s), as soon as its children have: "):format(run.cancel.state)
  end
  if #open == 0 then
    return ending .. "it waits for children that it has timed out on, or that it has not awaited, to end"
  end
  if run.graph then return ending .. of_graph(run, now, open[1], path) end
  local among = #open > 1 and ("of %s, the first: "):format(terminal.count(#open, "open operation")) or ""
  return ending .. among .. of_operation(open[1], now, path)
end

-- ------------------------------------------------------------------------------------------------
-- Any run

local function message_of(text)
  local message = store.table_of(text).message
  return message ~= nil and tostring(message) or "nobody knows why"
end

local function of_running(glance, run, now)
  if not glance.expires or glance.expires <= now then
    return "the host that ran it is gone; another takes it over within 2s, if there is one"
  end
  for _, operation in ipairs(run.operations) do
    if operation.state == "running" and operation.kind == "step" then return of_step(operation, now) end
  end
  local last = run.started_at or run.created_at
  for _, operation in ipairs(run.operations) do
    last = math.max(last, operation.started_at or 0, operation.finished_at or 0)
  end
  return ("worker %s runs its Lua, and has recorded nothing for %s"):format(worker_name(glance.owner), span(last, now))
end

-- ------------------------------------------------------------------------------------------------
-- A node of a graph that is no run yet

local function of_pending(node, view, run)
  local obstacle, blocker = graph.obstacle(view, node)
  if record.ENDED[run.state] and not blocker then
    return ("it was not started before graph %s ended: that is %s"):format(run.id, run.state)
  end
  if not obstacle then return ("it is not started yet: graph %s starts it as soon as it has room"):format(run.id) end
  if not blocker then
    return ("it is not started: it depends on %s, which is %s (weir why %s)"):format(obstacle.run, obstacle.state,
      obstacle.run)
  end
  local because = blocker ~= obstacle and (" because %s"):format(blocker.run) or ""
  local verb = blocker.state == "cancelled" and "was cancelled" or "failed"
  return ("it is not started: it depends on %s, which %s%s%s: %s; weir retry %s goes on"):format(obstacle.run,
    blocker ~= obstacle and "is not started either" or verb, because, because ~= "" and " " .. verb or "",
    blocker.failed or "nobody knows why", blocker.run)
end

local function of_no_run(id)
  local node, view, run = deps.locate(id)
  if node and node.state == "pending" then return of_pending(node, view, run) end
  return deps.no_such_run(id, view)
end

---@param id string
---@param path string[] the runs above it in what is said
---@return string
function sentence_of(id, path)
  local found, now = store.glance { id }
  local glance = found[id]
  if not glance then return #path == 0 and of_no_run(id) or "there is no trace of it; see weir doctor" end
  if #path > DEEPEST then return "see weir why " .. id end
  for _, above in ipairs(path) do
    if above == id then return ("that is a circle, in which nothing can end; weir cancel %s"):format(id) end
  end
  local state = glance.state
  if record.ENDED[state] then
    local ended = ("%s ago"):format(terminal.span(now - glance.finished_at))
    if state == "completed" then return ("it completed %s and waits for nothing"):format(ended) end
    return ("it %s %s: %s"):format(state == "failed" and "failed" or "was cancelled", ended, message_of(glance.error))
  end
  local full = #path == 0 and store.full()
  if full then return full end
  if state == "scheduled" then
    return ("it was created %s ago and starts %s"):format(terminal.span(now - glance.created_at),
      until_text(glance.wake or now, now))
  end
  if state == "retrying" then
    return ("attempt %d failed (%s) and the next begins %s"):format(glance.attempt, message_of(glance.error),
      until_text(glance.wake or now, now))
  end
  if state == "ready" and not glance.started_at then return of_queue(glance, now) end
  if state == "ready" then
    if not glance.owner then return of_queue(glance, now) end
    return ("what it waited for has come; worker %s goes on with it as soon as it has room"):format(
      worker_name(glance.owner))
  end
  local run = store.run(id)
  if state == "running" then return of_running(glance, run, now) end
  return of_waiting(run, now, table.move(path, 1, #path, 1, { [#path + 1] = id }))
end

-- ------------------------------------------------------------------------------------------------
-- Everything

---Why nothing moves.
---@return string
function why.of_everything()
  local full = store.full()
  if full then return full end
  local hosts, now = store.hosts()
  local alive, held = 0, 0
  for _, host in ipairs(hosts) do
    if store.is_alive(host, now) then alive, held = alive + 1, held + host.held end
  end
  local ready, stuck = 0, nil
  for _, queue in ipairs(store.queues()) do
    ready = ready + queue.ready
    local unknown = queue.queue:match("^%?(.+)$")
    if queue.ready > 0 and unknown then
      stuck = stuck or ('%s waiting for a host that knows workflow "%s"; start one that does (weir serve DIR)'):format(
        terminal.count(queue.ready, "run") .. (queue.ready == 1 and " is" or " are"), unknown)
    elseif queue.ready > 0 and not store.serves(hosts, now, queue.queue) then
      stuck = stuck or ('%s in queue "%s", which no host serves (weir serve --queues %s)'):format(
        terminal.count(queue.ready, "run") .. (queue.ready == 1 and " stands" or " stand"), queue.queue, queue.queue)
    end
  end
  if alive == 0 then
    return ("nothing moves as no host is alive%s; start one: weir serve DIR"):format(
      ready > 0 and (", with %s ready"):format(terminal.count(ready, "run")) or "")
  end
  if stuck then return stuck end
  if ready > 0 then
    return ("things move: %s ready, and %s on it"):format(
      terminal.count(ready, "run"), terminal.count(alive, "host") .. (alive == 1 and " is" or " are"))
  end
  local due = store.due()
  if due then
    return ("nothing is ready; the next run wakes %s (weir list shows them)"):format(until_text(due, now))
  end
  if held > 0 then
    return ("nothing is ready; %s held by workers, running or waiting for each other (weir list shows them)"):format(
      terminal.count(held, "run") .. (held == 1 and " is" or " are"))
  end
  return "nothing is to be done: start a run with weir start WORKFLOW"
end

---@param id string?
---@param as_json boolean?
function why.print(id, as_json)
  local sentence = id and sentence_of(id, {}) or why.of_everything()
  if as_json then return output.print(json.encode { run = id or json.null, why = sentence }) end
  output.print(terminal.plain(id and id .. ": " .. sentence or sentence))
end

return why
