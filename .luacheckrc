std = "lua54"
max_line_length = 100
cache = false
exclude_files = { "build" }

-- Redis runs Lua 5.1; lib.lua, the verbs and dispatch.lua are joined into one text, so what one
-- file defines another may use.
files["redis-scripts"] = {
  std = "lua51",
  read_globals = { "redis", "cjson", "cmsgpack", "bit", "struct", "KEYS", "ARGV" },
  allow_defined_top = true,
}
files["spec"] = { std = "lua54+busted" }
files["tests"] = { std = "lua54+busted" }
-- Shapes for the editor, without bodies.
files["lua/weir/types.lua"] = { ignore = { "1..", "2.." } }
files["lua/weir/native"] = { ignore = { "212" } }
