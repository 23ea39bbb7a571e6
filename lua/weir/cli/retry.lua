-- `weir retry`: an ended run begins again, and so do the runs above it that ended because of it. Which they are is said
-- by weir.chain; the store takes it if nothing has moved meanwhile.

local chain = require "weir.reset.plan"
local store = require "weir.client.redis"

local retry = {}

---Runs in one call.
retry.BATCH = 200

local TRIES = 3 -- what was looked at may have moved

-- Answers for runs to which nothing was done, by the word of `chain.of`.
local REFUSED = {
  refused = { "refused", store.FAILED }, past = { "past", store.FAILED }, live = { "live", store.FAILED },
  missing = { "missing", store.NO_INPUT }, no_operation = { "refused", store.NO_INPUT },
}

local function refusal(word, sentence, run)
  local state = word == "live" and run.state or nil
  return { answer = REFUSED[word][1], state = state, message = sentence, status = REFUSED[word][2] }
end

local function acceptance(links, newest)
  local account = chain.account(links, newest)
  return { answer = "retried", message = account.message, status = 0, forgot = account.forgot, kept = account.kept,
           above = account.above }
end

-- What is asked of a run itself says what it forgets, for all are asked the same; else it is the children that it is to
-- ask for again.
local function add_link(there, link)
  if not link.child then
    there.again = link.again
  elseif there.again:find("^only") and not (there.again .. "\t"):find("\t" .. link.child .. "\t", 1, true) then
    there.again = there.again .. "\t" .. link.child
  end
end

-- Chains with the same topmost run are one: it begins again for all of them.
local function merge(trees, links)
  local top = links[1].run.id
  local tree = trees[top]
  if not tree then
    tree = { by_id = {} }
    trees[top], trees[#trees + 1] = tree, tree
  end
  for _, link in ipairs(links) do
    local there = tree.by_id[link.run.id]
    if not there then
      there = { run = link.run, again = link.again }
      tree.by_id[link.run.id], tree[#tree + 1] = there, there
    end
    add_link(there, link)
  end
end

local function group_of(tree)
  local group = { "retry", #tree }
  for _, one in ipairs(tree) do
    for _, value in ipairs { one.run.id, one.run.turn, one.again } do group[#group + 1] = value end
  end
  return group
end

-- Tries all that have no answer. What has moved since it was looked at is left.
local function try(ids, options, answers)
  local runs, chains, trees = {}, {}, {}
  local function look(id)
    if runs[id] == nil then runs[id] = store.inspect({ id })[id] or false end
    return runs[id] or nil
  end
  for i, id in ipairs(ids) do
    if not answers[i] then
      local links, word, sentence = chain.of(look, id, options)
      chains[i] = links
      if links then
        merge(trees, links)
      else
        answers[i] = refusal(word, sentence, runs[id])
      end
    end
  end
  local groups, retried = {}, {}
  for i, tree in ipairs(trees) do groups[i] = group_of(tree) end
  for i, reply in ipairs(groups[1] and store.call(table.unpack(groups)) or {}) do
    retried[trees[i][1].run.id] = reply[1] == "retried"
  end
  local registry
  local function newest(workflow)
    registry = registry or store.registry()
    return registry[workflow] and registry[workflow].bundle
  end
  for i, links in pairs(chains) do
    if retried[links[1].run.id] then answers[i] = acceptance(links, newest) end
  end
end

---Lets runs begin again, with one call.
---@param ids string[] at most BATCH
---@param options { from: string?, scratch: boolean? }
---@return weir.Answer[] answers one for each id: retried (with forgot, kept, above), live, missing, refused
function retry.acts(ids, options)
  if options.from and options.scratch then
    store.fault(store.USAGE, "--from and --scratch exclude each other: --scratch forgets everything")
  end
  local answers = {}
  for _ = 1, TRIES do try(ids, options, answers) end
  for i, id in ipairs(ids) do
    answers[i] = answers[i]
      or refusal("refused", ("run %s does not stand still; weir show %s"):format(id, id))
  end
  return answers
end

return retry
