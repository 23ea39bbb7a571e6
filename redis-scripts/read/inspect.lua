-- inspect: read a run, a page a call.
-- args   run  [cursor]        cursor: "0", or none, then that of the page before
-- reply  run cursor version (field value)… | missing
--        cursor "": that was all. A page whose version is not that of the first shows a run that has gone on

local runs = lib.runs

function verbs.inspect()
  local id, cursor = lib.take(), lib.more() and lib.take() or "0"
  local run = runs.load(id)
  if not run then return { "missing" } end
  local reply = { "run", "", run.state .. " " .. run.turn .. " " .. run.number }
  reply[2] = lib.pages.page(id, cursor, reply)
  return reply
end
