-- inspect: reads a run, a page a call.
-- args   run  [cursor]        cursor: "0" or none, then the one of the last reply
-- reply  run cursor version (field value)… | missing
--        cursor "": that was the last page. When a page has another version than the first, the run has changed

local runs = lib.runs

function verbs.inspect()
  local id, cursor = lib.next_arg(), lib.more() and lib.next_arg() or "0"
  local run = runs.load(id)
  if not run then return { "missing" } end
  local reply = { "run", "", run.state .. " " .. run.turn .. " " .. run.last_number }
  reply[2] = lib.pages.page(id, cursor, reply)
  return reply
end
