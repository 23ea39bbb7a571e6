-- `weir retry`: an ended run begins again, and so do the runs above it that ended because of it. What each is to forget
-- is said here as the runs themselves find out (forgetting.lua); the store takes it if nothing has moved meanwhile.

local forgetting = require "weir.forgetting"
local nearest = require "weir.nearest"
local record = require "weir.record"
local store = require "weir.cli.store"

local retry = {}

local NAMED = 5 -- operations named in a sentence
local TRIES = 3 -- what was looked at may have moved

-- An ended run as `forgetting` wants it.
local function ended(run)
  local operations = {}
  for _, operation in ipairs(run.operations) do
    if operation.state ~= "pending" then
      operations[#operations + 1] = {
        id = operation.id, kind = operation.kind, number = operation.number, after = operation.after,
        failed = operation.number ~= nil and operation.state ~= "completed",
      }
    end
  end
  return { operations = operations, barren = run.barren, graph = run.graph }
end

local function fault(status, sentence) return nil, { word = "refused", sentence = sentence, status = status } end

local function refused(format, ...) return fault(store.FAILED, format:format(...)) end

local function operation_of(run, id)
  for _, operation in ipairs(run.operations) do
    if operation.id == id then return operation end
  end
end

local function no_such_operation(run, id)
  local names = {}
  for i, operation in ipairs(run.operations) do names[i] = operation.id end
  local near = nearest.find(id, names)
  local advice = near and ('did you mean "%s"?'):format(near) or ("weir show %s lists them"):format(run.id)
  return fault(store.NO_INPUT, ('run %s has no operation "%s"; %s'):format(run.id, id, advice))
end

-- What the run itself is to forget.
local function mode_of(run, options)
  if options.scratch then return "scratch" end
  if not options.from then
    if run.state ~= "completed" then return "rule" end
    return refused("run %s has completed: there is nothing to retry; --from OPERATION or --scratch does it again",
      run.id)
  end
  if not operation_of(run, options.from) then return no_such_operation(run, options.from) end
  return "from\t" .. options.from
end

-- Whether a run may be asked again for one of its children.
local function check_parent(parent, child)
  local operation
  for _, one in ipairs(parent.operations) do
    if one.run == child.id then operation = one end
  end
  if not operation then
    return refused("run %s does not ask for %s any more; weir retry %s", parent.id, child.id, parent.id)
  end
  if not record.ENDED[parent.state] then
    return refused("run %s is below %s, which is %s: retry it when that has ended", child.id, parent.id, parent.state)
  end
  if parent.graph then return operation end
  if parent.state == "completed" then
    return refused("run %s has completed without it; weir retry %s --from %s does it again, and all that came after",
      parent.id, parent.id, operation.id)
  end
  if not forgetting.choose(ended(parent), "rule")[operation.id] then
    return refused("run %s went on past its failure; weir retry %s --from %s does it again, and all that came after",
      parent.id, parent.id, operation.id)
  end
  return operation
end

-- The runs that begin again, from the topmost down, each with what it is to forget.
local function chain_of(run, options)
  local mode, why_not = mode_of(run, options)
  if not mode then return nil, why_not end
  local chain, below = { { run = run, again = mode } }, run
  while below.parent and not below.detached do
    local parent = store.inspect({ below.parent })[below.parent]
    if not parent then break end
    local operation
    operation, why_not = check_parent(parent, below)
    if not operation then return nil, why_not end
    table.insert(chain, 1, { run = parent, again = "only\t" .. operation.id })
    below = parent
  end
  return chain
end

local function named(ids)
  local text = table.concat(ids, ", ", 1, math.min(#ids, NAMED))
  return #ids > NAMED and ("%s and %d more"):format(text, #ids - NAMED) or text
end

-- What was forgotten and what was kept, and whether it will end the same way.
local function sentence_of(chain)
  local run, again = chain[#chain].run, chain[#chain].again
  local marks = forgetting.choose(ended(run), again)
  local forgotten, kept = {}, {}
  for _, operation in ipairs(run.operations) do
    local into = marks[operation.id] and forgotten or operation.state ~= "pending" and kept
    if into then into[#into + 1] = operation.id end
  end
  local text = ("run %s begins again: %s; %s"):format(run.id,
    #forgotten > 0 and "forgot " .. named(forgotten) or "nothing is forgotten",
    #kept > 0 and "kept " .. named(kept) or "nothing is kept")
  if #chain > 1 then
    local above = {}
    for i = #chain - 1, 1, -1 do above[#above + 1] = chain[i].run.id end
    text = text .. "; so does " .. named(above) .. ", for its sake"
  end
  local culprit = run.error and run.error.operation
  if culprit and not marks[culprit] and operation_of(run, culprit) then
    text = text .. ('; it will end the same way, as the failure of "%s" led to more: weir retry %s --from %s'):format(
      culprit, run.id, culprit)
  end
  return text
end

local function try(id, options)
  local run = store.inspect({ id })[id]
  if not run then
    return "missing", ('there is no run "%s"; weir list shows those there are'):format(id), store.NO_INPUT
  end
  if not record.ENDED[run.state] then
    return "live", ("run %s is %s: it can be retried when it has ended"):format(id, run.state), store.FAILED
  end
  local chain, why_not = chain_of(run, options)
  if not chain then return why_not.word, why_not.sentence, why_not.status end
  local group = { "retry", #chain }
  for _, one in ipairs(chain) do
    for _, value in ipairs { one.run.id, one.run.turn, one.again } do group[#group + 1] = value end
  end
  local reply = store.call(group)[1]
  if reply[1] == "retried" then return "retried", sentence_of(chain), 0 end
  return nil
end

---Lets one run begin again.
---@param id string
---@param options { from: string?, scratch: boolean? }
---@return string word retried, live, missing, refused
---@return string sentence
---@return integer status
function retry.act(id, options)
  if options.from and options.scratch then
    store.fault(store.USAGE, "--from and --scratch exclude each other: --scratch forgets everything")
  end
  for _ = 1, TRIES do
    local word, sentence, status = try(id, options)
    if word then return word, sentence, status end
  end
  return "refused", ("run %s does not stand still; look at it with weir show %s"):format(id, id), store.FAILED
end

return retry
