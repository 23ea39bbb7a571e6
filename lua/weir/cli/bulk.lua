-- An act on runs that were named, or on all that a SELECTOR means: cancel, retry, delete. What the act does to one run,
-- and in one call to several, stands in the file of the act; here is which runs, the question, the pace, the count.
--
-- Every act may be done twice: what was interrupted goes on where it was when it is sent again. With --json stdout has
-- a line for each run that was named, or one object for all that a SELECTOR or stdin meant; stderr stays as it is.

local client = require "weir.native.client"
local json = require "weir.json"
local output = require "weir.cli.output"
local progress = require "weir.cli.progress"
local record = require "weir.record.record"
local selector = require "weir.client.selector"
local store = require "weir.client.redis"
local terminal = require "weir.view.terminal"

local many = {}

local DONE, INTERRUPTED = 0, 130
local BATCH = 50 -- runs in one call
local LINES = 1000 -- written at once
local SPANS = { s = 1000, m = 60 * 1000, h = 3600 * 1000 }

---@class weir.Act what can be done to runs
---@field doing string
---@field done string the word of `act` when it was done
---@field passed string of runs in a state for which it is not
---@field fits fun(state: string, options: table): boolean whether it is for runs in that state
---@field whole boolean? it takes along also what was let go below a run

---@type table<string, weir.Act>
local ACTS = {
  cancel = {
    doing = "cancelling", done = "cancelled", passed = "had ended already",
    fits = function(state) return not record.ENDED[state] end,
  },
  retry = {
    doing = "retrying", done = "retried", passed = "had not failed",
    fits = function(state, options)
      if options.scratch or options.from then return record.ENDED[state] == true end
      return state == "failed" or state == "cancelled"
    end,
  },
  delete = {
    doing = "deleting", done = "deleted", passed = "had not ended", whole = true,
    fits = function(state) return record.ENDED[state] == true end,
  },
}

-- ------------------------------------------------------------------------------------------------
-- Which runs

---Milliseconds between two runs.
---@param text string? "50/s" "100/m"
---@return number?
function many.pace(text)
  if not text then return nil end
  local count, unit = text:match("^(%d+)/(%l)$")
  count = tonumber(count)
  if not count or count == 0 or not SPANS[unit] then
    store.fault(store.USAGE, "--rate: %s is no rate; write 50/s, 100/m or 1000/h", text)
  end
  return SPANS[unit] / count
end

-- Of the runs that a SELECTOR means, the ids of those that the act is for, and how many others there were.
local function find(verb, options, selection)
  local act, line = ACTS[verb], progress.new()
  local ids, passed, most = {}, 0, selection.limit or math.maxinteger
  selector.walk(selection, function(page, seen)
    for _, glance in ipairs(page) do
      if not act.fits(glance.state, options) then
        passed = passed + 1
      elseif #ids < most then
        ids[#ids + 1] = glance.id
      end
    end
    line:say("looking: %s of %s", terminal.number(#ids), terminal.count(seen, "run"))
    return #ids >= most
  end)
  line:over()
  return selector.topmost(ids, act.whole), passed
end

local function check(verb, options, selection)
  if not selection.narrowed then
    store.fault(store.USAGE, "say which: weir %s RUN..., a SELECTOR such as --state failed, or - for ids on stdin",
      verb)
  end
  if selection.ids or options.yes or options.dry_run then return end
  if not client.is_terminal(0) or not client.is_terminal(2) then
    store.fault(store.USAGE, "%s by a SELECTOR asks first, and here is no terminal to ask on: add --yes, "
      .. "or --dry-run to see what it would be done to", verb)
  end
end

-- Asked before anything is done to runs that nobody named.
local function agreed(verb, count)
  client.write(2, ("%s %s? [y/N] "):format(verb, terminal.count(count, "run")))
  local answer = io.read("l")
  if not answer then output.say "" end -- Ctrl-D leaves the cursor behind the question
  return answer ~= nil and answer:lower():find("^%s*y") ~= nil
end

-- ------------------------------------------------------------------------------------------------
-- The work

---@class weir.Answer what an act said of one run
---@field answer string a word for counting; that of the act when it was done
---@field message string? a sentence for people
---@field status integer
---@field state string? of a run in no state for it
---@field forgot string[]? by a retry, as are the next two
---@field kept string[]?
---@field above string[]?

---@class weir.Tally
---@field verb string
---@field selection weir.Selection
---@field options table of the command
---@field ids string[]
---@field bulk boolean nobody named them one by one
---@field handled integer of these
---@field counts table<string, integer> by answer
---@field passed integer
---@field faults table[] of a bulk that is told as JSON
---@field status integer
---@field line weir.Progress
---@field due number? when the next may be done, ms

-- Answers for runs that are in no state for it: nothing was done, and nothing is wrong with it.
local NEVERMIND = { ended = true, live = true, past = true, missing = true }

local function skipped(self) return self.passed + (self.counts.ended or 0) + (self.counts.live or 0) end

local function describe(self)
  local act, counts, parts = ACTS[self.verb], self.counts, {}
  local function add(count, words)
    if (count or 0) > 0 then parts[#parts + 1] = ("%s %s"):format(terminal.number(count), words) end
  end
  parts[1] = ("%s %s"):format(act.done, terminal.number(counts[act.done] or 0))
  add(skipped(self), act.passed)
  add(counts.past, "dealt with already")
  add(counts.missing, "were not there")
  add(counts.refused, "refused")
  return table.concat(parts, ", ")
end

local function summary_json(self)
  local act, counts = ACTS[self.verb], self.counts
  return json.encode {
    [act.done] = counts[act.done] or 0, skipped = skipped(self) + (counts.past or 0), missing = counts.missing or 0,
    refused = counts.refused or 0, left = #self.ids - self.handled, faults = json.array(self.faults),
  }
end

local function answer_table(id, reply)
  return {
    run = id, answer = reply.answer, state = reply.state, message = reply.message,
    forgot = reply.forgot and json.array(reply.forgot), kept = reply.kept and json.array(reply.kept),
    above = reply.above and json.array(reply.above),
  }
end

-- What a filter found may have moved on, or be gone, by now; of ids on stdin, those that it was done to before have.
local function is_fault(selection, answer)
  if not selection.ids then return not NEVERMIND[answer] end
  return not (selection.piped and NEVERMIND[answer] and answer ~= "missing")
end

-- Something is to be written where the bar stands.
local function tell(self, write, ...)
  self.line:over()
  write(...)
end

-- What is said of each run that it was done to is for the few that were named.
local function note(self, id, reply)
  local as_json, answer = self.options.json, reply.answer
  self.counts[answer] = (self.counts[answer] or 0) + 1
  self.handled = self.handled + 1
  if as_json and not self.bulk then tell(self, output.print, json.encode(answer_table(id, reply))) end
  if reply.status == DONE then
    if reply.message and not self.bulk then tell(self, output.say, reply.message) end
  elseif is_fault(self.selection, answer) then
    if reply.message then tell(self, output.complain, "%s", reply.message) end
    if as_json and self.bulk then self.faults[#self.faults + 1] = answer_table(id, reply) end
    self.status = math.max(self.status, reply.status)
  end
end

-- Waits until the next may be done; true when the process was interrupted. What was late is not made up for.
local function wait_for_turn(self, pace)
  if not pace then return client.pause(0) end
  local due = math.max(self.due or 0, client.now_ms())
  self.due = due + pace
  return client.pause(math.ceil(due - client.now_ms()))
end

-- Goes through all; true when it was interrupted.
local function work(self, pace)
  local module = require("weir.cli." .. self.verb)
  local size = pace and 1 or module.BATCH or BATCH
  while self.handled < #self.ids do
    if wait_for_turn(self, pace) then return true end
    local batch = table.move(self.ids, self.handled + 1, math.min(self.handled + size, #self.ids), 1, {})
    for i, reply in ipairs(module.acts(batch, self.options)) do note(self, batch[i], reply) end
    self.line:bar(ACTS[self.verb].doing, self.handled, #self.ids)
  end
  return false
end

-- Of ids that were named, those that there are and that the act is for, and how many others there were.
local function fitting(verb, options, ids)
  local found, chosen = store.glance(ids), {}
  for _, id in ipairs(ids) do
    if found[id] and ACTS[verb].fits(found[id].state, options) then chosen[#chosen + 1] = id end
  end
  return chosen, #ids - #chosen
end

local function dry_run(verb, ids, passed, as_json)
  local function line(id) return as_json and json.encode { run = id, would = verb } or selector.id_line(id) end
  for from = 1, #ids, LINES do
    local lines = {}
    for i = from, math.min(from + LINES - 1, #ids) do lines[#lines + 1] = line(ids[i]) end
    output.print(table.concat(lines, "\n"))
  end
  local more = passed > 0 and ("; %s not in a state for it"):format(terminal.count(passed, "other")) or ""
  output.say(("would %s %s%s"):format(verb, terminal.count(#ids, "run"), more))
  return DONE
end

-- How far it went, whatever ended it.
local function conclude(self, complete)
  self.line:over()
  if self.bulk and self.options.json then output.print(summary_json(self)) end
  local left = #self.ids - self.handled
  if complete then
    if self.bulk then output.say(describe(self)) end
  elseif left > 0 and (self.bulk or self.handled > 0) then
    output.say(("%s, %s of %s are left: the same command goes on with them"):format(describe(self),
      terminal.number(left), terminal.number(#self.ids)))
  end
end

local function carry_out(self, pace)
  client.heed_interrupts()
  local ok, interrupted = pcall(work, self, pace)
  conclude(self, ok and not interrupted)
  if not ok then error(interrupted, 0) end
  return interrupted and INTERRUPTED or self.status
end

---Does it to all that are meant.
---@param verb "cancel"|"retry"|"delete"
---@param options table of the command
---@return integer status
function many.main(verb, options)
  local pace, selection = many.pace(options.rate), selector.read(options)
  check(verb, options, selection)
  if verb == "retry" and not options.dry_run then output.warn_of_changes() end
  local ids, passed = selection.ids and selector.topmost(selection.ids, ACTS[verb].whole), 0
  if not ids then ids, passed = find(verb, options, selection) end
  local misspelt = #ids + passed == 0 and selector.misspelt(selection)
  if misspelt then output.warn("%s", misspelt) end
  if options.dry_run then
    if selection.ids then ids, passed = fitting(verb, options, ids) end
    return dry_run(verb, ids, passed, options.json)
  end
  if not selection.ids and not options.yes and #ids > 0 and not agreed(verb, #ids) then
    output.say(("nothing was %s"):format(ACTS[verb].done))
    return store.FAILED
  end
  local self = { verb = verb, selection = selection, options = options, ids = ids,
                 bulk = not selection.ids or selection.piped, handled = 0, counts = {}, passed = passed, faults = {},
                 status = DONE, line = progress.new() }
  return carry_out(self, pace)
end

return many
