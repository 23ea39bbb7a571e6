-- cancel: a client ends a run.
-- args   run  message  [terminate("1"|"")]     terminate: the run gets no time to clean up; also for a run whose cancel
--                                              is recorded already
-- moves  ready | scheduled -> cancelled, for a run that never began; waiting | retrying -> ready, for a run that has to
--        end its children first; a running one gets the cancel in the reply of its turn
-- reply  cancelled    the run never began and has ended, or its cancel is recorded: it ends after its children
--        ended state  the run has ended; nothing was written
--        missing

local runs = lib.runs

function verbs.cancel()
  local id, message = lib.next_args(2)
  local terminate = lib.more() and lib.next_arg()
  local run = runs.load(id)
  if not run then return { "missing" } end
  if runs.ended(run) then return { "ended", run.state } end
  lib.cancellation.cancel(run, "cancelled", message, terminate == "1")
  return { "cancelled", run.state }
end
