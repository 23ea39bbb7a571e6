-- `weir retry`: an ended run begins again, and so do the runs above it that ended because of it. What each is to forget
-- is said here as the runs themselves find out (forgetting.lua); the store takes it if nothing has moved meanwhile.

local forgetting = require "weir.forgetting"
local nearest = require "weir.nearest"
local record = require "weir.record"
local store = require "weir.cli.store"

local retry = {}

---Runs in one call.
retry.BATCH = 200

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

-- What `act` says of a run to which nothing was done.
local function fault(status, sentence, word) return nil, { word or "refused", sentence, status } end

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

-- A node of a graph that was never begun is no run yet.
local function missing(look, id)
  local parent_id, key = id:match("^(.*)/([^/]*)$")
  local parent = parent_id and look(parent_id)
  local node = parent and parent.graph and operation_of(parent, key)
  for _, need in ipairs(node and node.depends_on or {}) do
    local operation = operation_of(parent, need)
    if operation.state ~= "completed" then
      local state = operation.state == "failed" and "has failed" or "is " .. operation.state
      return refused("%s was not begun: it depends on %s/%s, which %s%s", id, parent_id, need, state,
        operation.number and ("; weir retry %s/%s"):format(parent_id, need) or "")
    end
  end
  return fault(store.NO_INPUT, ('there is no run "%s"; weir list shows those there are'):format(id), "missing")
end

-- The runs that begin again so that one does, from the topmost down, each with what it is to forget.
local function chain_of(look, id, options)
  local run = look(id)
  if not run then return missing(look, id) end
  if not record.ENDED[run.state] then
    return fault(store.FAILED, ("run %s is %s: it can be retried when it has ended"):format(id, run.state), "live")
  end
  local mode, why_not = mode_of(run, options)
  if not mode then return nil, why_not end
  local chain, below = { { run = run, again = mode } }, run
  while below.parent and not below.detached do
    local parent = look(below.parent)
    if not parent then break end
    local operation
    operation, why_not = check_parent(parent, below)
    if not operation then return nil, why_not end
    table.insert(chain, 1, { run = parent, again = "only", child = operation.id })
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

-- Chains with the same topmost run are one: it begins again for all of them.
local function merge(trees, chain)
  local top = chain[1].run.id
  local tree = trees[top]
  if not tree then
    tree = { by_id = {} }
    trees[top], trees[#trees + 1] = tree, tree
  end
  for _, link in ipairs(chain) do
    local there = tree.by_id[link.run.id]
    if not there then
      there = { run = link.run, again = link.again }
      tree.by_id[link.run.id], tree[#tree + 1] = there, there
    end
    if link.child and not (there.again .. "\t"):find("\t" .. link.child .. "\t", 1, true) then
      there.again = there.again .. "\t" .. link.child
    end
  end
end

local function group_of(tree)
  local group = { "retry", #tree }
  for _, one in ipairs(tree) do
    for _, value in ipairs { one.run.id, one.run.turn, one.again } do group[#group + 1] = value end
  end
  return group
end

-- Tries all whose result is not known. What has moved since it was looked at is left.
local function try(ids, options, results)
  local runs, chains, trees = {}, {}, {}
  local function look(id)
    if runs[id] == nil then runs[id] = store.inspect({ id })[id] or false end
    return runs[id] or nil
  end
  for i, id in ipairs(ids) do
    if not results[i] then
      local chain, why_not = chain_of(look, id, options)
      results[i], chains[i] = why_not, chain
      if chain then merge(trees, chain) end
    end
  end
  local groups, retried = {}, {}
  for i, tree in ipairs(trees) do groups[i] = group_of(tree) end
  for i, reply in ipairs(groups[1] and store.call(table.unpack(groups)) or {}) do
    retried[trees[i][1].run.id] = reply[1] == "retried"
  end
  for i, chain in pairs(chains) do
    if retried[chain[1].run.id] then results[i] = { "retried", sentence_of(chain), 0 } end
  end
end

---Lets runs begin again, with one call.
---@param ids string[] at most BATCH
---@param options { from: string?, scratch: boolean? }
---@return table[] for each id a word, a sentence, an exit status
function retry.acts(ids, options)
  if options.from and options.scratch then
    store.fault(store.USAGE, "--from and --scratch exclude each other: --scratch forgets everything")
  end
  local results = {}
  for _ = 1, TRIES do try(ids, options, results) end
  for i, id in ipairs(ids) do
    results[i] = results[i] or { "refused", ("run %s does not stand still; weir show %s"):format(id, id), store.FAILED }
  end
  return results
end

---@param id string
---@param options { from: string?, scratch: boolean? }
---@return "retried"|"live"|"missing"|"refused" word
---@return string sentence
---@return integer status
function retry.act(id, options)
  local result = retry.acts({ id }, options)[1]
  return result[1], result[2], result[3]
end

return retry
