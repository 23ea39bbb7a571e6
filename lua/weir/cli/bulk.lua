-- `weir cancel`, `weir retry`, `weir delete`, `weir move` act on named runs, or on all runs of a SELECTOR. This module
-- asks for confirmation and shows progress and a summary; weir.client.bulk finds the runs and acts on them.
--
-- With --json stdout has a line for each named run, or one object for all runs of a SELECTOR or of stdin.

local bulk = require "weir.client.bulk"
local exit_status = require "weir.cli.exit_status"
local fault = require "weir.client.fault"
local json = require "weir.json"
local native = require "weir.native.client"
local output = require "weir.cli.output"
local progress = require "weir.cli.progress"
local selection = require "weir.cli.selection"
local selector = require "weir.client.selector"
local terminal = require "weir.view.terminal"

local bulk_command = {}

local INTERRUPTED = exit_status.BY_FAULT.interrupted
local LINES = 1000 -- written at once
local SPANS = { s = 1000, m = 60 * 1000, h = 3600 * 1000 }

local WORDS = {
  cancel = { doing = "cancelling", passed = "had ended already" },
  retry = { doing = "retrying", passed = "had not failed" },
  delete = { doing = "deleting", passed = "had not ended" },
  move = { doing = "moving", passed = "do not wait" },
}

-- ------------------------------------------------------------------------------------------------
-- The runs

---Reads --rate.
---@param text string? "50/s" "100/m"
---@return number? interval_ms between two runs
function bulk_command.interval(text)
  if not text then return nil end
  local count, unit = text:match("^(%d+)/(%l)$")
  count = tonumber(count)
  if not count or count == 0 or not SPANS[unit] then
    fault.option("rate", "cannot be %s; write 50/s, 100/m or 1000/h", text)
  end
  return SPANS[unit] / count
end

local function find(verb, options, selected)
  local line = progress.new()
  local ids, passed = bulk.find(verb, options, selected, function(chosen, seen)
    line:say("looking: %s of %s", terminal.number(chosen), terminal.count(seen, "run"))
  end)
  line:clear()
  return ids, passed
end

local function check(verb, options, selected)
  if not selected.narrowed then
    fault.raise("invalid", "name runs (weir %s RUN...), select them (--state failed), or send their ids to stdin (-)",
      verb)
  end
  if selected.ids or options.yes or options.dry_run then return end
  if not native.is_terminal(0) or not native.is_terminal(2) then
    fault.raise("invalid", "%s with a SELECTOR asks before it acts, and there is no terminal: add --yes to act, "
      .. "or --dry-run to see the runs", verb)
  end
end

-- Asks before acting on runs that were not named.
local function agreed(verb, count)
  native.write(2, ("%s %s? [y/N] "):format(verb, terminal.count(count, "run")))
  local answer = io.read("l")
  if not answer then output.say "" end -- Ctrl-D leaves the cursor behind the question
  return answer ~= nil and answer:lower():find("^%s*y") ~= nil
end

local function dry_run(verb, ids, passed, as_json)
  local function line(id) return as_json and json.encode { run = id, would = verb } or selection.id_line(id) end
  for from = 1, #ids, LINES do
    local lines = {}
    for i = from, math.min(from + LINES - 1, #ids) do lines[#lines + 1] = line(ids[i]) end
    output.print(table.concat(lines, "\n"))
  end
  local more = passed > 0 and ("; %s not in a state for it"):format(terminal.count(passed, "other")) or ""
  output.say(("would %s %s%s"):format(verb, terminal.count(#ids, "run"), more))
  return exit_status.DONE
end

-- ------------------------------------------------------------------------------------------------
-- The answers

---@class weir.BulkReport
---@field verb string
---@field selection weir.Selection
---@field options table of the command
---@field ids string[]
---@field summarized boolean the runs were not named one by one
---@field handled integer of the ids
---@field counts table<string, integer> by answer
---@field passed integer selected runs in another state
---@field faults table[] for the JSON of a summary
---@field status integer
---@field line weir.Progress

-- Answers for runs that are in the wrong state, or gone: nothing was done to them.
local HARMLESS = { ended = true, live = true, past = true, missing = true, running = true }

local function skipped(self) return self.passed + (self.counts.ended or 0) + (self.counts.live or 0) end

local function summary(self)
  local words, counts, parts = WORDS[self.verb], self.counts, {}
  local done = bulk.ACTS[self.verb].done
  local function add(count, text)
    if (count or 0) > 0 then parts[#parts + 1] = ("%s %s"):format(terminal.number(count), text) end
  end
  parts[1] = ("%s %s"):format(done, terminal.number(counts[done] or 0))
  add(skipped(self), words.passed)
  add(counts.past, "dealt with already")
  add(counts.there, "on the newest code already")
  add(counts.running, "running")
  add(counts.mismatch, "would not go on with it")
  add(counts.missing, "were not there")
  add(counts.refused, "refused")
  return table.concat(parts, ", ")
end

local function summary_json(self)
  local counts, done = self.counts, bulk.ACTS[self.verb].done
  return json.encode {
    [done] = counts[done] or 0, skipped = skipped(self) + (counts.past or 0), missing = counts.missing or 0,
    there = counts.there, running = counts.running, mismatch = counts.mismatch,
    refused = counts.refused or 0, left = #self.ids - self.handled, faults = json.array(self.faults),
  }
end

local function answer_table(id, answer)
  return {
    run = id, answer = answer.answer, state = answer.state, message = answer.message,
    reset = answer.reset and json.array(answer.reset), kept = answer.kept and json.array(answer.kept),
    above = answer.above and json.array(answer.above), code = answer.code, line = answer.line, bundle = answer.bundle,
  }
end

-- Runs that a filter found may have moved on or be gone by now; an earlier try of the same command may have acted on
-- runs whose ids come by stdin.
local function is_failure(selected, word)
  if not selected.ids then return not HARMLESS[word] end
  return not (selected.piped and HARMLESS[word] and word ~= "missing")
end

-- Removes the progress line, then writes.
local function tell(self, write, ...)
  self.line:clear()
  write(...)
end

-- A summary replaces the sentences about runs on which the act was done.
local function note(self, id, answer)
  local as_json, word = self.options.json, answer.answer
  self.counts[word] = (self.counts[word] or 0) + 1
  self.handled = self.handled + 1
  if as_json and not self.summarized then tell(self, output.print, json.encode(answer_table(id, answer))) end
  if not answer.fault then
    if answer.message and not self.summarized then tell(self, output.say, answer.message) end
  elseif is_failure(self.selection, word) then
    if answer.message then tell(self, output.complain, "%s", answer.message) end
    if as_json and self.summarized then self.faults[#self.faults + 1] = answer_table(id, answer) end
    self.status = math.max(self.status, exit_status.of(answer))
  end
end

-- Prints how many runs were handled, also after an interruption or an error.
local function conclude(self, complete)
  self.line:clear()
  if self.summarized and self.options.json then output.print(summary_json(self)) end
  local left = #self.ids - self.handled
  if complete then
    if self.summarized then output.say(summary(self)) end
  elseif left > 0 and (self.summarized or self.handled > 0) then
    output.say(("%s, %s of %s are left: the same command goes on with them"):format(summary(self),
      terminal.number(left), terminal.number(#self.ids)))
  end
end

local function carry_out(self, interval_ms)
  native.heed_interrupts()
  local ok, interrupted = pcall(bulk.run, self.verb, self.options, self.ids, interval_ms, function(ids, answers)
    for i, answer in ipairs(answers) do note(self, ids[i], answer) end
    self.line:bar(WORDS[self.verb].doing, self.handled, #self.ids)
  end)
  conclude(self, ok and not interrupted)
  if not ok then error(interrupted, 0) end
  return interrupted and INTERRUPTED or self.status
end

---Acts on the selected runs.
---@param verb "cancel"|"retry"|"delete"|"move"
---@param options table of the command
---@return integer status
function bulk_command.main(verb, options)
  local interval_ms, selected = bulk_command.interval(options.rate), selection.read(options)
  check(verb, options, selected)
  if verb == "retry" and not options.dry_run then output.warn_of_changes() end
  local ids, passed = selected.ids and bulk.separate(verb, selected.ids), 0
  if not ids then ids, passed = find(verb, options, selected) end
  local misspelt = #ids + passed == 0 and selector.misspelt(selected)
  if misspelt then output.warn("%s", misspelt) end
  if options.dry_run then
    if selected.ids then ids, passed = bulk.fitting(verb, options, ids) end
    return dry_run(verb, ids, passed, options.json)
  end
  if not selected.ids and not options.yes and #ids > 0 and not agreed(verb, #ids) then
    output.say(("nothing was %s"):format(bulk.ACTS[verb].done))
    return exit_status.FAILED
  end
  local self = { verb = verb, selection = selected, options = options, ids = ids,
                 summarized = not selected.ids or selected.piped, handled = 0, counts = {}, passed = passed,
                 faults = {}, status = exit_status.DONE, line = progress.new() }
  return carry_out(self, interval_ms)
end

return bulk_command
