-- afresh: a run that begins again has forgotten all that it was to forget.
-- args   none
-- moves  nothing

function effects.afresh(run)
  lib.set(run, "again", nil)
  lib.set(run, "barren", nil)
  lib.set(run, "ended", nil)
end
