-- members: reads the ids of a page of a set that holds runs.
-- args   set  from  count     as for `census`
-- reply  members run…

function verbs.members()
  local set, from, count = lib.next_args(3)
  return { "members", unpack(lib.members.page(set, tonumber(from), tonumber(count))) }
end
