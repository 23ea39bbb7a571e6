-- fail: the run failed or was cancelled, and its children have ended.
-- args   state  error  redo     state: failed | cancelled
--        redo: "" or, each behind a tab, the operations that a plain retry resets
-- moves  running -> failed | cancelled | waiting    its parent: waiting -> ready
-- As with complete, cancelled children end first, and a cancel that Redis recorded first takes precedence.

local runs, ends = lib.runs, lib.ends

function effects.fail(run)
  local state, failure, redo = lib.next_args(3)
  if ends.cancel_is_pending(run) or ends.has_unseen_cancel(run) then return end
  if redo ~= "" then runs.set(run, "redo", redo) end
  ends.finish(run, state, failure)
end
