std = "lua54"
max_line_length = 120
cache = false
exclude_files = { "build" }

-- Redis runs Lua 5.1. lib.lua comes first in the joined text: the others see its locals.
files["redis-scripts"] = {
  std = "lua51",
  max_line_length = 120,
  read_globals = { "redis", "cjson", "cmsgpack", "KEYS", "ARGV", "define" },
  globals = { "lib", "verbs", "effects" },
}
files["redis-scripts/lib.lua"] = { ignore = { "211/lib", "211/verbs", "211/effects", "221/define" } }

files["spec"] = { std = "lua54+busted" }
files["tests"] = { std = "lua54+busted" }

-- Shapes for the editor, without bodies.
files["lua/weir/types.lua"] = { ignore = { "1..", "2.." } }
files["lua/weir/native"] = { ignore = { "212" } }
