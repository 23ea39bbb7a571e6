-- Custom serialization: one's own encode for the payload, one's own decode for the result.
--
--   weir run custom-serialization --dir workflows --data '{"complex":"data"}'
local weir = require "weir"
local json = require "weir.json"

-- encode makes the JSON text that the child gets as its data, decode reads the JSON text of what
-- the child returned. Here both speak of an envelope that the parent's own code never sees.
local function encode(value)
  return json.encode { custom = value }
end

local function decode(text)
  return json.decode(text).custom
end

local custom_function = weir.workflow {
  id = "custom-function",
  schema = { type = "object", required = { "custom" } },
  run = function(_, envelope)
    return { custom = { complex = envelope.custom.complex:upper() } }
  end,
}

local custom_serialization = weir.workflow {
  id = "custom-serialization",
  run = function(ctx, data)
    return ctx:invoke {
      id = "custom",
      workflow = "custom-function",
      data = data,
      encode = encode,
      decode = decode,
    }
  end,
}

return { custom_serialization, custom_function }
