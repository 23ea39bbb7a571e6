-- load: reads a page of the record of a run that this worker owns, and whose coroutine it does not have.
-- args   run  cursor        cursor: "0", then that of the page before
-- reply  cold run turn crashes bundle number cursor (field value)… | not_owner
--        number: of the last outcome; cursor "": that was all
-- A cold claim has the first page in the same form. Between two pages only outcomes can be added, because the run sends
-- no turn while it is loaded. So the reader uses the number of the first page and leaves out later outcomes, of which a
-- later page may show some. The reply of the first turn brings them.

local runs = lib.runs

function verbs.load()
  local run, cursor = runs.load(lib.next_arg()), lib.next_arg()
  if not run or run.owner ~= lib.worker or run.state ~= "running" then return { "not_owner" } end
  return lib.pages.cold(run, cursor)
end
