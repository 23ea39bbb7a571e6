-- inspect: read a run whole.
-- args   run
-- reply  run (field value)… | missing

function verbs.inspect()
  local id = lib.take()
  local fields = lib.fields(id)
  if #fields == 0 then return { "missing" } end
  table.insert(fields, 1, "run")
  return fields
end
