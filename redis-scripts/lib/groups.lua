-- groups: runs the groups of a batch, which check and plan, and write nothing.

local groups = {}
lib.groups = groups

local groups_begin = 4 + tonumber(ARGV[3])
local raised = {} -- index of a group that raised -> its reply

--- Whether an error says that the user of Redis lacks a right. The texts are those of Redis 7.0 and of 7.2.
function groups.forbids(text)
  local find = string.find
  return find(text, "The user executing the script", 1, true) or find(text, "ACL failure in script", 1, true)
end

--- Run every group once; returns a reply for each. A group that raises has planned half of its work, so the batch
--- begins again without it.
function groups.run()
  lib.begin()
  local replies = {}
  local at, last = groups_begin, #ARGV
  while at < last do
    local verb, n = ARGV[at], tonumber(ARGV[at + 1])
    local index = #replies + 1
    if raised[index] then
      replies[index] = raised[index]
    else
      lib.begin_group(at + 1, at + 1 + n)
      local ok, reply = pcall(verbs[verb] or error, "no such verb: " .. verb)
      if not ok then
        if lib.runs.skip_handled(reply) then return groups.run() end
        local text = type(reply) == "table" and reply.err or tostring(reply)
        if groups.forbids(text) then error({ err = text }) end -- nothing is written, and no run fails for it
        raised[index] = text == "conflict" and { "conflict" } or { "error", text }
        return groups.run()
      end
      replies[index] = reply
    end
    at = at + 2 + n
  end
  if lib.plan.looks_for_removed then lib.registry.drop_removed() end
  return replies
end
