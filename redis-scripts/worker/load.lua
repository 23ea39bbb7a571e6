-- load: a page of the record of a run that this worker holds, whose coroutine it does not have.
-- args   run  cursor        cursor: "0", then that of the page before
-- reply  cold run turn crashes bundle number cursor (field value)… | not_owner
--        number: of the last outcome; cursor "": that was all
-- A claim that is cold brings the first page in the same words. From one page to the next outcomes may come, nothing
-- else, for the run says nothing while it is loaded. So the reader keeps to the number of the first page: outcomes
-- after that, of which a later page may show some, are left out, and its first turn is told them.

local runs = lib.runs

function verbs.load()
  local run, cursor = runs.load(lib.take()), lib.take()
  if not run or run.owner ~= lib.worker or run.state ~= "running" then return { "not_owner" } end
  return lib.pages.cold(run, cursor)
end
