-- Explains in one sentence why a run does not move, or why no run does: for what it waits, since when, and how the wait
-- can end.

local dependencies = require "weir.client.dependencies"
local graph_view = require "weir.view.graph_view"
local hosts = require "weir.client.hosts"
local json = require "weir.json"
local kinds = require "weir.record.kinds"
local outage = require "weir.client.outage"
local progress_text = require "weir.view.progress_text"
local record = require "weir.record.record"
local redis = require "weir.client.redis"
local terminal = require "weir.view.terminal"

local why = {}

local MOST_GROUPS = 3 -- that one sentence counts
local DEEPEST = 64 -- levels of children that one sentence follows

local function span(at, now) return terminal.span(now - at) end
local function until_text(at, now) return at > now and "in " .. terminal.span(at - now) or "any moment" end

-- ------------------------------------------------------------------------------------------------
-- A run that no worker has begun

-- The newer files of a workflow that a host does not load. For a workflow that no host has announced, all such files.
local function newer_code(workflow)
  local list, now = redis.hosts()
  local refusals = hosts.refusals(list, now)
  if #refusals == 0 then return "" end
  local entry = redis.registry()[workflow]
  if entry then refusals = hosts.refusals(list, now, entry.bundle) end
  return #refusals > 0 and "; " .. table.concat(refusals, "; ") or ""
end

local function of_queue(run, now)
  local list, waited = redis.hosts(), span(run.created_at, now)
  local unknown = run.queue:match("^%?(.+)$")
  if unknown and run.attempt > 1 then
    return ('no host has its workflow "%s" any more; save its file again in the folder of a host, or end the run with '
      .. "weir cancel %s"):format(unknown, run.id)
  end
  if unknown then
    return ('it has waited %s for a host that knows workflow "%s"; start one that does (weir serve DIR)'):format(
      waited, unknown)
  end
  if not hosts.any_alive(list, now) then
    return ("it has waited %s for a host: none is alive; start one (weir serve DIR)"):format(waited)
  end
  if not hosts.serve(list, now, run.queue) then
    return ('it has waited %s in queue "%s", which no host serves; start one that does (weir serve --queues %s)')
      :format(waited, run.queue, run.queue)
  end
  local ahead, busy = run.ahead or 0, ""
  local turn = redis.turns()[1]
  if turn then
    busy = (" (worker %d of %s has been in %s for %s)"):format(turn.thread, turn.node, turn.run, span(turn.since, now))
  end
  return ('it has waited %s in queue "%s" %s; the next free worker takes it%s'):format(
    waited, run.queue, ahead == 0 and "as the next" or "behind " .. terminal.count(ahead, "other run"), busy)
end

-- The worker by its number and the name of its host.
local function worker_name(owner)
  local host, thread = owner:match "^(%d+)%.(%d+)$"
  for _, entry in ipairs((redis.hosts())) do
    if entry.host == host then return ("%s of %s"):format(thread, entry.node) end
  end
  return owner
end

-- ------------------------------------------------------------------------------------------------
-- A run that waits

local function arguments_of(operation)
  return operation.arguments and json.decode(operation.arguments) or {}
end

local function of_step(operation, now)
  local last_try = arguments_of(operation)
  if last_try.failures then
    return ('step "%s" (%s) failed %s and is tried again %s'):format(operation.id, operation.line,
      last_try.failures == 1 and "once" or last_try.failures .. " times",
      until_text(operation.started_at + last_try.pause_ms, now))
  end
  return ('step "%s" (%s) has run for %s'):format(operation.id, operation.line, span(operation.started_at, now))
end

local function of_sleep(operation, now)
  local arguments = arguments_of(operation)
  local at = arguments.until_ms or operation.started_at + (arguments.duration_ms or 0)
  return ('it has slept for %s ("%s" at %s) and goes on %s'):format(span(operation.started_at, now), operation.id,
    operation.line, until_text(at, now))
end

local sentence_of

-- `path` lists the runs from the explained one down to this one. It shows deadlocks: runs that share a dedupe key may
-- wait for each other.
local function of_child(operation, now, path)
  local timeout_ms = arguments_of(operation).timeout_ms
  local limit = timeout_ms and (" (times out %s)"):format(until_text(operation.started_at + timeout_ms, now)) or ""
  return ('it has waited %s for its child %s (%s) at %s%s: %s'):format(span(operation.started_at, now), operation.run,
    operation.workflow, operation.line, limit, sentence_of(operation.run, path))
end

local function of_poll(operation, now)
  local last_call = arguments_of(operation)
  if not last_call.calls then
    return ('poll "%s" (%s) has run for %s'):format(operation.id, operation.line, span(operation.started_at, now))
  end
  local times = last_call.calls == 1 and "once" or terminal.number(last_call.calls) .. " times"
  local failed = last_call.failures > 0 and " and failed after that" or ""
  local limit = last_call.until_ms and (" (times out %s)"):format(until_text(last_call.until_ms, now)) or ""
  return ('poll "%s" (%s) was asked %s%s, and is asked again %s%s'):format(operation.id, operation.line, times, failed,
    until_text(operation.started_at + last_call.pause_ms, now), limit)
end

local SENTENCES = { invoke = of_child, poll = of_poll, sleep = of_sleep, step = of_step }

local function of_operation(operation, now, path)
  local sentence = SENTENCES[operation.kind]
  if sentence then return sentence(operation, now, path) end
  return ('it has waited %s for %s "%s" at %s'):format(span(operation.started_at, now), operation.kind, operation.id,
    operation.line)
end

local function of_graph(run, now, first, path)
  local counts = graph_view.counts(graph_view.view(run, now).nodes)
  local goes_on = counts.running or 0
  return ("%s of %s completed%s%s; it waits for %s%s: %s"):format(
    counts.completed and terminal.number(counts.completed) or "none",
    terminal.count(#run.graph.nodes, "node"),
    counts.failed and (", %s failed"):format(terminal.number(counts.failed)) or "",
    counts.pending and (", %s not started"):format(terminal.number(counts.pending)) or "", first.run,
    goes_on > 1 and (" and %s"):format(terminal.count(goes_on - 1, "other")) or "", sentence_of(first.run, path))
end

-- The counts of the branches that it waits for.
local function of_branches(run)
  local words = {}
  for _, group in ipairs(run.progress and run.progress.groups or {}) do
    if group.state == "running" and #words < MOST_GROUPS then
      words[#words + 1] = ('ctx:%s "%s" is at %s'):format(group.verb, group.id, progress_text.group(group))
    end
  end
  return words[1] and table.concat(words, ", ") .. "; " or ""
end

local function of_waiting(run, now, path)
  local open = {}
  for _, operation in ipairs(run.operations) do
    if operation.state == "running" then open[#open + 1] = operation end
  end
  local ending = ""
  if run.cleans then
    ending = ("it is to end (%s) and cleans up (weir cancel %s --now ends it without): "):format(run.cancel.state,
      run.id)
  elseif run.cancel then
    ending = ("it is to end (%s), when its children have ended: "):format(run.cancel.state)
  end
  if #open == 0 then
    return ending .. "it waits until its children have ended: those that timed out, and those that it did not await"
  end
  if run.graph then return ending .. of_graph(run, now, open[1], path) end
  ending = ending .. of_branches(run)
  local among = #open > 1 and ("of %s, the first: "):format(terminal.count(#open, "open operation")) or ""
  return ending .. among .. of_operation(open[1], now, path)
end

-- ------------------------------------------------------------------------------------------------
-- Any run

local function message_of(text)
  local message = redis.table_of(text).message
  return message ~= nil and tostring(message) or "no error was recorded"
end

local function of_running(status, run, now)
  if not status.expires or status.expires <= now then
    return "the host that ran it is dead; another host takes it over within 2s, if one is alive"
  end
  for _, operation in ipairs(run.operations) do
    if operation.state == "running" and kinds[operation.kind].runs_on_worker then
      return SENTENCES[operation.kind](operation, now)
    end
  end
  local last = run.started_at or run.created_at
  for _, operation in ipairs(run.operations) do
    last = math.max(last, operation.started_at or 0, operation.finished_at or 0)
  end
  return ("worker %s executes its Lua and has recorded nothing for %s"):format(worker_name(status.owner),
    span(last, now))
end

-- ------------------------------------------------------------------------------------------------
-- A node of a graph that is no run yet

local function of_pending(node, view, run)
  local obstacle, blocker = graph_view.obstacle(view, node)
  if record.ENDED[run.state] and not blocker then
    return ("graph %s ended before it was started, and is %s"):format(run.id, run.state)
  end
  if not obstacle then
    return ("it is not started yet: graph %s starts it when its concurrency allows"):format(run.id)
  end
  if not blocker then
    return ("it is not started: it depends on %s, which is %s (weir why %s)"):format(obstacle.run, obstacle.state,
      obstacle.run)
  end
  local because = blocker ~= obstacle and (" because %s"):format(blocker.run) or ""
  local verb = blocker.state == "cancelled" and "was cancelled" or "failed"
  return ("it is not started: it depends on %s, which %s%s%s: %s; weir retry %s goes on"):format(obstacle.run,
    blocker ~= obstacle and "is not started either" or verb, because, because ~= "" and " " .. verb or "",
    blocker.failed or "no error was recorded", blocker.run)
end

local function of_no_run(id)
  local node, view, run = dependencies.locate(id)
  if node and node.state == "pending" then return of_pending(node, view, run) end
  return dependencies.raise_not_found(id, view)
end

---@param id string
---@param path string[] the runs above it in the sentence
---@return string
function sentence_of(id, path)
  local runs, now = redis.status { id }
  local status = runs[id]
  if not status then return #path == 0 and of_no_run(id) or "there is no such run; see weir doctor" end
  if #path > DEEPEST then return "see weir why " .. id end
  for _, above in ipairs(path) do
    if above == id then return ("these runs wait for each other (a deadlock); weir cancel %s"):format(id) end
  end
  local state = status.state
  if record.ENDED[state] then
    local ended = ("%s ago"):format(terminal.span(now - status.finished_at))
    if state == "completed" then return ("it completed %s and waits for nothing"):format(ended) end
    return ("it %s %s: %s"):format(state == "failed" and "failed" or "was cancelled", ended, message_of(status.error))
  end
  local full = #path == 0 and outage.sentence()
  if full then return full end
  if state == "scheduled" then
    return ("it was created %s ago and starts %s"):format(terminal.span(now - status.created_at),
      until_text(status.wake or now, now))
  end
  if state == "retrying" then
    return ("attempt %d failed (%s) and the next begins %s"):format(status.attempt, message_of(status.error),
      until_text(status.wake or now, now))
  end
  if state == "ready" and not status.started_at then return of_queue(status, now) end
  if state == "ready" then
    if not status.owner then return of_queue(status, now) end
    return ("an outcome has come; worker %s continues it when it is free"):format(
      worker_name(status.owner))
  end
  local run = redis.run(id)
  if state == "running" then return of_running(status, run, now) end
  return of_waiting(run, now, table.move(path, 1, #path, 1, { [#path + 1] = id }))
end

-- ------------------------------------------------------------------------------------------------
-- Everything

-- Says that no living host can take the runs of a queue: their workflow is unknown, or no host serves the queue.
local function stuck_sentence(queue, list, now)
  local workflow = queue.queue:match("^%?(.+)$")
  if workflow then
    return ('%s waiting for a host that knows workflow "%s"; start one that does (weir serve DIR)'):format(
      terminal.count(queue.ready, "run") .. (queue.ready == 1 and " is" or " are"), workflow)
  elseif not hosts.serve(list, now, queue.queue) then
    return ('%s in queue "%s", which no host serves (weir serve --queues %s)'):format(
      terminal.count(queue.ready, "run") .. (queue.ready == 1 and " stands" or " stand"), queue.queue, queue.queue)
  end
end

local function count_ready(list, now)
  local ready, stuck = 0, nil
  for _, queue in ipairs(redis.queues()) do
    ready = ready + queue.ready
    if queue.ready > 0 then stuck = stuck or stuck_sentence(queue, list, now) end
  end
  return ready, stuck
end

local function of_everything(list, now)
  local alive, owned = 0, 0
  for _, host in ipairs(list) do
    if hosts.is_alive(host, now) then alive, owned = alive + 1, owned + host.owned end
  end
  local ready, stuck = count_ready(list, now)
  if alive == 0 then
    return ("no run moves: no host is alive%s; start one: weir serve DIR"):format(
      ready > 0 and (", with %s ready"):format(terminal.count(ready, "run")) or "")
  end
  if stuck then return stuck end
  if ready > 0 then
    return ("runs move: %s ready, and %s alive"):format(
      terminal.count(ready, "run"), terminal.count(alive, "host") .. (alive == 1 and " is" or " are"))
  end
  local due = redis.due()
  if due then
    return ("no run is ready; the next run wakes %s (weir list shows them)"):format(until_text(due, now))
  end
  if owned > 0 then
    return ("no run is ready; %s held by workers, running or waiting (weir list shows them)"):format(
      terminal.count(owned, "run") .. (owned == 1 and " is" or " are"))
  end
  return "there is no run to execute: start one with weir start WORKFLOW"
end

---Why no run moves, or that runs move; and the files that hosts do not load.
---@return string
function why.of_everything()
  local full = outage.sentence()
  if full then return full end
  local list, now = redis.hosts()
  return table.concat({ of_everything(list, now), table.unpack(hosts.refusals(list, now)) }, "; ")
end

---Why a run does not move; and the newer files of its workflow that hosts do not load.
---@param id string
---@return string
function why.of_run(id)
  local sentence, run = sentence_of(id, {}), redis.status({ id })[id]
  local settled = not run or run.state == "completed" or run.state == "cancelled"
  return settled and sentence or sentence .. newer_code(run.workflow)
end

return why
