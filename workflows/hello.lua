-- The first workflow: data comes in, a result goes out.
--
--   weir run hello --dir workflows --data '{"name":"Ada"}'
local weir = require "weir"

return weir.workflow {
  id = "hello",
  run = function(_, data)
    return "Hello, " .. (data.name or "world") .. "!"
  end,
}
